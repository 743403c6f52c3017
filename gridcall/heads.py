"""Heads of districts, as they are announced on `time` and signed by an operator.

A head is a line of JSON, a watermark with the hash of the chain. Signed ones are followed by the
signature of OpenSSH over all lines before it. So anyone can check a signature with `ssh-keygen`
alone, and the private key may be in an agent or in a hardware token.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from eventlog.kafka.topics import Mark, encode_mark, parse_mark
from events.errors import Halted, Invalid
from gridcall.verify import KnownHead

NAMESPACE = "gridcall-head"  # A signature for another purpose is none of a head.
BEGIN = b"-----BEGIN SSH SIGNATURE-----"
LOG = "intake"


class HeadFile(NamedTuple):
    """The heads of a file, the bytes that are signed, and their signature; empty if unsigned."""

    heads: Sequence[KnownHead]
    text: bytes
    signature: bytes


def to_lines(marks: Iterable[Mark]) -> bytes:
    """Return marks as lines of JSON."""
    return b"".join(encode_mark(mark) + b"\n" for mark in marks)


def parse_heads(content: bytes) -> HeadFile:
    """Return the heads of a file. Watermarks of logs without a chain are left out. Raises Invalid.

    Records of the topic `time` may be given as they are, one a line.
    """
    text, begin, rest = content.partition(BEGIN)
    heads = []
    for line in filter(None, map(bytes.strip, text.splitlines())):
        mark = parse_mark(line)
        digest = digest_of(mark)
        if mark.log == LOG and digest:
            heads.append(KnownHead(mark.shard, mark.generation, mark.position, digest))
    return HeadFile(heads, text, begin + rest)


def digest_of(mark: Mark) -> bytes:
    """Return the hash of a watermark, empty for a log without a chain. Raises Invalid."""
    try:
        return bytes.fromhex(mark.head)
    except ValueError as fault:
        raise Invalid("head", mark.head[:80], "not a hash in hex") from fault


def sign(text: bytes, key: Path) -> bytes:
    """Return the signature of a text by the private key in a file. Raises Halted."""
    return run_ssh_keygen("sign", "-n", NAMESPACE, "-f", str(key), text=text)


def signer_of(file: HeadFile, signers: Path) -> str:
    """Return who signed a file, as a file of allowed signers names them. Raises Halted."""
    with NamedTemporaryFile() as signature:
        signature.write(file.signature)
        signature.flush()
        words = ("-f", str(signers), "-s", signature.name)
        names = run_ssh_keygen("find-principals", *words).decode().splitlines()
        signer = names[0] if names else ""
        run_ssh_keygen("verify", "-I", signer, "-n", NAMESPACE, *words, text=file.text)
        return signer


def run_ssh_keygen(action: str, *words: str, text: bytes = b"") -> bytes:
    """Return what `ssh-keygen -Y action` writes. Raises Halted if it fails or is not installed."""
    command = ["ssh-keygen", "-Y", action, *words]
    try:
        done = subprocess.run(  # noqa: S603  # No shell reads these words.
            command, input=text, capture_output=True, check=False
        )
    except FileNotFoundError as fault:
        raise Halted("ssh-keygen is not installed: apt-get install openssh-client") from fault
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Halted(f"ssh-keygen -Y {action} refuses: {said or 'the signer is not known'}")
    return done.stdout

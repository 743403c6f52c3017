"""Check guarantees 1, 2, 3, 5 and 8 from receipts and raw tables.

    python -m tools.checker --database URL [--service-database routing=URL] --receipts FILE [--json]

One state of the database is read, district by district, row by row. A district is at rest when it
is checked: nobody posts, and the stages have caught up. Exit code 0: nothing was found. 1: a
violation was found. 2: the check was not possible.

A receipt is a JSON object on a line, one for each item that was answered. Its fields are district,
kind (issue or action), source, line (of an issue), reference, status, id and pos.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from tools.checker.examination import examine
from tools.checker.receipts import read_receipts
from tools.checker.report import as_json, sentences


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Checks guarantees 1, 2, 3, 5 and 8 from receipts and raw tables."
    )
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument(
        "--service-database",
        action="append",
        default=[],
        metavar="SERVICE=URL",
        help="a service with its own database",
    )
    parser.add_argument("--receipts", required=True, metavar="FILE", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of sentences")
    options = parser.parse_args(arguments)
    try:
        report = asyncio.run(
            examine(
                options.database,
                read_receipts(options.receipts),
                dict(each.split("=", 1) for each in options.service_database),
            )
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        sys.stderr.write(f"cannot check: {fault}\n")
        return 2
    sys.stdout.write(
        as_json(report) + "\n"
        if options.json
        else "".join(f"{line}\n" for line in sentences(report))
    )
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

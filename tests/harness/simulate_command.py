"""`gridcall simulate` as a command, and files of rows for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.harness.commands import run_gridcall
from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL

HEADER = "id;channel;type;opened;target;closed;status;area;ward;latitude;longitude;verdict\n"
GOOD = (
    "R;Phone;Noise;2019-06-03T09:00:00;07/06/2019;2019-06-05T09:00:00;Done;102;Ward 1;"
    "53.3350;-6.2850;OK\n"
)


def simulate(
    out: Path,
    *more: object,
    profile: Path = PROFILE,
    city: Path = CITY,
    inputs: list[Path] | None = None,
    until: str = UNTIL,
) -> subprocess.CompletedProcess[str]:
    files = INPUTS if inputs is None else inputs
    options = ("--profile", profile, "--map", city, "--until", until, "--out", out)
    return run_gridcall("simulate", *options, "--input", *files, *more)


def write_rows(folder: Path, text: str, name: str = "rows.csv") -> list[Path]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [path]

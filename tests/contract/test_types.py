"""The types of the catalogue, as a program that uses it meets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.harness.paths import ROOT

CHANGING = """
from events.catalogue import (CaseClosed, Assignment)

def change(event: CaseClosed, holder: Assignment) -> None:
    event.by = holder.level = "grid"
"""


def test_the_type_checker_lets_nobody_change_a_value(tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text(CHANGING)
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "changing.py"]
    said = subprocess.run(
        words,
        env={**os.environ, "MYPYPATH": str(ROOT / "libs")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.count("is read-only") == 2, said.stdout + said.stderr

"""The files of the repository that tests use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join(str(ROOT / part) for part in ("libs", "services", "."))
GOLDEN = ROOT / "tests" / "unit" / "golden" / "events-v1.jsonl"

# A shell script that stands for the installed `gridcall` program.
GRIDCALL_SCRIPT = f'#!/bin/sh\nexec "{sys.executable}" -m gridcall "$@"\n'

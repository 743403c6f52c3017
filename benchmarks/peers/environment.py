"""The environment of packages that only benchmarks use: peers, and the library that draws.

`make peers` makes it from requirements.lock beside this file. Production never has it.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parent.parent / ".venv-peers" / "bin" / "python"

"""`python -m routing`: the service alone, as its environment says (settings.py)."""

from __future__ import annotations

from eventlog.program import main
from routing.app import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)

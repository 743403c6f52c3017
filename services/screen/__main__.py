"""`python -m screen`: the service alone, as its environment says (settings.py)."""

from __future__ import annotations

from eventlog.program import main
from screen.app import PROGRAM

if __name__ == "__main__":
    main(PROGRAM)

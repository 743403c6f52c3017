"""`python -m escalation`: the service alone, as its environment says (settings.py)."""

from __future__ import annotations

from escalation.app import PROGRAM
from eventlog.program import main

if __name__ == "__main__":
    main(PROGRAM)

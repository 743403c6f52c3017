"""Print the notes of a release: `python -m tools.release_notes 0.1.0` reads CHANGELOG.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def notes_of(changelog: str, version: str) -> str:
    """Return the text of a version. Raises SystemExit if the changelog has none."""
    section = rf"^## \[{re.escape(version)}\][^\n]*\n(?P<text>.*?)(?=^## \[|^\[[^\]]+\]: |\Z)"
    notes = re.search(section, changelog, re.MULTILINE | re.DOTALL)
    if not notes or not notes["text"].strip():
        raise SystemExit(f"CHANGELOG.md says nothing about {version}: give it a section")
    return notes["text"].strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(notes_of(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))

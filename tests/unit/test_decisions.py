"""Every decision record has the one form: number, date, status, and four sections in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RECORDS = sorted((Path(__file__).parents[2] / "docs/decisions").glob("*.md"))
STATUS = re.compile(r"Date: \d{4}-\d{2}-\d{2} · Status: (accepted|superseded)\b.*")
SECTIONS = ["Context", "Decision", "Alternatives", "Consequences"]


def test_records_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_one_form(path: Path) -> None:
    text = path.read_text()
    title, empty, status = text.splitlines()[:3]
    assert re.match(rf"# {int(path.name[:4])}\. \S", title)
    assert empty == ""
    assert STATUS.fullmatch(status)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS

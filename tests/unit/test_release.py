"""The lock of production and the notes of a release are parts of what the repository has."""

from __future__ import annotations

import pytest

from tests.harness.paths import ROOT
from tools.production_lock import closure, render
from tools.release_notes import notes_of

CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-02

### Added

- A lamp.

## [0.1.0] - 2026-12-01

- The first one.

[0.2.0]: https://example.org/0.2.0
"""


def test_notes_are_the_section_of_their_version() -> None:
    assert notes_of(CHANGELOG, "0.2.0") == "### Added\n\n- A lamp.\n"
    assert notes_of(CHANGELOG, "0.1.0") == "- The first one.\n"


@pytest.mark.parametrize("version", ["0.3.0", "0x2.0", "Unreleased"])
def test_a_version_without_a_text_has_no_notes(version: str) -> None:
    with pytest.raises(SystemExit, match="give it a section"):
        notes_of(CHANGELOG, version)


def test_an_extra_brings_its_packages_and_no_other_extra_does() -> None:
    assert "greenlet" in closure(["sqlalchemy[asyncio]"])
    assert "greenlet" not in closure(["sqlalchemy"])
    assert "psycopg" not in closure(["sqlalchemy[asyncio]"])


def test_a_lock_has_each_row_that_is_needed_with_all_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    rows = render(lock, ["numpy"])
    assert [line.split(" ")[0] for line in rows.splitlines() if "==" in line] == [
        line.split(" ")[0] for line in lock.splitlines() if line.startswith("numpy==")
    ]
    assert rows.count("--hash=") > 100, "a hash for each kind of machine"
    assert "# via" not in rows

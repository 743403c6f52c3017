"""The version of state rows: it changes with what a store has, and with nothing else."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest

from eventlog.state_codec import digest_of


@dataclass(frozen=True)
class Unit:
    """A unit."""

    name: str


def case(*fields: Any, words: str = "A case.", name: str = "Case") -> type[Any]:
    unit = ("unit", Unit)
    return make_dataclass(name, [unit, *fields], namespace={"__doc__": words}, frozen=True)


def test_a_docstring_is_no_part_of_the_version() -> None:
    assert digest_of([case(words="A case.")]) == digest_of([case(words="A matter.")])


def test_a_docstring_of_a_part_is_no_part_of_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of([case()])
    monkeypatch.setattr(Unit, "__doc__", "A street.")
    assert digest_of([case()]) == before


def test_each_field_type_default_and_name_is_a_part_of_the_version() -> None:
    cases = [
        case(),
        case(name="Matter"),
        case(("description", str)),
        case(("description", int)),
        case(("notes", tuple[str, ...])),
        case(("notes", tuple[str, ...], ())),
        case(("notes", tuple[str, ...], ("none",))),
    ]
    assert len({digest_of([each]) for each in cases}) == len(cases)

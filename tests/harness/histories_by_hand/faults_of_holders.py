"""Faults of guarantee 2 about holders: a case has one, and an adoption reaches all of a grid."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import holder
from tests.harness.histories_by_hand.planting import Fault, change, remove, tell

DAN = {**holder(), "grid": "0105", "worker": "dan"}

HOLDERS: dict[str, Fault] = {
    "a case is taken from who does not have it": (
        tell("cases", "case-reassigned", previous=holder()),
        "holder",
        "from who does not have it",
    ),
    "a case is given to who has it": (
        tell("cases", "case-reassigned", holder=DAN),
        "holder",
        "to who has it",
    ),
    "a successor begins no new responsibility": (
        tell("cases", "case-reassigned", holder={**DAN, "worker": "eli"}),
        "holder",
        "begins responsibility 1 of",
    ),
    "a placement skips a responsibility": (
        tell("cases", "case-routed", 10, holder={**holder(), "episode": 3}),
        "holder",
        "begins responsibility 3 of",
    ),
    "an adoption forgets a case of a grid": (
        remove("cases", "case-reassigned"),
        "holder",
        "of grid 0105, whose worker is eli",
    ),
    "an adoption reaches cases out of order": (
        change("cases", "case-reassigned", 1, subject="0"),
        "holder",
        "in one adoption",
    ),
}

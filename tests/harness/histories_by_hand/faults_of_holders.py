"""Faults of guarantee 2 about holders: a case has one, and an adoption reaches all of a grid."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import holder, matter
from tests.harness.histories_by_hand.planting import Fault, change, plant_both, remove, tell

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
    "a queue is nobody's": (
        tell("cases", "case-reassigned", 2, holder={**DAN, "worker": None, "level": "street"}),
        "holder",
        "at no dispatcher's desk",
    ),
    "a place is named for a case that has one": (
        tell("cases", "case-reassigned", 0, because="dispatcher"),
        "holder",
        "for nothing",
    ),
    "a case in a queue gets no place from who names it": (
        tell("cases", "case-reassigned", 3, queued=True),
        "holder",
        "for nothing",
    ),
    "a visited case loses its visit when its place is named": (
        plant_both(
            tell("cases", "case-reassigned", 3, matter=matter(None)),
            change("cases", "case-reassigned", 3, type="gridcall.case-routed.v1"),
        ),
        "state",
        "is sought",
    ),
    "an adoption reaches cases out of order": (
        change("cases", "case-reassigned", 1, subject="0"),
        "holder",
        "in one adoption",
    ),
}

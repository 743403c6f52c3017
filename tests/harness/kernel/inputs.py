"""Inputs of the toy domain, drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.harness.kernel.events import (
    ToyAdopted,
    ToyCensusAsked,
    ToyCloseAsked,
    ToyMergeAsked,
    ToyMoveAsked,
    ToyNoteSent,
    ToyReported,
    ToyRetryAsked,
    ToySplitAsked,
)
from tests.harness.kernel.toy import ASKS_OFFICE, NEW, OLD

ISSUES = [str(number) for number in range(1, 8)]
MATTERS = ["noise", "rubbish"]
PLACES = ["east", "west"]
POISONS = [
    "amid", "decide", "endless", "evolve", "fire", "keys", "meet", "requests", "subject",
    "timers", "unhashable",
]  # fmt: skip
LEVELS = 5


def draw_input(chance: Random, parked: Sequence[str]) -> Any:
    """Return an input. About one in six is poison, and adoptions cure most poisons in time.

    Some inputs retry one of the `parked` cases.
    """
    issue, matter = chance.choice(ISSUES), chance.choice(MATTERS)
    is_poison = chance.random() < 0.17
    poison = chance.choice(POISONS) if is_poison else ""
    cure = chance.randint(1, LEVELS) if is_poison else 0
    match chance.randrange(16):
        case 0 | 1 | 2 | 3:
            delays = tuple(chance.randint(-2, 6) for _ in range(chance.randrange(4)))
            allergy = chance.randrange(LEVELS) if chance.random() < 0.3 else 0
            place = chance.choice(PLACES)
            return ToyReported(
                issue=issue,
                matter=matter,
                place=place,
                delays=delays,
                allergy=allergy,
                poison=poison,
                cure=cure,
            )
        case 4 | 5:
            return ToyMergeAsked(issue=issue, into=chance.choice(ISSUES), poison=poison, cure=cure)
        case 6:
            return ToySplitAsked(issue=issue, matter=matter, poison=poison, cure=cure)
        case 7:
            return ToyMoveAsked(issue=issue, matter=matter, poison=poison, cure=cure)
        case 8:
            return ToyCloseAsked(issue=issue, poison=poison, cure=cure)
        case 9 | 10:
            is_shared = chance.random() < 0.5
            text = chance.choice(["hello", "well", ASKS_OFFICE])
            return ToyNoteSent(
                issue=issue, text=text, is_shared=is_shared, poison=poison, cure=cure
            )
        case 11:
            return ToyCensusAsked(is_ignored=chance.random() < 0.5)
        case 12 | 13:
            case = chance.choice([f"c{issue}", *parked, *parked])
            return ToyRetryAsked(case=case, poison=poison, cure=cure)
        case _:
            return ToyAdopted(
                level=chance.randint(1, LEVELS),
                place=chance.choice([*PLACES, "*"]),
                is_shared=chance.random() < 0.5,
                version=chance.choice([OLD, NEW]) if chance.random() < 0.3 else "",
            )

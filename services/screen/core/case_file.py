"""The file of a case: its state, its open calls, and the positions of the rows of its life."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from casebook import Call, Case
from events.catalogue import Level
from events.instants import LATEST, Instant
from events.topology import SERVICE

LOGS = SERVICE["screen"].inputs
LINE_FIGURES = (
    "accepted", "open", "ended", "overdue", "calling", "queued", "parked",
    "street_calls", "district_calls",
)  # fmt: skip
GRID_FIGURES = ("open", "overdue", "calling")


class Tally(NamedTuple):
    """The name of a count: `of` is a line or a grid, `code` its code, `figure` what is counted."""

    of: str
    code: str
    figure: str


class CaseKeys(NamedTuple):
    """The keys by which lists and the search find a case. A case without a line is in no list.

    `due` is LATEST without a deadline, so that those cases are last. `ended` is an instant and
    `accepted` a position of `intake`; None until then.
    """

    line: str
    reference: str
    grid: str | None
    due: Instant
    accepted: int | None
    ended: Instant | None
    open: bool
    running: bool
    overdue: bool
    calling: bool
    queued: bool
    parked: bool


@dataclass(slots=True)
class CaseFile:
    """A case, its open calls by id, and the positions of its rows in each log.

    `opened` is True once routing has opened the case.
    """

    case: Case
    calls: dict[str, Call] = field(default_factory=dict)
    life: dict[str, list[int]] = field(default_factory=dict)
    opened: bool = False

    @property
    def highest_call(self) -> Level | None:
        """The highest level that is called; None without an open call."""
        levels = {call.to_level for call in self.calls.values()}
        return "district" if "district" in levels else "street" if levels else None

    @property
    def parked(self) -> bool:
        """True while routing has parked the case."""
        return "cases" in self.case.parked_in

    @property
    def issue_position(self) -> int | None:
        """The position at which intake accepted the issue; None until that was read."""
        return self.life["intake"][0] if "intake" in self.life else None

    def keys(self) -> CaseKeys:
        """Return the keys of the case."""
        case, is_counted = self.case, bool(self.case.line)
        is_open = is_counted and case.open
        return CaseKeys(
            line=case.line,
            reference=case.reference,
            grid=case.grid,
            due=LATEST if case.due is None else case.due,
            accepted=self.issue_position,
            ended=case.ended if is_counted else None,
            open=is_open,
            running=is_open and not case.missed,
            overdue=is_open and case.missed,
            calling=is_counted and bool(self.calls),
            queued=is_open and case.queued,
            parked=is_counted and self.parked,
        )

    def tallies(self) -> Counter[Tally]:
        """Return what the case adds to each count."""
        keys = self.keys()
        if not keys.line:
            return Counter()
        levels = Counter(call.to_level for call in self.calls.values())
        figures = {
            **{name: int(getattr(keys, name)) for name in ("open", "overdue", "calling")},
            "accepted": int(keys.accepted is not None),
            "ended": int(keys.ended is not None),
            "queued": int(keys.queued),
            "parked": int(keys.parked),
            "street_calls": levels["street"],
            "district_calls": levels["district"],
        }
        return Counter(dict(tallies_of(keys, figures)))


def tallies_of(keys: CaseKeys, figures: dict[str, int]) -> Iterator[tuple[Tally, int]]:
    """Yield the figures of a case under its line, and some of them under its grid, but for 0."""
    for figure, number in figures.items():
        if number:
            yield Tally("line", keys.line, figure), number
            if keys.grid is not None and figure in GRID_FIGURES:
                yield Tally("grid", keys.grid, figure), number


def limit_of(call: Call) -> Instant:
    """Return the instant by which a list of calls is sorted: the limit, else when it was raised."""
    return call.raised if call.answer_due is None else call.answer_due

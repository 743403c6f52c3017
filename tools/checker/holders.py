"""The holders of open cases: each case goes from the holder whom it has, and a grid has one worker.

Reference data that are adopted reach every case that they concern, in the order of the cases' ids.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.checker.call_inputs import ASSIGNS, ENDED, REASSIGNED
from tools.checker.report import Report
from tools.checker.rows import REFERENCE, Row

ADOPTED = ("reference-adopted", "policies-adopted", "roster-adopted")


class Assignment(NamedTuple):
    """A holder: its level, grid, street, worker, and the number of his responsibility."""

    level: str
    grid: str | None
    street: str | None
    worker: str | None
    episode: int


def holder_of(row: Row, name: str = "holder") -> Assignment:
    return Assignment(
        row.text(name, "level"),
        row.field(name, "grid"),
        row.field(name, "street"),
        row.field(name, "worker"),
        row.number(name, "episode"),
    )


class Holders:
    """The holders of the open cases of a district."""

    def __init__(self, shard: str, report: Report) -> None:
        self._shard = shard
        self._report = report
        self._holders: dict[str, Assignment] = {}
        self._parked: set[str] = set()
        self._workers: dict[str, str | None] = {}  # Of each grid, by the last case that it got.
        self._adopts = False  # True while the rows of an adoption are read.
        self._last = ""  # The case of the adoption's last row.

    def take(self, row: Row) -> None:
        if row.step == 1:
            self._adopts, self._last = row.subject == REFERENCE and row.kind in ADOPTED, ""
        if row.subject == REFERENCE:
            return
        self._check_order(row)
        if row.kind == "case-parked":
            self._parked.add(row.subject)
        elif row.kind == "case-retried":
            self._parked.discard(row.subject)
        elif row.kind in ENDED:
            self._holders.pop(row.subject, None)
        elif row.kind in (*ASSIGNS, REASSIGNED):
            self._assign(row)

    def _check_order(self, row: Row) -> None:
        """Check that an adoption reaches each case once, in the order of their ids."""
        if not self._adopts:
            return
        if row.subject <= self._last:
            self._report.say(
                "holder", f"{row.name} is about {row.subject}, after {self._last} in one adoption"
            )
        self._last = row.subject

    def _assign(self, row: Row) -> None:
        holder, before = holder_of(row), self._holders.get(row.subject)
        self._check_queue(row, holder, before)
        if row.kind == REASSIGNED:
            self._check_reassignment(row, holder, before)
        elif before is not None and holder.episode not in (before.episode, before.episode + 1):
            self._say_episode(row, holder, before)
        self._holders[row.subject] = holder
        if holder.level == "grid" and holder.grid is not None:
            self._workers[holder.grid] = holder.worker

    def _check_queue(self, row: Row, holder: Assignment, before: Assignment | None) -> None:
        """Check that a queue is a dispatcher's, and that a case whose grid is named leaves it."""
        is_queued = row.kind == "case-queued"
        if row.kind == REASSIGNED:
            is_queued = row.field("queued") is True
        if is_queued and (holder.level == "grid" or (holder.grid, holder.worker) != (None, None)):
            self._report.say("holder", f"{row.name} queues {row.subject} at no dispatcher's desk")
        if row.kind != REASSIGNED or row.field("because") != "dispatcher":
            return
        if is_queued or holder.grid is None or (before is not None and before.grid is not None):
            self._report.say("holder", f"{row.name} names the place of {row.subject} for nothing")

    def _check_reassignment(self, row: Row, holder: Assignment, before: Assignment | None) -> None:
        if before != holder_of(row, "previous"):
            self._report.say("holder", f"{row.name} takes {row.subject} from who does not have it")
        if holder == before:
            self._report.say("holder", f"{row.name} gives {row.subject} to who has it")
        begins = before is not None and holder.worker not in (None, before.worker)
        if before is not None and holder.episode != before.episode + begins:
            self._say_episode(row, holder, before)

    def _say_episode(self, row: Row, holder: Assignment, before: Assignment) -> None:
        self._report.say(
            "holder",
            f"{row.name} begins responsibility {holder.episode} of {row.subject}, after "
            f"{before.episode}",
        )

    def close(self) -> None:
        """Check that the open cases of a grid have one worker: the one who got the last case."""
        for case, holder in self._holders.items():
            if holder.level != "grid" or holder.grid is None or case in self._parked:
                continue
            worker = self._workers[holder.grid]
            if holder.worker != worker:
                self._report.say(
                    "holder",
                    f"{self._shard}: {holder.worker} has case {case} of grid {holder.grid}, whose "
                    f"worker is {worker}",
                )

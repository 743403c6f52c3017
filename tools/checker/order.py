"""The order of one log (guarantee 3)."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from tools.checker.report import Report
from tools.checker.rows import SOURCE, Head, Row

WAITS = ("action-waits", "case-parked", "input-held")  # By these an input has to wait.


class Timeline:
    """The time of each position of a log, and the positions at which decisions begin."""

    def __init__(self) -> None:
        self.times: dict[int, int] = {}
        self.last = 0
        self._begins = array("q")
        self._begin_times = array("q")

    def take(self, row: Row) -> None:
        self.add(row.position, row.time, begins=row.step == 1)

    def add(self, position: int, time: int, *, begins: bool) -> None:
        self.times[position] = time
        self.last = position
        if begins:
            self._begins.append(position)
            self._begin_times.append(time)

    def beginnings(self) -> frozenset[int]:
        """Return the positions at which decisions begin."""
        return frozenset(self._begins)

    def position_of(self, row: Row) -> int | None:
        """Return the position that a row of a stage names as its cause, or None."""
        return cause_position(row)

    def first_beyond(self, since: int, due: int) -> int | None:
        """Return the first position after `since` that let time pass beyond `due`.

        Only a decision's first row lets time pass.
        """
        i = max(bisect_right(self._begins, since), bisect_right(self._begin_times, due))
        return self._begins[i] if i < len(self._begins) else None


def cause_position(row: Row) -> int | None:
    """Return the position of the source log that a row names as its cause, or None."""
    prefix = f"{SOURCE.get(row.log)}/{row.shard}/"
    number = row.cause.removeprefix(prefix)
    return int(number) if row.cause.startswith(prefix) and number.isdecimal() else None


class Order:
    """The order of one log of one shard: positions, times, sequences, steps, inputs and causes."""

    def __init__(self, log: str, shard: str, source: Timeline | None, report: Report) -> None:
        self.timeline = Timeline()
        self._name = f"{log}/{shard}"
        self._source = source
        self._report = report
        self._sequences: dict[str, int] = {}
        self._decided = 0  # The last input that a decision names as its cause.
        self._waited: set[int] = set()  # The inputs that had to wait.
        self._late: dict[int, int] = {}  # Of these, the decisions that decided them.
        self._before: Row | None = None

    def take(self, row: Row) -> None:
        self._check_position(row)
        self._check_sequence(row)
        self._step(row)
        if self._source is None:
            self._check_outside(row)
        else:
            self._input(row, self._source)
            self._cause(row, self._source)
        self.timeline.take(row)
        self._before = row

    def _check_position(self, row: Row) -> None:
        before = self._before
        last = before.position if before else 0
        if row.position != last + 1:
            self._report.say("gap", f"{row.name} follows position {last}")
        if before and row.time < before.time:
            self._report.say(
                "time", f"{row.name} is at {row.time}, {before.name} before it at {before.time}"
            )

    def _check_sequence(self, row: Row) -> None:
        last = self._sequences.get(row.subject, 0)
        if row.sequence != last + 1:
            self._report.say(
                "sequence",
                f"{row.name} is number {row.sequence} of {row.subject}, after number {last}",
            )
        self._sequences[row.subject] = row.sequence

    def _step(self, row: Row) -> None:
        before = self._before
        if row.step == 1:
            return
        if before is None or row.step != before.step + 1:
            self._report.say(
                "step", f"{row.name} is step {row.step}, after step {before.step if before else 0}"
            )
        elif (row.input, row.time) != (before.input, before.time):
            self._report.say(
                "step", f"{row.name} goes on after {before.name}, with another input or time"
            )

    def _check_outside(self, row: Row) -> None:
        if row.step != 1:
            self._report.say(
                "step", f"{row.name} is step {row.step}, but what comes in is a decision of its own"
            )
        if row.cause:
            self._report.say(
                "cause", f"{row.name} names {row.cause} as its cause, but came from outside"
            )
        if row.input:
            self._report.say(
                "input", f"{row.name} names input {row.input}, but intake reads no log"
            )

    def _input(self, row: Row, source: Timeline) -> None:
        before = self._before.input if self._before else 0
        if row.input < before:
            self._report.say(
                "input",
                f"{row.name} was made after input {row.input}, the row before it after {before}",
            )
        if row.input > source.last:
            self._report.say(
                "input",
                f"{row.name} was made after input {row.input}, but the last one is {source.last}",
            )

    def _cause(self, row: Row, source: Timeline) -> None:
        if row.cause.startswith("clock/"):
            return
        position = source.position_of(row)
        if position is None or position not in source.times:
            self._report.say(
                "cause", f"{row.name} names {row.cause!r} as its cause, which is not there"
            )
            return
        if row.kind in WAITS and row.has_input:
            self._waited.add(position)
        if row.step == 1:
            self._decision(row, position, source)
        elif position != row.input:
            self._check_late(row, position)

    def _check_late(self, row: Row, position: int) -> None:
        """Check a row that follows from an earlier input than its decision does."""
        if position not in self._waited or position > row.input:
            self._report.say(
                "input",
                f"{row.name} was made after input {row.input}, because of {row.cause}, which had "
                "not waited",
            )
        if self._late.setdefault(position, row.input) != row.input:
            self._report.say("outcome", f"{row.name} decides {row.cause} again")
        if row.kind in WAITS:  # It waits on, behind another case.
            del self._late[position]

    def _decision(self, row: Row, position: int, source: Timeline) -> None:
        if position != row.input:
            self._report.say(
                "input", f"{row.name} was made after input {row.input}, because of {row.cause}"
            )
        if row.time != source.times[position]:
            self._report.say(
                "time",
                f"{row.name} is at {row.time}, its cause {row.cause} at {source.times[position]}",
            )
        if position <= self._decided:
            self._report.say("outcome", f"{row.name} decides {row.cause} again")
        self._decided = max(position, self._decided)

    def close(self, head: Head | None) -> None:
        position, time, _ = head or Head()
        if position != self.timeline.last:
            said = f"its shard's row says {position}" if head else "its shard has no row"
            self._report.say("head", f"{self._name} ends at position {self.timeline.last}; {said}")
        if head and self._before and time < self._before.time:
            self._report.say(
                "time",
                f"{self._before.name} is at {self._before.time}; its shard's row says {time}",
            )

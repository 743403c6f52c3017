"""A shard of the toy domain in short sentences: `shard.come(report(1), at=10)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventlog.codec import envelope, read_envelope
from eventlog.core.decider import REFERENCE
from eventlog.core.lookups import Lookup
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from tests.harness.kernel.case import Case
from tests.harness.kernel.events import (
    INPUTS,
    ToyAdopted,
    ToyCloseAsked,
    ToyMergeAsked,
    ToyMoveAsked,
    ToyNoteSent,
    ToyReported,
    ToyRetryAsked,
    ToySplitAsked,
)
from tests.harness.kernel.schedule import SHARD, compare, snapshot
from tests.harness.kernel.toy import OLD, look_up, toy_versions


class ToyShard:
    """A stage, and all rows that it read and wrote."""

    def __init__(self, lookup: Lookup[Any] = look_up) -> None:
        self.lookup = lookup
        self.stage = self.new_stage()
        self.inputs = 0
        self.adoptions = 0
        self.log: list[Row] = []

    def new_stage(self) -> Stage[Any, Any]:
        versions = toy_versions()
        return Stage(versions[OLD], SHARD, self.lookup, versions)

    def come(self, *events: Any, at: int) -> list[Row]:
        """Apply inputs together; return the rows that follow from them."""
        return self.apply([self.new_input(event, at) for event in events])

    def apply(self, inputs: Sequence[Row]) -> list[Row]:
        return self._write(self.stage.apply(inputs))

    def advance_time(self, watermark: int) -> list[Row]:
        return self._write(self.stage.advance_time(watermark))

    def take_over(self) -> None:
        """Go on with a new stage that replays the log. It knows all that the old one knew."""
        before = self.stage
        self.replay()
        compare("a replayed stage", snapshot(self.stage), snapshot(before))

    def replay(self) -> None:
        """Go on with a new stage that replays the log."""
        stage = self.new_stage()
        for row in self.log:
            stage.replay([read_envelope(envelope(row))])
        stage.input = self.inputs  # Inputs without a row would be applied again.
        self.stage = stage

    def case(self, name: str) -> Case:
        state: Case = self.stage.aggregates.state(name)
        return state

    def find(self, key: Any) -> Sequence[str]:
        return self.stage.aggregates.find(key)

    def new_input(self, event: Any, at: int) -> Row:
        self.inputs += 1
        subject, sequence = f"i{self.inputs}", 1
        if isinstance(event, ToyAdopted):
            self.adoptions += 1
            subject, sequence = REFERENCE, self.adoptions
        return Row(INPUTS, SHARD, self.inputs, at, 0, 1, subject, sequence, "", event)

    def _write(self, rows: list[Row]) -> list[Row]:
        self.log += rows
        return rows


def report(issue: int, matter: str = "noise", *delays: int, **others: Any) -> ToyReported:
    others = {"place": "east", **others}
    return ToyReported(issue=str(issue), matter=matter, delays=delays, **others)


def merge(issue: int, into: int, **poison: Any) -> ToyMergeAsked:
    return ToyMergeAsked(issue=str(issue), into=str(into), **poison)


def split(issue: int, matter: str) -> ToySplitAsked:
    return ToySplitAsked(issue=str(issue), matter=matter)


def move(issue: int, matter: str, **poison: Any) -> ToyMoveAsked:
    return ToyMoveAsked(issue=str(issue), matter=matter, **poison)


def close(issue: int) -> ToyCloseAsked:
    return ToyCloseAsked(issue=str(issue))


def note(issue: int, text: str = "hello", **others: Any) -> ToyNoteSent:
    return ToyNoteSent(issue=str(issue), text=text, **others)


def retry(case: str, **poison: Any) -> ToyRetryAsked:
    return ToyRetryAsked(case=case, **poison)


def adopt_level(level: int, place: str = "*", **others: Any) -> ToyAdopted:
    return ToyAdopted(level=level, place=place, **others)


def kinds_of(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the subject and the kind of event of each row."""
    return [(row.subject, type(row.event).__name__.removeprefix("Toy")) for row in rows]

"""The stage loop: a fault parks one case and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from escalation.core.decider import Escalation
from eventlog.core.decider import REFERENCE, Input, TimerFired
from eventlog.core.log import MemoryLog
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from events import catalogue as e
from events.errors import Halted
from events.stored_inputs import store
from tests.harness.calls import BOB, reassignment
from tests.harness.city import (
    ANN,
    DAY,
    POLICIES_ADOPTED,
)
from tests.harness.tape import Tape, escalation_stage, report, summary_of


def make_stage(decider: Escalation) -> Stage[Any, Any]:
    return Stage(decider, "city")


class Poisoned(Escalation):
    """Fails for one case, in decide or in evolve."""

    def __init__(self, fault: Exception, where: str) -> None:
        self.fault = fault
        self.where = where

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        is_fired = isinstance(input_.event, TimerFired)
        if input_.subject == "bad" and self.where == ("fire" if is_fired else "decide"):
            raise self.fault
        return super().decide(input_, view)

    def evolve(self, state: Any, event: Any) -> Any:
        if self.where == "evolve" and isinstance(event, e.ClockStarted) and event.case == "bad":
            raise self.fault
        return super().evolve(state, event)


@pytest.mark.parametrize("where", ["decide", "evolve"])
def test_a_case_that_cannot_be_decided_is_parked_with_its_later_inputs_and_the_rest_goes_on(
    where: str,
) -> None:
    tape, stage = Tape("cases"), make_stage(Poisoned(KeyError("surprise"), where))
    rows = stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    rows += stage.apply(tape.write(11, "good", *report("good", 11, 99)))
    rows += stage.apply(
        tape.write(
            12, "bad", e.CaseEndedAtSource(case="bad", holder=ANN, outcome="closed", rules=())
        )
    )
    rows += stage.advance_time(50)
    placed, ended = (
        store(f"cases/city/{row.position}", row.time, row.event)
        for row in (tape.rows[1], tape.rows[4])
    )
    assert [(row.subject, row.event) for row in rows if row.subject == "bad"] == [
        ("bad", e.CaseParked(case="bad", fault="KeyError: 'surprise'", input=placed)),
        ("bad", e.InputHeld(case="bad", input=ended)),
    ]
    assert rows[-1].cause == "cases/city/5"
    assert ("good", "ClockStarted") in [(row.subject, type(row.event).__name__) for row in rows]


def test_a_case_whose_clock_cannot_be_fired_is_parked_and_its_clocks_are_silent() -> None:
    tape, stage = Tape("cases"), make_stage(Poisoned(ValueError("no"), "fire"))
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    assert summary_of(stage.advance_time(9 * DAY)) == [(20, "bad", "CaseParked")]


class Unready(Escalation):
    """Cannot decide the case `bad` before other policies are adopted: a fault that goes away.

    `kind` are the inputs at which it fails.
    """

    def __init__(self, kind: type[Any] = object) -> None:
        self.kind = kind

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        policies = view.reference.policies
        is_ready = policies is not None and policies.name == "better"
        if input_.subject == "bad" and not is_ready and isinstance(input_.event, self.kind):
            raise KeyError("better")
        return super().decide(input_, view)


def in_sequence(rows: Sequence[Row]) -> list[Row]:
    """Rows numbered within their subjects, as a log has them."""
    counts: Counter[str] = Counter()
    return [row._replace(sequence=count_up(counts, row.subject)) for row in rows]


def count_up(counts: Counter[str], name: str) -> int:
    counts[name] += 1
    return counts[name]


BETTER = replace(POLICIES_ADOPTED, name="better")
RETRY = e.RetryPassedOn(case="bad", action="try", by="operator")


def test_a_retry_decides_what_was_missed_in_its_order_and_a_call_counts_from_now() -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    stage.apply(
        tape.write(11, "bad", e.AnswerPassedOn(case="bad", holder=ANN, call="bad/1", by="officer"))
    )
    stage.apply(tape.write(25, "bad", reassignment(BOB, case="bad")))
    stage.apply(tape.write(30, REFERENCE, BETTER))
    rows = stage.apply(tape.write(40, "bad", RETRY))
    assert [row.event for row in rows] == [
        e.CaseRetried(case="bad"),
        e.ClockStarted(
            case="bad", holder=ANN, run=1, started=10, due=20, rule="line", policies="better"
        ),
        e.CallActionDeclined(
            case="bad", holder=ANN, call="bad/1", because="This call is not open."
        ),
        e.DeadlineMissed(case="bad", holder=ANN, run=1, due=20),
        e.CallRaised(
            case="bad",
            holder=ANN,
            call="bad/1",
            from_level="grid",
            to_level="street",
            receiver=e.OnCall("01", None, None),
            because="deadline",
            answer_due=40 + DAY,
        ),
        e.ClockHandedOver(case="bad", holder=BOB, run=1, due=20, missed=True),
    ]
    assert [(row.time, row.cause) for row in rows] == [
        (40, "cases/city/6"),
        (40, "cases/city/2"),
        (40, "cases/city/3"),
        (40, "clock/bad/deadline/1"),
        (40, "clock/bad/deadline/1"),
        (40, "cases/city/4"),
    ], "each row follows from its own cause"
    assert stage.advance_time(50) == []


@pytest.mark.parametrize(("ended", "kinds"), [
    (19, ["ClockStopped"]),
    (20, ["ClockStopped"]),
    (21, ["DeadlineMissed", "CallRaised", "ClockStopped", "CallWithdrawn"]),
])  # fmt: skip
def test_an_end_behind_a_parked_case_is_in_time_if_it_came_in_time(
    ended: int, kinds: list[str]
) -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    end = e.CaseEndedAtSource(case="bad", holder=ANN, outcome="closed", rules=())
    stage.apply(tape.write(ended, "bad", end))
    stage.apply(tape.write(30, REFERENCE, BETTER))
    rows = stage.apply(tape.write(40, "bad", RETRY))
    assert [name for _, _, name in summary_of(rows)] == ["CaseRetried", "ClockStarted", *kinds]


def test_inputs_of_one_decision_are_decided_before_what_their_first_one_started() -> None:
    """Time passes only between decisions, also in a case that is not parked, or not at once."""
    end = e.CaseEndedAtSource(case="bad", holder=ANN, outcome="closed", rules=())
    for decider in (Unready(), Unready(e.CaseEndedAtSource), Escalation()):
        tape, stage = Tape("cases"), make_stage(decider)
        rows = stage.apply(tape.write(30, "bad", *report("bad", 30, 20), end))
        stage.apply(tape.write(31, REFERENCE, BETTER))
        rows += stage.apply(tape.write(40, "bad", RETRY))
        names = [name for _, _, name in summary_of(rows)]
        assert [name for name in names if name.startswith(("Clock", "Deadline"))] == [
            "ClockStarted",
            "ClockStopped",
        ]


def test_a_clock_that_could_not_be_fired_fires_at_the_retry() -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(5, REFERENCE, BETTER))
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    stage.apply(tape.write(15, REFERENCE, POLICIES_ADOPTED))
    assert summary_of(stage.advance_time(30)) == [(20, "bad", "CaseParked")]
    stage.apply(tape.write(31, REFERENCE, BETTER))
    assert summary_of(stage.apply(tape.write(40, "bad", RETRY))) == [
        (40, "bad", "CaseRetried"),
        (40, "bad", "DeadlineMissed"),
        (40, "bad", "CallRaised"),
    ]


def test_a_retry_that_fails_changes_nothing_and_a_later_one_finds_all_that_was_held() -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    assert summary_of(stage.apply(tape.write(11, "bad", RETRY))) == [(11, "bad", "CaseParked")]
    stage.apply(
        tape.write(
            12, "bad", e.CaseEndedAtSource(case="bad", holder=ANN, outcome="closed", rules=())
        )
    )
    stage.apply(tape.write(13, REFERENCE, BETTER))
    rows = stage.apply(tape.write(14, "bad", RETRY))
    assert [name for _, _, name in summary_of(rows)] == [
        "CaseRetried",
        "ClockStarted",
        "ClockStopped",
    ]


def test_a_retry_of_what_is_not_parked_is_declined() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    (row,) = stage.apply(
        tape.write(11, "a", e.RetryPassedOn(case="a", action="try", by="operator"))
    )
    assert row.event == e.InputDeclined(
        case="a",
        input_id="try",
        because="This case is not parked: there is nothing to decide again.",
    )


async def test_a_new_owner_finds_what_waits_behind_a_parked_case_and_decides_it_alike() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), MemoryLog("calls")
    tape.write(10, "bad", *report("bad", 10, 20))
    tape.write(11, "bad", RETRY)
    tape.write(12, "bad", e.CaseEndedAtSource(case="bad", holder=ANN, outcome="closed", rules=()))
    tape.write(13, REFERENCE, BETTER)
    await source.commit("city", in_sequence(tape.rows))
    one, other = (Runner(make_stage(Unready()), SingleOrder(source), sink, 10) for _ in range(2))
    await one.catch_up()
    await other.replay()
    tape.write(14, "bad", RETRY)
    retry = in_sequence(tape.rows)[-1:]
    await source.commit("city", retry)
    other.stage.input = one.stage.input  # Inputs that it had nothing to say about.
    rows = other.stage.apply(retry)
    assert [name for _, _, name in summary_of(rows)] == [
        "CaseRetried",
        "ClockStarted",
        "ClockStopped",
    ]
    assert rows == one.stage.apply(retry)
    third = Runner(make_stage(Unready()), SingleOrder(source), sink, 10)
    await sink.commit("city", rows)
    await third.replay()
    taken_up, known = (each.stage.aggregates.get("bad") for each in (third, other))
    assert taken_up.state == known.state
    assert taken_up.deferred is None


@pytest.mark.parametrize("fault", [MemoryError(), TimeoutError(), OSError("disk"), Halted("stop")])
def test_what_is_no_fault_of_the_case_stops_the_shard(fault: Exception) -> None:
    tape, stage = Tape("cases"), make_stage(Poisoned(fault, "decide"))
    rows = tape.write(10, "bad", *report("bad", 10, 20))
    with pytest.raises(type(fault)):
        stage.apply(rows)
    with pytest.raises(Halted, match="replay it with a new stage"):
        stage.apply(rows)


def test_a_clock_that_could_not_be_fired_is_not_forgotten() -> None:
    tape, stage = Tape("cases"), make_stage(Poisoned(TimeoutError(), "fire"))
    done = stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    with pytest.raises(TimeoutError):
        stage.advance_time(30)
    with pytest.raises(Halted):
        stage.advance_time(30)
    mended = Stage(Escalation(), "city")
    mended.replay(done)
    assert summary_of(mended.advance_time(30)) == [
        (20, "bad", "DeadlineMissed"),
        (20, "bad", "CallRaised"),
    ]


class CountingLog(MemoryLog):
    """Counts how often it is read."""

    reads = 0

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        self.reads += 1
        return await super().read(shard, after, limit)


async def test_a_new_owner_needs_its_own_log_alone_to_know_what_waits() -> None:
    tape, source, sink = Tape("cases"), CountingLog("cases"), MemoryLog("calls")
    tape.write(10, "bad", *report("bad", 10, 20))
    for _ in range(2_000):
        tape.write(11, "bad", e.AnswerPassedOn(case="bad", holder=ANN, call="bad/1", by="officer"))
    await source.commit("city", in_sequence(tape.rows))
    one, other = (Runner(make_stage(Unready()), SingleOrder(source), sink, 400) for _ in range(2))
    await one.catch_up()
    source.reads = 0
    await other.replay()
    assert source.reads == 0, "its own log has what waits"
    assert other.stage.aggregates.get("bad").deferred == one.stage.aggregates.get("bad").deferred

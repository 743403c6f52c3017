"""The stage loop: order, time, poison."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from escalation.core.decider import Escalation
from eventlog.core.decider import REFERENCE, Input, TimerFired
from eventlog.core.log import MemoryLog
from eventlog.core.row import Progress, Row, Watermark
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.runner import Runner
from eventlog.stages import Stages
from events import catalogue as e
from events.errors import Conflict, Halted
from events.stored_inputs import store
from events.topology import DECIDER_VERSION
from gridcall.pipeline import pipeline
from routing.core.decider import Routing
from routing.reference_store import ContentLibrary
from routing.spatial.locator import Locator
from tests.harness.city import (
    ANN,
    CONTENTS,
    DAY,
    IN_0101,
    MAP_ADOPTED,
    POLICIES_ADOPTED,
    POLICIES_SENT,
    ROSTER_ADOPTED,
    ROSTER_SENT,
    USED,
)

ROUTING, ESCALATION = pipeline(CONTENTS)


class Tape:
    """Writes the rows of a log by hand."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.rows: list[Row] = []

    def write(self, time: int, subject: str, *events: e.Event) -> list[Row]:
        """One decision."""
        start = len(self.rows)
        for n, event in enumerate(events, 1):
            position = len(self.rows) + 1
            self.rows.append(
                Row(self.log, "city", position, time, position, n, subject, n, "", event)
            )
        return self.rows[start:]


def report(case: str, time: int, due: int | None) -> tuple[e.Event, e.Event]:
    matter = e.CaseFacts(
        line="hotline", category="Rubbish", urgency="normal", reported=time, due=due
    )
    return (
        e.CaseReported(case=case, issue=case, reference=f"ref-{case}", matter=matter, rules=()),
        e.CaseRouted(case=case, matter=matter, holder=ANN, located_by="point", rules=(), used=USED),
    )


def escalation_stage() -> tuple[Tape, Stage[Any, Any]]:
    tape, stage = Tape("cases"), Stage(Escalation(), "city")
    stage.apply(tape.write(0, REFERENCE, POLICIES_ADOPTED, ROSTER_ADOPTED))
    return tape, stage


def summary_of(rows: Sequence[Row]) -> list[tuple[int, str, str]]:
    return [(row.time, row.subject, type(row.event).__name__) for row in rows]


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────


def test_before_an_input_of_time_t_all_that_was_due_before_t_is_fired() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.apply(tape.write(21, "b", *report("b", 21, 99)))
    assert summary_of(rows) == [
        (20, "a", "DeadlineMissed"),
        (20, "a", "CallRaised"),
        (21, "b", "ClockStarted"),
    ]


def test_what_is_due_at_t_itself_is_not_fired_before_t() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.apply(
        tape.write(20, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()))
    )
    assert summary_of(rows) == [(20, "a", "ClockStopped")]


def test_only_a_decisions_first_event_lets_time_pass() -> None:
    tape, stage = escalation_stage()
    rows = stage.apply(
        tape.write(
            10,
            "a",
            *report("a", 10, 5),
            e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()),
        )
    )
    assert summary_of(rows) == [(10, "a", "ClockStarted"), (10, "a", "ClockStopped")]


def test_a_deadline_that_was_past_when_it_started_fires_at_once_and_not_before_its_report() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 5)))
    assert summary_of(stage.advance_time(11)) == [
        (10, "a", "DeadlineMissed"),
        (10, "a", "CallRaised"),
    ]


def test_clocks_that_run_out_together_fire_by_due_then_case() -> None:
    tape, stage = escalation_stage()
    for case, due in (("c", 20), ("b", 21), ("a", 21), ("d", 19)):
        stage.apply(tape.write(10, case, *report(case, 10, due)))
    missed = [row for row in stage.advance_time(50) if isinstance(row.event, e.DeadlineMissed)]
    assert [row.subject for row in missed] == ["d", "c", "a", "b"]


def test_a_fired_clock_starts_the_next_one_which_fires_in_its_turn() -> None:
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 20)))
    rows = stage.advance_time(20 + DAY + 1)
    assert summary_of(rows)[-1] == (20 + DAY, "a", "CallRaised")
    assert rows[-1].cause == "clock/a/answer/1"
    assert (rows[0].step, rows[1].step, rows[2].step) == (1, 2, 1)


def test_a_clock_past_its_due_at_its_start_fires_before_the_next_input_of_the_same_instant() -> (
    None
):
    tape, stage = escalation_stage()
    stage.apply(tape.write(10, "a", *report("a", 10, 5)))
    rows = stage.apply(
        tape.write(10, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=()))
    )
    assert [name for _, _, name in summary_of(rows)] == [
        "DeadlineMissed",
        "CallRaised",
        "ClockStopped",
        "CallWithdrawn",
    ]


def test_a_watermark_changes_nothing_but_the_moment() -> None:
    def run(*marks: int) -> list[Row]:
        tape, stage = escalation_stage()
        rows = stage.apply(tape.write(10, "a", *report("a", 10, 20)))
        for mark in marks:
            rows += stage.advance_time(mark)
        return rows + stage.apply(tape.write(3 * DAY, "b", *report("b", 3 * DAY, None)))

    assert run() == run(15) == run(20, 21) == run(21, 12, DAY, 2 * DAY)


def test_firing_costs_what_is_due_not_what_is_pending() -> None:
    tape, stage = escalation_stage()
    for i in range(1000):
        stage.apply(tape.write(10, f"c{i}", *report(f"c{i}", 10, DAY + i)))
    queried: list[str] = []
    clocks = stage.decider.timers

    def count_query(state: Any) -> Any:
        queried.append("")
        return clocks(state)

    stage.decider.timers = count_query  # type: ignore[method-assign]
    stage.advance_time(DAY + 1)
    assert len(queried) < 5


# ── Order ────────────────────────────────────────────────────────────────────────────────────────


def test_a_gap_or_a_repeat_stops_the_stage() -> None:
    tape, stage = escalation_stage()
    rows = tape.write(10, "a", *report("a", 10, 20))
    with pytest.raises(Halted, match="expected cases 3, got 4"):
        stage.apply(rows[1:])
    tape, stage = escalation_stage()
    rows = tape.write(10, "a", *report("a", 10, 20))
    stage.apply(rows)
    with pytest.raises(Halted, match="expected cases 5, got 3"):
        stage.apply(rows)


def test_rows_are_numbered_in_their_log_their_decision_and_their_subject() -> None:
    tape, stage = escalation_stage()
    rows = stage.apply(tape.write(10, "a", *report("a", 10, 5)))
    rows += stage.apply(
        tape.write(
            10 + 3 * DAY, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=())
        )
    )
    assert [row.position for row in rows] == list(range(3, 3 + len(rows)))
    assert [row.sequence for row in rows] == list(range(1, 1 + len(rows)))
    assert [(type(row.event).__name__, row.step, row.input, row.cause) for row in rows] == [
        ("ClockStarted", 1, 4, "cases/city/4"),
        ("DeadlineMissed", 1, 4, "clock/a/deadline/1"),
        ("CallRaised", 2, 4, "clock/a/deadline/1"),
        ("CallRaised", 1, 4, "clock/a/answer/1"),
        ("ClockStopped", 1, 5, "cases/city/5"),
        ("CallWithdrawn", 2, 5, "cases/city/5"),
        ("CallWithdrawn", 3, 5, "cases/city/5"),
    ]


def test_a_batch_is_cut_where_a_map_is_adopted() -> None:
    tape = Tape("intake")
    library = ContentLibrary(CONTENTS)
    stage = Stage(Routing("city", library), "city", Locator(library))
    before = e.IssueReported(
        issue="1" * 32,
        source="s",
        line="grid",
        reference="r1",
        category="Rubbish",
        urgency="normal",
        due=None,
        claims=(IN_0101,),
        rules=(),
    )
    after = e.IssueReported(
        issue="2" * 32,
        source="s",
        line="grid",
        reference="r2",
        category="Rubbish",
        urgency="normal",
        due=None,
        claims=(IN_0101,),
        rules=(),
    )
    for time, subject, event in (
        (1, before.issue, before),
        (1, REFERENCE, MAP_ADOPTED),
        (1, REFERENCE, ROSTER_SENT),
        (1, REFERENCE, POLICIES_SENT),
        (2, after.issue, after),
    ):
        tape.write(time, subject, event)
    placed = [
        row.event
        for row in stage.apply(tape.rows)
        if isinstance(row.event, e.CaseQueued | e.CaseRouted)
    ]
    assert [event.holder.grid for event in placed] == [None, "0101"]


# ── Versions of the decider ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stages", [ROUTING, ESCALATION], ids=["routing", "escalation"])
def test_a_decider_version_that_is_not_here_stops_the_shard(stages: Stages) -> None:
    tape, stage = Tape(*stages.sources), stages.make("city")
    ours = e.ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest="")
    (row,) = stage.apply(tape.write(1, REFERENCE, ours))
    assert row.event == ours
    assert stage.apply(tape.write(2, REFERENCE, replace(ours, name="2099-01"))) == []
    with pytest.raises(Halted, match=f"'2099-01' was adopted; this build has {DECIDER_VERSION}"):
        stage.apply(tape.rows[-1:])


# ── Poison ───────────────────────────────────────────────────────────────────────────────────────


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
    """Cannot decide the case `bad` before other policies are adopted: a fault that goes away."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        policies = view.reference.policies
        if input_.subject == "bad" and (policies is None or policies.name != "better"):
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


def test_a_retry_decides_deferred_inputs_in_order_and_overdue_timers_fire_after_it() -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    stage.apply(
        tape.write(11, "bad", e.AnswerPassedOn(case="bad", holder=ANN, call="bad/1", by="officer"))
    )
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
    ]
    assert [(row.time, row.cause) for row in rows] == [
        (40, "cases/city/5"),
        (40, "cases/city/2"),
        (40, "cases/city/3"),
    ], "each row follows from its own input"
    assert summary_of(stage.advance_time(50)) == [
        (40, "bad", "DeadlineMissed"),
        (40, "bad", "CallRaised"),
    ]


def test_a_clock_that_could_not_be_fired_fires_after_the_retry() -> None:
    tape, stage = Tape("cases"), make_stage(Unready())
    stage.apply(tape.write(5, REFERENCE, BETTER))
    stage.apply(tape.write(10, "bad", *report("bad", 10, 20)))
    stage.apply(tape.write(15, REFERENCE, POLICIES_ADOPTED))
    assert summary_of(stage.advance_time(30)) == [(20, "bad", "CaseParked")]
    stage.apply(tape.write(31, REFERENCE, BETTER))
    assert summary_of(stage.apply(tape.write(40, "bad", RETRY))) == [(40, "bad", "CaseRetried")]
    assert summary_of(stage.advance_time(50)) == [
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
    assert not taken_up.is_parked


@pytest.mark.parametrize("fault", [MemoryError(), TimeoutError(), OSError("disk"), Halted("stop")])
def test_what_is_no_fault_of_the_case_stops_the_shard(fault: Exception) -> None:
    tape, stage = Tape("cases"), make_stage(Poisoned(fault, "decide"))
    rows = tape.write(10, "bad", *report("bad", 10, 20))
    with pytest.raises(type(fault)):
        stage.apply(rows)
    with pytest.raises(Halted, match="replay its log with a new stage"):
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


class Refusing(MemoryLog):
    """A log that is away for one commit."""

    def __init__(self) -> None:
        super().__init__("calls")
        self.away = True

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if self.away:
            self.away = False
            raise Conflict("somebody else wrote first")
        await super().commit(shard, rows)


async def test_a_stage_whose_rows_were_not_committed_does_nothing_any_more() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), Refusing()
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 10)
    with pytest.raises(Conflict):
        await runner.catch_up()
    with pytest.raises(Halted):
        await runner.catch_up()
    again = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 10)
    await again.catch_up()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [e.ClockStarted]


async def test_what_was_decided_while_a_commit_failed_is_never_written() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), Refusing()
    for name in "abc":
        await source.commit("city", tape.write(10, name, *report(name, 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2)
    await runner.step()
    assert not await sink.read("city", 0, 9), "a full batch is committed with the next step"
    with pytest.raises(Conflict):
        await runner.step()
    with pytest.raises(Halted):
        await runner.catch_up()
    assert not await sink.read("city", 0, 9)
    await Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2).catch_up()
    assert [row.subject for row in await sink.read("city", 0, 9)] == ["a", "b", "c"]


class Hanging(MemoryLog):
    """A log whose commits are never answered."""

    async def commit(self, shard: str, rows: Sequence[Row], passed: Progress | None = None) -> None:
        if rows:
            await asyncio.get_running_loop().create_future()


async def test_who_ends_while_a_commit_hangs_is_not_held_up() -> None:
    tape, source = Tape("cases"), MemoryLog("cases")
    for name in "ab":
        await source.commit("city", tape.write(10, name, *report(name, 10, 20)))
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), Hanging("calls"), 2)
    await runner.step()
    following = asyncio.create_task(runner.step())
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(following, 5)


async def test_a_watermark_is_believed_only_when_its_position_was_read() -> None:
    tape, source, sink = Tape("cases"), MemoryLog("cases"), MemoryLog("calls")
    await source.commit("city", tape.write(10, "a", *report("a", 10, 20)))
    await source.commit(
        "city",
        tape.write(15, "a", e.CaseEndedAtSource(case="a", holder=ANN, outcome="closed", rules=())),
    )
    await source.announce("city", 99)
    runner = Runner(Stage(Escalation(), "city"), SingleOrder(source), sink, 2)
    await runner.step()
    await runner.advance_time()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [e.ClockStarted]
    await runner.catch_up()
    assert [type(row.event) for row in await sink.read("city", 0, 9)] == [
        e.ClockStarted,
        e.ClockStopped,
    ]
    assert await sink.watermark("city") == Watermark(2, 99)

"""The stage loop: order, batches, and versions of the decider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eventlog.core.decider import REFERENCE
from eventlog.core.stage import Stage
from eventlog.stages import Stages
from events import catalogue as e
from events.errors import Halted
from events.topology import DECIDER_VERSION
from gridcall.pipeline import pipeline
from routing.core.decider import Routing
from routing.reference_store import ContentLibrary
from routing.spatial.locator import GridIndexes, Locator
from tests.harness.city import (
    ANN,
    CASE,
    CONTENTS,
    DAY,
    IN_0101,
    MAP_ADOPTED,
    NEXT_MAP_ADOPTED,
    POLICIES_SENT,
    ROSTER_SENT,
    issue,
)
from tests.harness.tape import Tape, escalation_stage, report

ROUTING, ESCALATION, _ = pipeline(CONTENTS)


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
    stage = Stage(Routing("city", library), "city", Locator(GridIndexes(library)))
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
    assert [event.holder.grid for event in placed] == [None, "0101", "0101"]


@pytest.mark.parametrize("together", [1, 2, 9])
def test_a_case_reopens_at_its_point_in_batches_of_any_size(together: int) -> None:
    """The map of the second adoption has 0201 where the first has 0101."""
    tape, library = Tape("intake"), ContentLibrary(CONTENTS)
    stage = Stage(Routing("city", library), "city", Locator(GridIndexes(library)))
    end = e.EndedAtSource(action="a1", issue=CASE, outcome="closed", rules=())
    for time, subject, event in (
        (1, REFERENCE, MAP_ADOPTED),
        (1, REFERENCE, ROSTER_SENT),
        (2, CASE, issue(IN_0101)),
        (3, CASE, end),
        (4, REFERENCE, NEXT_MAP_ADOPTED),
        (5, CASE, e.ReopeningAsked(action="a2", issue=CASE, because="recurrence")),
        (6, CASE, replace(end, action="a3")),
        (7, CASE, e.ReopeningAsked(action="a4", issue=CASE, because="recurrence")),
    ):
        tape.write(time, subject, event)
    rows = [
        row
        for start in range(0, len(tape.rows), together)
        for row in stage.apply(tape.rows[start : start + together])
    ]
    reopened = [row.event for row in rows if isinstance(row.event, e.CaseReopened)]
    assert [(event.holder.grid, event.holder.episode) for event in reopened] == [
        ("0201", 2),
        ("0201", 3),
    ]


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

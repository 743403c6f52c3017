"""The casebook: what readers know of a case and of a call after any rows."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import casebook.case
from casebook import (
    CALL_CHANGES,
    Call,
    Case,
    evolve_call,
    evolve_case,
    public_case,
    raised_call,
)
from casebook.case import Unchanging
from eventlog.core.row import Row
from events import catalogue as e
from events.registry import CATALOGUE, TYPE_OF, EventType
from gridcall.simulation.reports.cases import case_verdict
from tests.harness.city import ANN, HOUR
from tests.harness.histories import drafts_of, histories, run

FACTS = e.CaseFacts(line="hotline", category="Noise", urgency="urgent", reported=HOUR, due=None)
REPORTED = e.CaseReported(
    case="c", issue="c", reference="R-1", matter=FACTS, claims=(), rules=("no_due",)
)
ROUTED = e.CaseRouted(
    case="c", matter=FACTS, holder=ANN, located_by="point", rules=("in_two_grids", "no_due"),
    used=e.Versions(None, None, None),
)  # fmt: skip
CLOCK = e.ClockStarted(
    case="c", holder=ANN, run=1, started=HOUR, due=9 * HOUR, rule="line", policies=None
)
MISSED = e.DeadlineMissed(case="c", holder=ANN, run=1, due=9 * HOUR)
CLOSED = e.CaseClosed(case="c", holder=ANN, by="ann")
REOPENED = e.CaseReopened(case="c", matter=FACTS, holder=ANN, because="recurrence")
RAISED = e.CallRaised(
    case="c", holder=ANN, call="c/1", from_level="grid", to_level="street",
    receiver=e.OnCall("01", "olga", None), because="deadline", answer_due=10 * HOUR,
)  # fmt: skip


def row(event: e.Event, time: int = HOUR, log: str = "cases") -> Row:
    """Return a row of a log with this event of the case c."""
    return Row(log, "city", 1, time, 1, 1, "c", 1, "", event)


def case_after(*events: e.Event) -> Case:
    """Return the case c after these events, one an hour."""
    case = Case("c")
    for hours, event in enumerate(events, 1):
        evolve_case(case, row(event, hours * HOUR))
    return case


def call_after(*events: Any) -> Call:
    """Return the call after these events, one an hour, the first of which raised it."""
    call = raised_call(events[0], HOUR)
    for hours, event in enumerate(events[1:], 2):
        evolve_call(call, event, hours * HOUR)
    return call


def test_a_reported_case_is_open_and_described_by_its_facts() -> None:
    case = case_after(REPORTED)
    assert (case.open, case.stage, case.line, case.category) == (
        True,
        "reported",
        "hotline",
        "Noise",
    )
    assert (case.reference, case.urgency, case.reported) == ("R-1", "urgent", HOUR)


def test_a_routed_case_is_held_by_its_grid_and_each_data_flag_is_listed_once() -> None:
    case = case_after(REPORTED, ROUTED)
    assert (case.stage, case.level, case.grid, case.worker) == ("routed", "grid", ANN.grid, "ann")
    assert case.data_flags == ("in_two_grids", "no_due")


def reassignment(holder: e.Assignment, queued: bool = False) -> e.CaseReassigned:
    return e.CaseReassigned(
        case="c", holder=holder, previous=ANN, because="map", queued=queued, located_by="point",
        rules=("in_two_grids",), used=e.Versions(None, None, None), row="",
    )  # fmt: skip


def test_a_reassigned_case_has_another_holder_and_stays_in_its_stage() -> None:
    bob = replace(ANN, grid="0102", worker="bob", episode=2)
    visited = e.CaseVisited(case="c", holder=ANN, by="ann")
    for events, stage in (((ROUTED,), "routed"), ((ROUTED, visited), "visited")):
        case = case_after(REPORTED, *events, reassignment(bob))
        assert (case.stage, case.grid, case.worker) == (stage, "0102", "bob")
    assert case.changed == 4 * HOUR


def test_a_reassigned_case_may_go_to_a_queue_or_to_a_higher_level() -> None:
    street = replace(ANN, level="street", grid=None, worker=None)
    assert case_after(REPORTED, ROUTED, reassignment(street, queued=True)).stage == "queued"
    assert case_after(REPORTED, ROUTED, reassignment(street)).stage == "withheld"
    assert case_after(REPORTED, ROUTED, reassignment(street), reassignment(ANN)).stage == "routed"


def test_a_visited_case_in_a_queue_is_visited_and_waits_for_its_place() -> None:
    street = replace(ANN, level="street", grid=None, worker=None)
    lost = (REPORTED, ROUTED, VISITED, reassignment(street, queued=True))
    case = case_after(*lost)
    assert (case.stage, case.queued, case.level) == ("visited", True, "street")
    assert case_after(*lost, CLOSED, REOPENED).queued
    assert not case_after(*lost, reassignment(ANN)).queued


def test_an_unvisited_case_that_a_queue_gives_away_leaves_it() -> None:
    street = replace(ANN, level="street", grid=None, worker=None)
    lost = (REPORTED, ROUTED, reassignment(street, queued=True))
    assert (case_after(*lost).stage, case_after(*lost).queued) == ("queued", True)
    assert (case_after(*lost, ROUTED).stage, case_after(*lost, ROUTED).queued) == ("routed", False)


def test_the_last_event_of_an_open_case_is_enough_to_know_its_stage_and_its_holder() -> None:
    visited = e.CaseVisited(case="c", holder=ANN, by="ann")
    for event in (ROUTED, visited, REOPENED):
        case, whole = case_after(event), case_after(REPORTED, ROUTED, event)
        assert (case.stage, case.level, case.grid) == (whole.stage, whole.level, whole.grid)


def test_a_case_is_overdue_from_its_miss_until_it_ends() -> None:
    assert not case_after(REPORTED, CLOCK).overdue
    assert case_after(REPORTED, CLOCK, MISSED).overdue
    assert not case_after(REPORTED, CLOCK, MISSED, CLOSED).overdue


def test_a_reopened_case_that_was_late_stays_late_in_the_reports() -> None:
    again = replace(CLOCK, run=2, due=30 * HOUR)
    case = case_after(REPORTED, ROUTED, CLOCK, MISSED, CLOSED, REOPENED, again)
    assert (case.overdue, case_verdict(case)) == (False, "overdue")


def test_a_new_clock_forgets_the_miss_of_the_clock_before() -> None:
    again = replace(CLOCK, run=2, due=30 * HOUR)
    case = case_after(REPORTED, CLOCK, MISSED, CLOSED, REOPENED, again)
    assert (case.due, case.missed) == (30 * HOUR, False)


@pytest.mark.parametrize(
    ("event", "stage", "outcome"),
    [
        (CLOSED, "closed", "closed"),
        (e.CaseWithdrawn(case="c", holder=ANN, because="mistake"), "withdrawn", "withdrawn"),
        (e.CaseEndedAtSource(case="c", holder=ANN, outcome="closed", rules=()), "ended", "closed"),
    ],
)
def test_a_case_ends_with_its_outcome(event: e.Event, stage: str, outcome: str) -> None:
    case = case_after(REPORTED, ROUTED, event)
    assert (case.open, case.stage, case.outcome, case.ended) == (False, stage, outcome, 3 * HOUR)


def test_a_reopened_case_is_open_as_if_it_had_never_ended() -> None:
    case = case_after(REPORTED, ROUTED, CLOSED, REOPENED)
    assert (case.open, case.stage, case.outcome, case.ended) == (True, "reopened", None, None)


def test_a_case_that_reopens_without_a_deadline_has_none_and_is_not_overdue() -> None:
    unclocked = e.ReopenedWithoutDeadline(case="c", holder=ANN)
    case = case_after(REPORTED, CLOCK, MISSED, CLOSED, REOPENED, unclocked)
    assert (case.due, case.missed, case.overdue, case_verdict(case)) == (
        None,
        False,
        False,
        "overdue",
    )


def test_the_last_change_is_that_of_the_stage_the_deadline_or_the_parking() -> None:
    declined = e.InputDeclined(case="c", input_id="x", because="no")
    answered = e.AnswerPassedOn(case="c", holder=ANN, call="c/1", by="olga")
    assert case_after(REPORTED, ROUTED, declined, answered).changed == 2 * HOUR
    assert case_after(REPORTED, ROUTED, CLOCK).changed == 3 * HOUR
    assert case_after(REPORTED, ROUTED, CLOCK, MISSED).changed == 4 * HOUR
    assert (
        case_after(REPORTED, e.CaseParked(case="c", fault="ours", input=None)).changed == 2 * HOUR
    )


# ── What everybody may know ──────────────────────────────────────────────────────────────────────

VISITED = e.CaseVisited(case="c", holder=ANN, by="ann")
RESOLVED = e.CaseResolved(case="c", holder=ANN, by="ann", root_cause="li_wei_was_rude")
REJECTED = e.ResolutionRejected(case="c", holder=ANN, by="eve")
STREET = replace(ANN, level="street", worker=None)
PUBLIC: dict[str, tuple[tuple[e.Event, ...], str, str]] = {
    "reported": ((), "received", "is being assigned"),
    "queued": (
        (e.CaseQueued(case="c", matter=FACTS, holder=STREET, located_by="none", rules=(),
                      used=e.Versions(None, None, None)),),
        "received", "finding out where",
    ),
    "routed": ((ROUTED,), "assigned", "grid"),
    "withheld": (
        (e.CaseWithheld(case="c", matter=FACTS, holder=STREET, located_by="none", rules=(),
                        used=e.Versions(None, None, None), row="li wei's row"),),
        "assigned", "street office",
    ),
    "visited": ((ROUTED, VISITED), "visited", "has been there"),
    "a failed check": ((ROUTED, VISITED, RESOLVED, REJECTED), "visited", "not solved yet"),
    "resolved": ((ROUTED, VISITED, RESOLVED), "resolved", "checking"),
    "verified": (
        (ROUTED, VISITED, RESOLVED, e.CaseVerified(case="c", holder=ANN, by="eve")),
        "verified", "confirmed",
    ),
    "closed": ((ROUTED, CLOSED), "closed", "closed"),
    "withdrawn": (
        (ROUTED, e.CaseWithdrawn(case="c", holder=ANN, because="li_wei")), "withdrawn", "withdrew",
    ),
    "ended": (
        (ROUTED, e.CaseEndedAtSource(case="c", holder=ANN, outcome="closed", rules=())),
        "closed", "its source reports",
    ),
    "withdrawn at its source": (
        (ROUTED, e.CaseEndedAtSource(case="c", holder=ANN, outcome="withdrawn", rules=())),
        "withdrawn", "Its source withdrew",
    ),
    "reopened": ((ROUTED, CLOSED, REOPENED), "reopened", "came back"),
    "reopened, unsatisfied": (
        (ROUTED, CLOSED, replace(REOPENED, because="unsatisfied")), "reopened", "not satisfied",
    ),
    "parked": (
        (ROUTED, e.CaseParked(case="c", fault="li wei", input=None)), "assigned", "a fault of this",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_learns_the_stage_in_words(name: str) -> None:
    events, stage, words = PUBLIC[name]
    public = public_case(case_after(REPORTED, *events))
    assert (public.stage, public.changed) == (stage, (1 + len(events)) * HOUR)
    assert words in public.words.en
    assert public.words.zh.endswith("。")


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_learns_of_no_person_and_no_remark(name: str) -> None:
    public = repr(public_case(case_after(REPORTED, *PUBLIC[name][0]))).lower()
    assert not [word for word in ("ann", "eve", "li_wei", "li wei", "r-1") if word in public]


@pytest.mark.parametrize("stage", sorted(set(casebook.case.STAGE_OF.values())))
def test_every_stage_of_a_case_has_a_public_one_and_words(stage: str) -> None:
    case = Case("c", stage=stage)
    assert public_case(case).words.en


def test_the_public_learns_the_deadline_and_that_it_has_passed() -> None:
    public = public_case(case_after(REPORTED, ROUTED, CLOCK))
    assert (public.due, public.overdue) == (9 * HOUR, False)
    assert public_case(case_after(REPORTED, ROUTED, CLOCK, MISSED)).overdue
    assert not public_case(case_after(REPORTED, ROUTED, CLOCK, MISSED, CLOSED)).overdue


def test_a_case_may_be_parked_in_two_logs_and_goes_on_in_one() -> None:
    case = Case("c")
    for log in ("calls", "cases", "calls"):
        evolve_case(case, row(e.CaseParked(case="c", fault="ours", input=None), log=log))
    assert case.parked_in == ("calls", "cases")
    evolve_case(case, row(e.CaseRetried(case="c"), log="calls"))
    assert "calls" not in case.parked_in


def test_a_raised_call_is_open_until_it_is_answered() -> None:
    acknowledged = e.CallAcknowledged(case="c", holder=ANN, call="c/1", by="olga")
    answered = e.CallAnswered(case="c", holder=ANN, call="c/1", by="olga")
    assert (call_after(RAISED).outcome, call_after(RAISED).end) == ("open", None)
    call = call_after(RAISED, acknowledged, answered)
    assert (call.unit, call.acknowledged, call.answered) == ("01", 2 * HOUR, 3 * HOUR)
    assert (call.outcome, call.end) == ("answered", 3 * HOUR)


def test_a_call_is_withdrawn_when_its_case_ends() -> None:
    call = call_after(RAISED, e.CallWithdrawn(case="c", holder=ANN, call="c/1"))
    assert (call.outcome, call.end) == ("withdrawn", 2 * HOUR)


@given(histories, st.randoms(use_true_random=False))
def test_a_case_is_the_same_in_whatever_order_its_logs_are_read(
    history: list[Any], chance: random.Random
) -> None:
    rows = [
        row for row in run(drafts_of(history, strict=False)) if getattr(row.event, "case", None)
    ]
    shuffled = sorted(rows, key=lambda row: chance.random())
    by_log = {log: iter([row for row in rows if row.log == log]) for log in ("cases", "calls")}
    mixed = [next(by_log[row.log]) for row in shuffled]
    assert cases_of(mixed) == cases_of(rows)


def cases_of(rows: list[Row]) -> dict[str, Case]:
    """Return the cases of these rows."""
    cases: dict[str, Case] = {}
    for row in rows:
        name = row.event.case
        evolve_case(cases.setdefault(name, Case(name)), row)
    return cases


@given(histories)
def test_the_stage_is_the_one_that_the_last_event_declares(history: list[Any]) -> None:
    stages: dict[str, str] = {}
    rows = [
        row for row in run(drafts_of(history, strict=False)) if getattr(row.event, "case", None)
    ]
    for row in rows:
        if isinstance(row.event, e.CaseReassigned):
            stages[row.subject] = stage_after(stages[row.subject], row.event)
        elif stage := TYPE_OF[type(row.event)].case_stage:
            stages[row.subject] = stage
    assert stages == {name: case.stage for name, case in cases_of(rows).items() if name in stages}


def stage_after(stage: str, event: e.CaseReassigned) -> str:
    """Return the stage of a case that another holder has: its own, as far as nobody went there."""
    if stage in ("visited", "resolved", "verified"):
        return stage
    if event.queued:
        return "queued"
    if stage in ("routed", "withheld"):
        return "routed" if event.holder.level == "grid" else "withheld"
    return stage


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.short)
def test_every_event_is_known_to_the_casebook(kind: EventType) -> None:
    source = Path(casebook.case.__file__).read_text(encoding="utf-8")
    known = kind.cls in get_args(Unchanging) or f"{kind.cls.__name__}()" in source
    assert known, f"libs/casebook/case.py forgets {kind.cls.__name__}"


def test_every_event_about_a_call_is_known_to_the_casebook() -> None:
    named = {kind.cls for kind in CATALOGUE.values() if kind.logs == ("calls",) and has_call(kind)}
    assert named - {e.CallActionDeclined} == CALL_CHANGES, "libs/casebook/call.py: CallChange"


def has_call(kind: Any) -> bool:
    """Return True for an event that names a call."""
    return "call" in kind.cls.__dataclass_fields__

"""Sentences about escalation: deadlines are missed, and calls climb until they are answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.core.decider import Input, Timer, TimerFired
from eventlog.testing.sentences import Given, given
from events import catalogue as e
from tests.harness.calls import (
    BOB,
    CITY_OFFICER,
    DISTRICT_CALLED,
    DUE,
    FIRST,
    MISSED,
    SECOND,
    STARTED,
    STREET_CALLED,
    reassignment,
)
from tests.harness.city import (
    ANN,
    CASE,
    DAY,
    HOUR,
    MAP_ADOPTED,
    POLICIES_ADOPTED,
    ROSTER_ADOPTED,
    case_routed,
    escalation,
    matter,
)

CITY = (POLICIES_ADOPTED, ROSTER_ADOPTED)
IN_STREET = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
IN_DISTRICT = e.Assignment(
    level="district", grid=None, street=None, district="city", worker=None, episode=0
)

STOPPED = e.ClockStopped(case=CASE, holder=ANN, run=1, due=DUE)
ENDED = e.CaseEndedAtSource(case=CASE, holder=ANN, outcome="closed", rules=())
REOPENED = e.CaseReopened(
    case=CASE, matter=matter(due=None), holder=replace(ANN, episode=2), because="recurrence"
)

UNCLOCKED = e.ReopenedWithoutDeadline(case=CASE, holder=replace(ANN, episode=2))

DEADLINE = TimerFired(Timer(DUE, CASE, "deadline", 1))
SILENCE = TimerFired(Timer(DUE + DAY, CASE, "answer", 1))


def withdrawal_of(call: str) -> e.CallWithdrawn:
    return e.CallWithdrawn(case=CASE, holder=ANN, call=call)


# ── Deadlines ────────────────────────────────────────────────────────────────────────────────────


def test_the_deadline_that_came_with_the_issue_starts_with_its_case() -> None:
    given(escalation, *CITY).when(case_routed(), DAY).then(STARTED)


def test_without_one_the_first_policy_row_that_fits_starts_it() -> None:
    urgent = replace(
        case_routed(),
        matter=e.CaseFacts(
            line="hotline", category="Rubbish", urgency="urgent", reported=DAY, due=None
        ),
    )
    by_policy = e.ClockStarted(
        case=CASE,
        holder=ANN,
        run=1,
        started=DAY,
        due=DAY + 2 * HOUR,
        rule="hotline/*/urgent: 2 hours",
        policies="policies-1",
    )
    given(escalation, *CITY).when(urgent, DAY).then(by_policy)


def test_without_either_no_clock_runs() -> None:
    given(escalation, *CITY).when(case_routed(due=None), DAY).then()
    given(escalation).when(case_routed(due=None), DAY).then()


@pytest.mark.parametrize(
    "ended",
    [
        ENDED,
        e.CaseClosed(case=CASE, holder=ANN, by="eve"),
        e.CaseWithdrawn(case=CASE, holder=ANN, because="a mistake"),
    ],
)
def test_a_case_that_ends_stops_its_clock(ended: e.Event) -> None:
    given(escalation, *CITY, STARTED).when(ended).then(STOPPED).when(ended).then()


def test_a_case_without_a_clock_ends_in_silence() -> None:
    given(escalation, *CITY).when(ENDED).then()


def test_another_holder_takes_the_deadline_over() -> None:
    case = (
        given(escalation, *CITY, STARTED)
        .when(case_routed(BOB))
        .then(e.ClockHandedOver(case=CASE, holder=BOB, run=1, due=DUE, missed=False))
    )
    assert case.when(DEADLINE, DUE).events[0] == e.DeadlineMissed(
        case=CASE, holder=BOB, run=1, due=DUE
    )


def test_a_successor_takes_the_deadline_over_and_open_calls_stay() -> None:
    handed_over = e.ClockHandedOver(case=CASE, holder=BOB, run=1, due=DUE, missed=False)
    given(escalation, *CITY, STARTED).when(reassignment(BOB)).then(handed_over)
    case: Given[Any, Any] = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED)
    case = case.when(reassignment(BOB)).then(replace(handed_over, missed=True))
    assert [call.id for call in case.state.calls] == [FIRST]
    answer = e.AnswerPassedOn(case=CASE, holder=BOB, call=FIRST, by="officer")
    case.when(answer).then(e.CallAnswered(case=CASE, holder=BOB, call=FIRST, by="officer"))


def test_a_case_without_a_deadline_gets_none_by_a_successor() -> None:
    given(escalation, *CITY).when(reassignment(BOB), DAY).then()
    given(escalation, *CITY, STARTED, STOPPED).when(reassignment(BOB), DAY).then()


def test_a_case_that_reopens_gets_a_new_deadline_from_a_policy_row() -> None:
    again = replace(
        REOPENED,
        matter=e.CaseFacts(
            line="petition", category="Rubbish", urgency="normal", reported=DAY, due=None
        ),
    )
    day_16_at_24 = (
        (10 + 15) * DAY + DAY - 8 * HOUR
    )  # 15 days after the day of reopening, in Shanghai.
    restarted = e.ClockStarted(
        case=CASE,
        holder=again.holder,
        run=2,
        started=10 * DAY,
        due=day_16_at_24,
        rule="petition/*/*: 15 days",
        policies="policies-1",
    )
    case = given(escalation, *CITY, STARTED, STOPPED).when(again, 10 * DAY).then(restarted)
    assert case.when(TimerFired(Timer(day_16_at_24, CASE, "deadline", 2)), day_16_at_24).events[
        0
    ] == e.DeadlineMissed(case=CASE, holder=again.holder, run=2, due=day_16_at_24)


def test_a_case_that_reopens_before_the_promise_of_its_line_runs_against_it_again() -> None:
    again = replace(REOPENED, matter=matter(due=DUE))
    restarted = replace(STARTED, holder=again.holder, run=2, started=3 * DAY)
    case = given(escalation, *CITY, STARTED, STOPPED).when(again, 3 * DAY).then(restarted)
    missed = replace(MISSED, holder=again.holder, run=2)
    called = replace(STREET_CALLED, holder=again.holder)
    case.when(TimerFired(Timer(DUE, CASE, "deadline", 2)), DUE).then(missed, called)


def test_the_promise_of_the_line_stays_though_a_policy_row_fits() -> None:
    urgent = replace(matter(due=DUE), urgency="urgent")
    again = replace(REOPENED, matter=urgent)
    (restarted,) = given(escalation, *CITY, STARTED, STOPPED).when(again, 3 * DAY).events
    assert (restarted.due, restarted.rule) == (DUE, "line")


def test_a_case_that_reopens_without_a_policy_row_says_that_it_has_no_deadline() -> None:
    case = given(escalation, *CITY, STARTED, STOPPED).when(REOPENED, 10 * DAY).then(UNCLOCKED)
    case.when(ENDED).then().when(REOPENED, 11 * DAY).then(UNCLOCKED)


def test_a_case_that_has_had_no_deadline_says_so_when_it_reopens() -> None:
    given(escalation, *CITY).when(REOPENED, 10 * DAY).then(UNCLOCKED)


def test_the_counts_of_a_case_go_on_after_it_was_open_without_a_deadline() -> None:
    past = (STARTED, MISSED, STREET_CALLED, STOPPED, withdrawal_of(FIRST), UNCLOCKED)
    case = given(escalation, *CITY, *past)
    late = case_routed(BOB, due=20 * DAY)
    (started,) = case.when(late, 12 * DAY).events
    assert (started.run, started.started, started.due) == (2, 12 * DAY, 20 * DAY)
    timer = TimerFired(Timer(20 * DAY, CASE, "deadline", 2))
    (_, called) = case.when(late, 12 * DAY).then(started).when(timer, 20 * DAY).events
    assert called.call == SECOND


# ── Calls ────────────────────────────────────────────────────────────────────────────────────────


def test_a_missed_deadline_calls_the_street() -> None:
    given(escalation, *CITY, STARTED).when(DEADLINE, DUE).then(MISSED, STREET_CALLED)


def test_a_limit_to_answer_counts_from_the_call_not_from_the_deadline() -> None:
    late = replace(STREET_CALLED, answer_due=9 * DAY + DAY)
    given(escalation, *CITY, STARTED).when(DEADLINE, 9 * DAY).then(MISSED, late)


@pytest.mark.parametrize(("holder", "level"), [(IN_STREET, "street"), (IN_DISTRICT, "district")])
def test_a_case_without_a_grid_calls_the_district(holder: e.Assignment, level: Any) -> None:
    call = e.CallRaised(
        case=CASE,
        holder=holder,
        call=FIRST,
        from_level=level,
        to_level="district",
        receiver=CITY_OFFICER,
        because="deadline",
        answer_due=DUE + DAY,
    )
    case = given(
        escalation,
        *CITY,
        e.ClockStarted(
            case=CASE,
            holder=holder,
            run=1,
            started=DAY,
            due=DUE,
            rule="line",
            policies="policies-1",
        ),
    )
    case.when(DEADLINE, DUE).then(e.DeadlineMissed(case=CASE, holder=holder, run=1, due=DUE), call)


def test_a_call_not_answered_in_time_goes_up_one_level_and_stays_open() -> None:
    case = (
        given(escalation, *CITY, STARTED, MISSED, STREET_CALLED)
        .when(SILENCE, DUE + DAY)
        .then(DISTRICT_CALLED)
    )
    case.when(ENDED).then(STOPPED, withdrawal_of(FIRST), withdrawal_of(SECOND))


def test_above_the_district_there_is_nobody_to_call() -> None:
    case = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED, DISTRICT_CALLED)
    assert escalation.timers(case.state) == ()


def test_an_acknowledged_call_still_goes_up_when_it_is_not_answered() -> None:
    acknowledged = e.CallAcknowledged(case=CASE, holder=ANN, call=FIRST, by="officer-01")
    case = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED)
    case = case.when(
        e.AcknowledgementPassedOn(case=CASE, holder=ANN, call=FIRST, by="officer-01")
    ).then(acknowledged)
    case.when(SILENCE, DUE + DAY).then(DISTRICT_CALLED)


def test_an_answered_call_is_over_and_silent() -> None:
    answer = e.CallAnswered(case=CASE, holder=ANN, call=FIRST, by="officer-01")
    case = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED)
    case = case.when(e.AnswerPassedOn(case=CASE, holder=ANN, call=FIRST, by="officer-01")).then(
        answer
    )
    assert escalation.timers(case.state) == ()
    case.when(ENDED).then(STOPPED)


def test_of_two_open_calls_only_the_one_that_is_answered_ends() -> None:
    case = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED, DISTRICT_CALLED)
    case = case.when(e.AnswerPassedOn(case=CASE, holder=ANN, call=FIRST, by="officer-01")).then(
        e.CallAnswered(case=CASE, holder=ANN, call=FIRST, by="officer-01")
    )
    case.when(ENDED).then(STOPPED, withdrawal_of(SECOND))


@pytest.mark.parametrize(
    "past",
    [
        (),
        (STARTED,),
        (STARTED, MISSED, STREET_CALLED, e.CallAnswered(case=CASE, holder=ANN, call=FIRST, by="x")),
        (STARTED, STOPPED),
    ],
)
@pytest.mark.parametrize(
    "action",
    [
        e.AcknowledgementPassedOn(case=CASE, holder=ANN, call=FIRST, by="x"),
        e.AnswerPassedOn(case=CASE, holder=ANN, call=FIRST, by="x"),
    ],
)
def test_an_action_on_a_call_that_is_not_open_is_declined(
    past: tuple[e.Event, ...], action: e.Event
) -> None:
    refusal = e.CallActionDeclined(
        case=CASE, holder=ANN, call=FIRST, because="This call is not open."
    )
    given(escalation, *CITY, *past).when(action).then(refusal)


def test_a_call_is_acknowledged_once() -> None:
    acknowledged = e.CallAcknowledged(case=CASE, holder=ANN, call=FIRST, by="officer-01")
    case = given(escalation, *CITY, STARTED, MISSED, STREET_CALLED, acknowledged)
    again = e.CallActionDeclined(
        case=CASE, holder=ANN, call=FIRST, because="This call was acknowledged already."
    )
    case.when(e.AcknowledgementPassedOn(case=CASE, holder=ANN, call=FIRST, by="officer-01")).then(
        again
    )


def test_without_a_limit_calls_wait_for_ever() -> None:
    patient = replace(POLICIES_ADOPTED, answer_within=None)
    case = given(escalation, patient, ROSTER_ADOPTED, STARTED)
    case = case.when(DEADLINE, DUE).then(MISSED, replace(STREET_CALLED, answer_due=None))
    assert escalation.timers(case.state) == ()


def test_without_a_roster_a_call_names_the_unit_alone() -> None:
    case = given(escalation, POLICIES_ADOPTED, STARTED)
    case.when(DEADLINE, DUE).then(
        MISSED, replace(STREET_CALLED, receiver=e.OnCall("01", None, None))
    )


def test_calls_are_numbered_through_all_lives_of_a_case() -> None:
    again = e.ClockStarted(
        case=CASE,
        holder=replace(ANN, episode=2),
        run=2,
        started=9 * DAY,
        due=10 * DAY,
        rule="line",
        policies=None,
    )
    case: Given[Any, Any] = given(
        escalation, *CITY, STARTED, MISSED, STREET_CALLED, STOPPED, withdrawal_of(FIRST), again
    )
    raised = case.when(TimerFired(Timer(10 * DAY, CASE, "deadline", 2)), 10 * DAY).events[1]
    assert isinstance(raised, e.CallRaised)
    assert raised.call == SECOND


# ── Reference data ───────────────────────────────────────────────────────────────────────────────


def test_what_later_decisions_need_is_recorded() -> None:
    given(escalation).when(POLICIES_ADOPTED).then(POLICIES_ADOPTED)
    given(escalation).when(ROSTER_ADOPTED).then(ROSTER_ADOPTED)
    given(escalation).when(e.ReferenceAdopted(kind="decider", name="2026-11", digest="")).then(
        e.ReferenceAdopted(kind="decider", name="2026-11", digest="")
    )


def test_maps_are_routings_own() -> None:
    given(escalation).when(MAP_ADOPTED).then()


def test_what_concerns_no_clock_changes_nothing() -> None:
    view = given(escalation).aggregates
    visited = e.CaseVisited(case=CASE, holder=ANN, by="ann")
    assert escalation.subject(Input(visited, 0, ""), view) is None
    assert escalation.subject(Input(case_routed(), 0, ""), view) == CASE

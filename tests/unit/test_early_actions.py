"""Routing: actions that come before the report that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from eventlog.core.decider import Timer, TimerFired
from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.stored_inputs import store
from routing.core.steps.defer import TOO_LATE, WAITING_DAYS_DEFAULT, WAITING_MAX
from tests.harness.city import (
    ANN,
    CASE,
    DAY,
    IN_0101,
    issue,
    routing,
)
from tests.harness.routing import (
    CITY,
    ENDING,
    NOT_VISITED,
    REFUSALS,
    RESOLUTION,
    RESOLVED,
    ROUTED,
    VISIT,
    VISITED,
    case_of,
    refusal,
)


def waits_for_report(action: e.Action, position: int = 1, time: int = 0) -> e.ActionWaits:
    limit = None if isinstance(action, e.EndedAtSource) else time + WAITING_DAYS_DEFAULT * DAY
    stored = store(f"intake/city/{position}", time, action)
    return e.ActionWaits(issue=CASE, input=stored, expires=limit)


def test_an_action_before_its_report_waits_and_applies_in_the_reports_own_decision() -> None:
    report = issue(IN_0101)
    early = e.CaseEndedAtSource(
        case=CASE, holder=ANN, outcome="closed", rules=("gap_time", "ended_before_reported")
    )
    case = given(routing, *CITY).when(ENDING, id_="intake/city/1").then(waits_for_report(ENDING))
    case.when(report, DAY, (("0101",),)).then(case_of(report), ROUTED, early)


def test_waiting_actions_apply_in_the_order_of_intake() -> None:
    report = issue(IN_0101)
    case = given(routing, *CITY, waits_for_report(VISIT), waits_for_report(RESOLUTION))
    case.when(report, DAY, (("0101",),)).then(case_of(report), ROUTED, VISITED, RESOLVED)


def test_a_waiting_action_that_cannot_be_done_is_declined_then() -> None:
    report = issue(IN_0101)
    case = given(routing, *CITY, waits_for_report(RESOLUTION))
    case.when(report, DAY, (("0101",),)).then(
        case_of(report), ROUTED, refusal(RESOLUTION, NOT_VISITED)
    )


def early_visits(count: int, source: str) -> tuple[e.ActionWaits, ...]:
    """Return visits of one source that wait for the report."""
    visits = [replace(VISIT, action=f"{source}-{number}", source=source) for number in range(count)]
    return tuple(waits_for_report(visit, position) for position, visit in enumerate(visits, 1))


def test_a_source_lets_so_many_actions_wait_for_an_issue_and_no_more() -> None:
    last = replace(VISIT, action="last", source="app")
    below = given(routing, *CITY, *early_visits(WAITING_MAX - 1, "app"))
    case = below.when(last, id_="intake/city/99").then(waits_for_report(last, 99))
    beyond = replace(VISIT, action="beyond", source="app")
    because = "32 actions of this source wait for this issue already: report it first."
    assert case.when(beyond).then(refusal(beyond, because)).state == case.state


@pytest.mark.parametrize(
    "action",
    [action for action, _ in REFUSALS if action is not ENDING],
    ids=lambda action: type(action).__name__,
)
def test_every_action_of_a_source_that_has_too_many_waiting_is_declined(action: Any) -> None:
    case = given(routing, *CITY, *early_visits(WAITING_MAX, "app"))
    (declined,) = case.when(replace(action, source="app")).events
    assert (declined.input_id, declined.case) == (action.action, CASE)


def test_another_source_may_still_let_its_actions_wait() -> None:
    visit = replace(VISIT, source="hotline")
    case = given(routing, *CITY, *early_visits(WAITING_MAX, "app"))
    case.when(visit, id_="intake/city/99").then(waits_for_report(visit, 99))


def test_what_waits_is_decided_and_what_was_declined_is_not() -> None:
    report = issue(IN_0101)
    case = given(routing, *CITY, *early_visits(WAITING_MAX, "app"))
    beyond = replace(RESOLUTION, source="app")
    case = case.when(beyond).then(case.when(beyond).events[0])
    decided = case.when(report, DAY, (("0101",),)).events
    assert len(decided) == 2 + WAITING_MAX
    assert {type(event) for event in decided[3:]} == {e.InputDeclined}
    assert not any(getattr(event, "input_id", "") == beyond.action for event in decided)


def expiry_event(position: int) -> e.ActionExpired:
    return e.ActionExpired(issue=CASE, input=f"intake/city/{position}", because=TOO_LATE)


def timers_of(case: Given[Any, Any]) -> Sequence[Timer]:
    return routing.timers(case.state)


def test_an_early_action_waits_thirty_days_by_default_and_then_expires() -> None:
    assert WAITING_DAYS_DEFAULT == 30
    case = given(routing, *CITY).when(VISIT, DAY, id_="intake/city/7")
    waits = case.then(waits_for_report(VISIT, 7, DAY))
    (timer,) = timers_of(waits)
    assert timer == Timer(31 * DAY, CASE, "expiry", 7)
    assert timer.id == f"clock/{CASE}/expiry/7"
    waits.when(TimerFired(timer), timer.due).then(expiry_event(7))


def test_an_imported_ending_waits_without_a_limit() -> None:
    assert timers_of(given(routing, *CITY, waits_for_report(ENDING))) == ()


def test_a_report_decides_what_has_not_expired() -> None:
    report = issue(IN_0101)
    early = waits_for_report(VISIT, 1), waits_for_report(RESOLUTION, 2), waits_for_report(VISIT, 3)
    case = given(routing, *CITY, *early, expiry_event(2), expiry_event(3))
    assert [timer.run for timer in timers_of(case)] == [1]
    case = case.when(report, DAY, (("0101",),)).then(case_of(report), ROUTED, VISITED)
    assert timers_of(case) == ()


def test_an_action_that_expired_makes_room_for_another_one_of_its_source() -> None:
    case = given(routing, *CITY, *early_visits(WAITING_MAX, "app"), expiry_event(1))
    visit = replace(VISIT, action="more", source="app")
    case.when(visit, id_="intake/city/99").then(waits_for_report(visit, 99))


def test_when_everything_expired_nothing_is_left_of_an_issue_that_never_came() -> None:
    case = given(routing, *CITY, waits_for_report(VISIT, 1), waits_for_report(ENDING, 2))
    assert case.state != routing.initial_state
    case = given(routing, *CITY, waits_for_report(VISIT, 1), expiry_event(1))
    assert case.state is routing.initial_state

"""Every input learns its own outcome, also if it was decided together with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from escalation.core.decider import Escalation
from eventlog.core.decider import REFERENCE, Input, TimerFired
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.notifier import Notifier
from eventlog.runner import Runner
from events import catalogue as e
from intake.core.decisions import parts_of
from intake.outcomes import Outcomes
from intake.results import Outcome, outcome_of
from routing.core.decider import Routing
from tests.harness.city import CASE, DAY, LIBRARY, MAP_ADOPTED, POLICIES_SENT, issue

PLACE = e.PlaceClaim(by="grid", code="0101")
REPORT = issue(PLACE, due=9 * DAY)
OTHER = e.IssueReported(
    issue="d" * 32, source="source", line="hotline", reference="R-2", category="Rubbish",
    urgency="normal", due=None, claims=(PLACE,), rules=(),
)  # fmt: skip
NOT_VERIFIED = "This case is not verified: it cannot be closed."
VISITED_ALREADY = "This case was visited already."


class UnreadyRouting(Routing):
    """Cannot decide a case before a map is adopted: a fault that goes away."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if not view.reference.map_digest and not isinstance(input_.event, TimerFired):
            raise KeyError("map")
        return super().decide(input_, view)


class UnreadyEscalation(Escalation):
    """Cannot decide about calls before policies are adopted."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if view.reference.policies is None and isinstance(input_.event, e.AnswerPassedOn):
            raise KeyError("policies")
        return super().decide(input_, view)


class System:
    """Intake's log with the stages behind it, in memory."""

    def __init__(self, routing: type[Routing] = Routing) -> None:
        self.intake, self.cases, self.calls = map(MemoryLog, ("intake", "cases", "calls"))
        routing_stage: Stage[Any, Any] = Stage(routing("city", LIBRARY), "city")
        escalation_stage: Stage[Any, Any] = Stage(UnreadyEscalation(), "city")
        self.runners = [
            Runner(routing_stage, SingleOrder(self.intake), self.cases, 100),
            Runner(escalation_stage, SingleOrder(self.cases), self.calls, 100),
        ]
        self.reported: dict[str, int] = {}
        self.outcomes = Outcomes(self.cases, self.calls, Notifier(), self.position_of)

    async def position_of(self, issue: str) -> int | None:
        return self.reported.get(issue)

    async def come(self, *events: Any) -> list[int]:
        """Let inputs come, each a day after the other; return their positions."""
        positions = []
        for event in events:
            subject = REFERENCE if isinstance(event, e.ReferenceAdopted) else "x"
            (row,) = await self.intake.append("city", [Draft(DAY, subject, event)])
            positions.append(row.position)
            if isinstance(event, e.IssueReported):
                self.reported[event.issue] = row.position
        for runner in self.runners:
            await runner.catch_up()
        return positions

    async def outcome(self, position: int) -> Outcome:
        outcome = outcome_of(await self.outcomes.find("city", position))
        assert outcome is not None
        return outcome

    async def short(self, position: int) -> tuple[bool, str | None, list[str]]:
        """Return an outcome in short: if it was declined, why, and the types of its events."""
        outcome = await self.outcome(position)
        types = [each.type.split(".")[1] for each in outcome.events]
        return outcome.declined, outcome.because, types


async def city() -> System:
    """Return a system that has a map."""
    system = System()
    await system.come(MAP_ADOPTED)
    return system


def visit(action: str) -> e.VisitMade:
    return e.VisitMade(action=action, issue=CASE, by="ann", source="app")


def closing(action: str) -> e.ClosingAsked:
    return e.ClosingAsked(action=action, issue=CASE, by="ann", source="app")


def answer(action: str) -> e.AnswerGiven:
    return e.AnswerGiven(action=action, issue=CASE, call=f"{CASE}/1", by="olga", source="app")


DONE = (False, None)


async def test_an_action_that_waits_says_so_and_is_not_declined() -> None:
    system = System()
    (closed,) = await system.come(closing("a"))
    declined, because, types = await system.short(closed)
    assert (declined, types) == (False, ["action-waits"])
    assert because is not None
    assert "before its report" in because


async def test_an_action_that_waited_learns_its_own_outcome_and_the_report_keeps_its_own() -> None:
    system = await city()
    closed, report = await system.come(closing("a"), REPORT)
    assert await system.short(report) == (*DONE, ["case-reported", "case-routed"])
    assert await system.short(closed) == (True, NOT_VERIFIED, ["input-declined"])


async def test_each_of_several_actions_that_waited_learns_its_own() -> None:
    system = await city()
    names = await system.come(visit("a"), OTHER, visit("b"), closing("c"), REPORT, visit("d"))
    outcomes = [await system.short(name) for name in names]
    assert outcomes == [
        (*DONE, ["case-visited"]),
        (*DONE, ["case-reported", "case-routed"]),
        (True, VISITED_ALREADY, ["input-declined"]),
        (True, NOT_VERIFIED, ["input-declined"]),
        (*DONE, ["case-reported", "case-routed"]),
        (True, VISITED_ALREADY, ["input-declined"]),
    ]


async def test_an_action_beyond_the_limit_was_declined_and_shifts_no_other_outcome() -> None:
    system = await city()
    visits = await system.come(*(visit(f"v{number}") for number in range(34)))
    closed, reported = await system.come(replace(closing("c"), source="hotline"), REPORT)
    assert (await system.short(visits[0]))[2] == ["case-visited"]
    assert (await system.outcome(visits[31])).because == VISITED_ALREADY
    assert "wait for this issue already" in str((await system.outcome(visits[32])).because)
    assert (await system.outcome(closed)).because == NOT_VERIFIED
    assert (await system.short(reported))[2] == ["case-reported", "case-routed"]


async def test_an_early_answer_to_a_call_has_its_outcome_in_calls() -> None:
    system = await city()
    await system.come(POLICIES_SENT)
    answered, _ = await system.come(answer("a"), REPORT)
    outcome = await system.outcome(answered)
    assert (outcome.declined, outcome.because) == (True, "This call is not open.")
    assert outcome.events[0].id.startswith("calls/")


async def test_what_waits_behind_a_parked_case_is_not_declined() -> None:
    system = System(UnreadyRouting)
    report, visited = await system.come(REPORT, visit("a"))
    for position, kind in ((report, "case-parked"), (visited, "input-held")):
        declined, because, types = await system.short(position)
        assert (declined, types) == (False, [kind])
        assert because is not None
        assert "parked" in because


async def test_each_input_that_a_retry_decided_learns_its_own_outcome() -> None:
    system = System(UnreadyRouting)
    retry = e.RetryAsked(action="r", issue=CASE, log="cases", by="operator")
    report, visited, closed = await system.come(REPORT, visit("a"), closing("b"))
    failed, _, succeeded, later = await system.come(retry, MAP_ADOPTED, retry, visit("c"))
    assert [await system.short(each) for each in (report, visited, closed, succeeded, later)] == [
        (*DONE, ["case-reported", "case-routed"]),
        (*DONE, ["case-visited"]),
        (True, NOT_VERIFIED, ["input-declined"]),
        (*DONE, ["case-retried"]),
        (True, VISITED_ALREADY, ["input-declined"]),
    ]
    assert (await system.short(failed))[2] == ["case-parked"]


class ParkedReports(Routing):
    """Cannot decide reports before a map is adopted, so that actions wait and the report parks."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if not view.reference.map_digest and isinstance(input_.event, e.IssueReported):
            raise KeyError("map")
        return super().decide(input_, view)


async def test_actions_that_waited_for_a_report_that_was_parked_learn_theirs_after_the_retry() -> (
    None
):
    system = System(ParkedReports)
    retry = e.RetryAsked(action="r", issue=CASE, log="cases", by="operator")
    early, report, late = await system.come(closing("a"), REPORT, visit("b"))
    assert (await system.short(early))[2] == ["action-waits"]
    await system.come(MAP_ADOPTED, retry)
    assert [await system.short(each) for each in (early, report, late)] == [
        (True, NOT_VERIFIED, ["input-declined"]),
        (*DONE, ["case-reported", "case-routed"]),
        (*DONE, ["case-visited"]),
    ]


async def test_an_answer_that_escalation_parked_learns_its_outcome_after_the_retry() -> None:
    system = await city()
    retry = e.RetryAsked(action="r", issue=CASE, log="calls", by="operator")
    _, one, two = await system.come(REPORT, answer("a"), answer("b"))
    assert [(await system.short(each))[2] for each in (one, two)] == [
        ["case-parked"],
        ["input-held"],
    ]
    _, retried = await system.come(POLICIES_SENT, retry)
    for position in (one, two):
        outcome = await system.outcome(position)
        assert (outcome.declined, outcome.because) == (True, "This call is not open.")
    assert (await system.outcome(one)).events != (await system.outcome(two)).events
    assert (await system.short(retried))[2] == ["case-retried"]


async def test_an_action_that_names_an_action_as_its_issue_waits_for_ever() -> None:
    system = System()
    stray = e.VisitMade(action="a", issue="b" * 32, by="ann")
    (waits,) = await system.come(stray)
    system.reported["b" * 32] = waits
    assert (await system.short(waits))[2] == ["action-waits"]


@pytest.mark.parametrize("count", [49, 50, 51, 120])
async def test_a_decision_of_any_length_is_read_whole(count: int) -> None:
    system = await city()
    visits = [
        e.VisitMade(action=f"v{each}", issue=CASE, by="ann", source=f"s{each // 32}")
        for each in range(count)
    ]
    positions = await system.come(*visits, REPORT, OTHER)
    assert (await system.short(positions[count - 1]))[1] == VISITED_ALREADY
    outcomes = [await system.outcome(each) for each in positions[:count]]
    assert len({outcome.events[0].id for outcome in outcomes}) == count


def test_rows_that_are_missing_give_an_empty_part() -> None:
    assert parts_of([], [1, 2], [3]) == {1: [], 2: []}

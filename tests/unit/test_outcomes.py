"""Every input learns its own outcome, also if it was decided together with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from eventlog.core.decider import Input
from events import catalogue as e
from routing.core.decider import Routing
from routing.core.steps.defer import TOO_LATE, WAITING_DAYS_DEFAULT
from tests.harness.city import CASE, DAY, MAP_ADOPTED, POLICIES_SENT, issue
from tests.harness.outcomes import System, UnreadyRouting, city

PLACE = e.PlaceClaim(by="grid", code="0101")
REPORT = issue(PLACE, due=9 * DAY)
OTHER = e.IssueReported(
    issue="d" * 32, source="source", line="hotline", reference="R-2", category="Rubbish",
    urgency="normal", due=None, claims=(PLACE,), rules=(),
)  # fmt: skip
NOT_VERIFIED = "This case is not verified: it cannot be closed."
VISITED_ALREADY = "This case was visited already."


def visit(action: str) -> e.VisitMade:
    return e.VisitMade(action=action, issue=CASE, by="ann", source="app")


def closing(action: str) -> e.ClosingAsked:
    return e.ClosingAsked(action=action, issue=CASE, by="ann", source="app")


def answer(action: str) -> e.AnswerGiven:
    return e.AnswerGiven(action=action, issue=CASE, call=f"{CASE}/1", by="olga", source="app")


DONE = (False, None)


@pytest.fixture(params=[False, True], ids=["live", "new owners"], autouse=True)
def takes_over(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(System, "takes_over", request.param)


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


# ── Behind other cases, and more than once ───────────────────────────────────────────────────────


class Faulty(Routing):
    """Cannot decide the cases in `faults`. Who visits the first case visits the other one, too."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.faults: set[str] = set()

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if input_.subject in self.faults:
            raise KeyError(input_.subject)
        events = super().decide(input_, view)
        if isinstance(input_.event, e.VisitMade) and input_.subject == CASE:
            holder = view.state(OTHER.issue).holder
            return [*events, e.CaseVisited(case=OTHER.issue, holder=holder, by="ann")]
        return events


def retry_of(case: str) -> e.RetryAsked:
    return e.RetryAsked(action="r", issue=case, log="cases", by="operator")


async def two_cases(*faults: str) -> tuple[System, Faulty]:
    """Return a system with two cases, and its routing, which parks some of them."""
    system = System(Faulty)
    assert isinstance(system.routing, Faulty)
    await system.come(MAP_ADOPTED, REPORT, OTHER)
    system.routing.faults |= set(faults)
    await system.come(*(e.ReopeningAsked(action="p", issue=case, because="recurrence")
                        for case in faults))  # fmt: skip
    return system, system.routing


async def test_an_input_that_would_change_a_parked_case_learns_its_outcome_after_its_retry() -> (
    None
):
    system, routing = await two_cases(OTHER.issue)
    (visited,) = await system.come(visit("a"))
    assert (await system.short(visited))[2] == ["input-held"]
    routing.faults.clear()
    (retried,) = await system.come(retry_of(OTHER.issue))
    assert await system.short(visited) == (*DONE, ["case-visited", "case-visited"])
    assert {each.subject for each in (await system.outcome(visited)).events} == {CASE, OTHER.issue}
    assert await system.short(retried) == (*DONE, ["case-retried"])


async def test_an_input_that_waits_twice_learns_its_last_outcome() -> None:
    system, routing = await two_cases(CASE, OTHER.issue)
    (visited,) = await system.come(visit("a"))
    first = await system.outcome(visited)
    routing.faults.remove(CASE)
    await system.come(retry_of(CASE))
    second = await system.outcome(visited)
    assert [each.subject for each in (*first.events, *second.events)] == [CASE, OTHER.issue]
    assert (await system.short(visited))[2] == ["input-held"]
    routing.faults.clear()
    await system.come(retry_of(OTHER.issue))
    assert await system.short(visited) == (*DONE, ["case-visited", "case-visited"])


async def test_a_retry_that_fails_changes_no_outcome_and_a_later_one_does() -> None:
    system, routing = await two_cases(CASE)
    (visited,) = await system.come(visit("a"))
    for _ in range(2):
        (failed,) = await system.come(retry_of(CASE))
        assert (await system.short(failed))[2] == ["case-parked"]
        assert (await system.short(visited))[2] == ["input-held"]
    routing.faults.clear()
    (succeeded,) = await system.come(retry_of(CASE))
    assert (await system.short(failed))[2] == ["case-parked"]
    assert await system.short(succeeded) == (*DONE, ["case-retried"])
    assert await system.short(visited) == (*DONE, ["case-visited", "case-visited"])


# ── Expiry ───────────────────────────────────────────────────────────────────────────────────────

DUE = (1 + WAITING_DAYS_DEFAULT) * DAY
ENDING = e.EndedAtSource(action="z", issue=CASE, outcome="closed", rules=())
EXPIRED = (True, TOO_LATE, ["action-expired"])


async def test_an_action_whose_report_does_not_come_learns_that_it_expired() -> None:
    system = await city()
    (closed,) = await system.come(closing("a"))
    await system.advance_time(DUE)
    assert (await system.short(closed))[2] == ["action-waits"]
    await system.advance_time(DUE + 1)
    assert await system.short(closed) == EXPIRED


async def test_a_report_opens_its_case_without_what_had_expired() -> None:
    system = await city()
    early, ending = await system.come(visit("a"), ENDING)
    (later,) = await system.come(visit("b"), at=DAY + 1)
    (reported,) = await system.come(REPORT, at=DUE + 1)
    assert await system.short(early) == EXPIRED
    assert await system.short(reported) == (*DONE, ["case-reported", "case-routed"])
    assert await system.short(ending) == (*DONE, ["case-ended-at-source"])
    assert (await system.short(later))[:2] == (True, "This case has ended: reopen it first.")


async def test_an_action_applies_at_a_report_of_the_very_instant_at_which_it_expires() -> None:
    system = await city()
    early, _ = *(await system.come(visit("a"))), *(await system.come(REPORT, at=DUE))
    await system.advance_time(DUE + 1)
    assert await system.short(early) == (*DONE, ["case-visited"])


async def test_an_action_does_not_expire_behind_its_parked_report() -> None:
    system = System(ParkedReports)
    early, _ = await system.come(visit("a"), REPORT)
    await system.advance_time(DUE + DAY)
    assert (await system.short(early))[2] == ["action-waits"]
    await system.come(MAP_ADOPTED, retry_of(CASE), at=DUE + 2 * DAY)
    assert await system.short(early) == (*DONE, ["case-visited"])


async def test_of_two_actions_for_one_issue_each_expires_at_its_own_instant() -> None:
    system = await city()
    first, second = *(await system.come(visit("a"))), *(await system.come(visit("b"), at=2 * DAY))
    await system.advance_time(DUE + 1)
    assert await system.short(first) == EXPIRED
    assert (await system.short(second))[2] == ["action-waits"]
    await system.advance_time(DUE + DAY + 1)
    assert await system.short(second) == EXPIRED
    assert (await system.outcome(first)).events != (await system.outcome(second)).events

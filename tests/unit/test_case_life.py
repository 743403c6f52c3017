"""Routing: the life of a case, and the sentences by which an action is declined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventlog.testing.sentences import Given, given
from events import catalogue as e
from tests.harness.city import (
    ANN,
    CASE,
    DAY,
    IN_0101,
    case_routed,
    issue,
    matter,
    routing,
)
from tests.harness.routing import (
    ACKNOWLEDGEMENT,
    ANSWER,
    CITY,
    CLOSED,
    CLOSING,
    CONFIRMATION,
    ENDED,
    ENDING,
    IN_STREET,
    OBJECTION,
    PLACE,
    QUEUED,
    REFUSALS,
    REOPENED,
    REOPENING,
    REPORTED,
    RESOLUTION,
    RESOLVED,
    ROUTED,
    VERIFIED,
    VISIT,
    VISITED,
    WITHDRAWAL,
    WITHDRAWN,
    refusal,
)


def test_the_life_of_a_case() -> None:
    case: Given[Any, Any] = given(routing, *CITY, REPORTED, ROUTED)
    case = case.when(VISIT).then(VISITED)
    case = case.when(RESOLUTION).then(RESOLVED)
    case = case.when(CONFIRMATION).then(VERIFIED)
    case = case.when(CLOSING).then(CLOSED)
    case = case.when(REOPENING, 9 * DAY).then(REOPENED)
    case.when(VISIT).then(e.CaseVisited(case=CASE, holder=replace(ANN, episode=2), by="ann"))


def test_a_rejected_resolution_goes_back_to_its_holder() -> None:
    rejected = e.ResolutionRejected(case=CASE, holder=ANN, by="eve")
    given(routing, ROUTED, VISITED, RESOLVED).when(OBJECTION).then(rejected).when(RESOLUTION).then(
        RESOLVED
    )


def test_a_person_cannot_verify_their_own_resolution() -> None:
    own = replace(CONFIRMATION, by="ann")
    because = "Whoever resolved a case cannot verify it: somebody else confirms."
    given(routing, ROUTED, VISITED, RESOLVED).when(own).then(refusal(own, because))


STAGES: dict[str, tuple[e.Event, ...]] = {
    "queued": (QUEUED,),
    "routed": (ROUTED,),
    "visited": (ROUTED, VISITED),
    "resolved": (ROUTED, VISITED, RESOLVED),
    "verified": (ROUTED, VISITED, RESOLVED, VERIFIED),
    "closed": (ROUTED, VISITED, RESOLVED, VERIFIED, CLOSED),
    "withdrawn": (ROUTED, WITHDRAWN),
    "ended": (ROUTED, ENDED),
}


@pytest.mark.parametrize(
    ("action", "stage", "because"),
    [
        (action, stage, because)
        for action, sentences in REFUSALS
        for stage, because in zip(STAGES, sentences, strict=True)
    ],
)
def test_an_action_is_done_or_declined_with_a_sentence(
    action: Any, stage: str, because: str | None
) -> None:
    case = given(routing, *CITY, *STAGES[stage])
    if because is None:
        assert not isinstance(case.when(action).events[0], e.InputDeclined)
    else:
        assert case.when(action).then(refusal(action, because)).state == case.state


def test_every_action_has_a_row_of_refusals() -> None:
    assert {type(action) for action, _ in REFUSALS} == e.ACTIONS


@pytest.mark.parametrize("stage", ["queued", "routed", "visited", "resolved", "verified"])
def test_an_open_case_ends_when_its_line_withdraws_it_or_its_source_says_so(stage: str) -> None:
    case = given(routing, *CITY, *STAGES[stage])
    holder = IN_STREET if stage == "queued" else ANN
    case.when(WITHDRAWAL).then(e.CaseWithdrawn(case=CASE, holder=holder, because="a mistake"))
    case.when(ENDING).then(
        e.CaseEndedAtSource(case=CASE, holder=holder, outcome="closed", rules=("gap_time",))
    )


def test_a_case_that_ended_in_the_queue_reopens_in_the_queue() -> None:
    ended = e.CaseEndedAtSource(case=CASE, holder=IN_STREET, outcome="closed", rules=())
    case = (
        given(routing, *CITY, QUEUED, ended)
        .when(REOPENING, 9 * DAY)
        .then(
            e.CaseReopened(
                case=CASE, matter=matter(due=None), holder=IN_STREET, because="recurrence"
            )
        )
    )
    assert case.when(PLACE).events[0] == case_routed(
        e.Assignment(
            level="grid", grid="0102", street="01", district="city", worker="bob", episode=1
        ),
        "dispatcher",
        due=None,
    )


@pytest.mark.parametrize(
    ("reopened", "due"),
    [(2 * DAY, 5 * DAY), (5 * DAY, 5 * DAY), (5 * DAY + 1, None), (9 * DAY, None)],
)
def test_a_reopened_case_keeps_the_due_time_of_its_line_until_that_has_passed(
    reopened: int, due: int | None
) -> None:
    again = replace(REOPENED, matter=matter(due=due))
    given(routing, *CITY, REPORTED, *STAGES["closed"]).when(REOPENING, reopened).then(again)


def test_a_case_that_reopens_twice_keeps_the_promise_twice() -> None:
    promised = replace(REOPENED, matter=matter(due=5 * DAY))
    ended = replace(ENDED, holder=promised.holder)
    again = replace(promised, holder=replace(ANN, episode=3))
    case = given(routing, *CITY, REPORTED, *STAGES["closed"], promised, ended)
    case.when(REOPENING, 3 * DAY).then(again)
    case.when(REOPENING, 6 * DAY).then(replace(again, matter=matter(due=None)))


def test_a_case_without_a_promise_reopens_without_one() -> None:
    routed = case_routed(due=None)
    case = given(routing, *CITY, REPORTED, routed, ENDED).when(REOPENING, 2 * DAY)
    case.then(replace(REOPENED, matter=matter(due=None)))


def test_what_was_withdrawn_at_its_source_is_final() -> None:
    ended = e.CaseEndedAtSource(case=CASE, holder=ANN, outcome="withdrawn", rules=())
    because = "This case was withdrawn: report the matter again."
    given(routing, ROUTED, ended).when(REOPENING).then(refusal(REOPENING, because))


@pytest.mark.parametrize("stage", STAGES)
def test_what_concerns_a_call_is_passed_on_in_every_stage(stage: str) -> None:
    case = given(routing, *STAGES[stage])
    holder = IN_STREET if stage == "queued" else ANN
    case.when(ACKNOWLEDGEMENT).then(
        e.AcknowledgementPassedOn(case=CASE, holder=holder, call=f"{CASE}/1", by="officer-01")
    )
    case.when(ANSWER).then(
        e.AnswerPassedOn(case=CASE, holder=holder, call=f"{CASE}/1", by="officer-01")
    )


def test_an_issue_that_is_reported_twice_is_declined() -> None:
    because = "This issue is reported already."
    given(routing, *CITY, ROUTED).when(issue(IN_0101)).then(
        e.InputDeclined(case=CASE, input_id=CASE, because=because)
    )

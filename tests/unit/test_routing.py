"""Sentences about routing: the place of a case, and the steps of its life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from eventlog.core.decider import Timer, TimerFired
from eventlog.testing.sentences import Given, given
from events import catalogue as e
from events.errors import Halted
from events.stored_inputs import store
from routing.core.steps.defer import TOO_LATE, WAITING_DAYS_DEFAULT, WAITING_MAX
from tests.harness.city import (
    ADMISSION_ADOPTED,
    ANN,
    CASE,
    DAY,
    IN_0101,
    MAP_ADOPTED,
    POLICIES_ADOPTED,
    POLICIES_SENT,
    ROSTER_ADOPTED,
    ROSTER_SENT,
    USED,
    case_routed,
    issue,
    matter,
    routing,
)

CITY = (MAP_ADOPTED, ROSTER_ADOPTED)
STRICT_CITY = (*CITY, ADMISSION_ADOPTED)
STRICT = replace(USED, admission="list-2025")

IN_STREET = e.Assignment(
    level="street", grid=None, street="01", district="city", worker=None, episode=0
)
IN_DISTRICT = e.Assignment(
    level="district", grid=None, street=None, district="city", worker=None, episode=0
)

ROUTED = case_routed()
QUEUED = e.CaseQueued(
    case=CASE, matter=matter(), holder=IN_STREET, located_by="street", rules=(), used=USED
)
VISITED = e.CaseVisited(case=CASE, holder=ANN, by="ann")
RESOLVED = e.CaseResolved(case=CASE, holder=ANN, by="ann", root_cause="a broken bin")
VERIFIED = e.CaseVerified(case=CASE, holder=ANN, by="eve")
CLOSED = e.CaseClosed(case=CASE, holder=ANN, by="eve")
WITHDRAWN = e.CaseWithdrawn(case=CASE, holder=ANN, because="a mistake")
ENDED = e.CaseEndedAtSource(case=CASE, holder=ANN, outcome="closed", rules=())
REOPENED = e.CaseReopened(
    case=CASE, matter=matter(due=None), holder=replace(ANN, episode=2), because="recurrence"
)

VISIT = e.VisitMade(action="a1", issue=CASE, by="ann")
RESOLUTION = e.ResolutionClaimed(action="a2", issue=CASE, by="ann", root_cause="a broken bin")
CONFIRMATION = e.ResolutionChecked(action="a3", issue=CASE, by="eve", holds=True)
OBJECTION = e.ResolutionChecked(action="a4", issue=CASE, by="eve", holds=False)
CLOSING = e.ClosingAsked(action="a5", issue=CASE, by="eve")
REOPENING = e.ReopeningAsked(action="a6", issue=CASE, because="recurrence")
WITHDRAWAL = e.IssueWithdrawn(action="a7", issue=CASE, because="a mistake")
ENDING = e.EndedAtSource(action="a8", issue=CASE, outcome="closed", rules=("gap_time",))
PLACE = e.PlaceNamed(action="a9", issue=CASE, by="dispatcher", grid="0102")
ACKNOWLEDGEMENT = e.AcknowledgementGiven(
    action="a10", issue=CASE, call=f"{CASE}/1", by="officer-01"
)
ANSWER = e.AnswerGiven(action="a11", issue=CASE, call=f"{CASE}/1", by="officer-01")


def case_of(report: e.IssueReported, time: int = DAY) -> e.CaseReported:
    facts = e.CaseFacts(
        line=report.line,
        category=report.category,
        urgency=report.urgency,
        reported=time,
        due=report.due,
    )
    return e.CaseReported(
        case=report.issue,
        issue=report.issue,
        reference=report.reference,
        matter=facts,
        claims=report.claims,
        rules=report.rules,
    )


def refusal(action: Any, because: str) -> e.InputDeclined:
    return e.InputDeclined(case=CASE, input_id=action.action, because=because)


def placement_of(
    *past: e.Event, claims: tuple[e.PlaceClaim, ...], result: tuple[tuple[str, ...], ...] = ()
) -> Any:
    placed = given(routing, *past).when(issue(*claims), DAY, result).events[1]
    assert isinstance(placed, e.CaseRouted | e.CaseQueued | e.CaseWithheld)
    return placed


# ── Place ────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_goes_to_the_grid_that_contains_its_point() -> None:
    report = issue(IN_0101)
    given(routing, *CITY).when(report, DAY, (("0101",),)).then(case_of(report), ROUTED)


def test_a_point_in_two_grids_goes_to_the_lowest_code_and_says_so() -> None:
    placed = placement_of(*CITY, claims=(IN_0101,), result=(("0201", "0101"),))
    assert (placed.holder.grid, placed.rules) == ("0101", ("in_two_grids",))


def test_a_dedicated_grid_wins_over_the_basic_grid_around_it_and_that_is_no_dirt() -> None:
    placed = placement_of(*CITY, claims=(IN_0101,), result=(("0101", "SCHOOL"),))
    assert (placed.holder.grid, placed.holder.worker, placed.rules) == ("SCHOOL", None, ())


def test_a_grid_without_a_worker_is_nobodys_responsibility_yet() -> None:
    assert placement_of(*CITY, claims=(e.PlaceClaim(by="grid", code="SCHOOL"),)).holder.episode == 0


def test_the_first_claim_that_answers_wins() -> None:
    claims = (
        e.PlaceClaim(by="point", lat=9.0, lon=9.0),
        e.PlaceClaim(by="grid", code="9999"),
        e.PlaceClaim(by="grid", code="0201"),
    )
    placed = placement_of(*CITY, claims=claims, result=((),))
    assert (placed.holder.grid, placed.located_by, placed.rules) == (
        "0201",
        "grid",
        ("outside_map", "unknown_code"),
    )


def test_a_declared_code_that_the_map_does_not_have_leaves_its_rule_once() -> None:
    grid, street = e.PlaceClaim(by="grid", code="9999"), e.PlaceClaim(by="street", code="99")
    placed = placement_of(*CITY, claims=(grid, street))
    assert (type(placed), placed.located_by) == (e.CaseQueued, "none")
    assert placed.rules == ("unknown_code",)


def test_an_unknown_code_behind_the_place_that_answered_leaves_no_rule() -> None:
    known, unknown = e.PlaceClaim(by="street", code="01"), e.PlaceClaim(by="grid", code="9999")
    placed = placement_of(*CITY, claims=(known, unknown))
    assert (placed.located_by, placed.rules) == ("street", ())


def test_rules_of_claims_that_were_not_reached_do_not_count() -> None:
    placed = placement_of(
        *CITY, claims=(e.PlaceClaim(by="grid", code="0201"), e.PlaceClaim(by="no_point"))
    )
    assert placed.rules == ()


@pytest.mark.parametrize("rule", ["no_point", "unknown_point"])
def test_a_missing_or_unknown_point_leaves_its_rule(rule: Any) -> None:
    placed = placement_of(
        *CITY, claims=(e.PlaceClaim(by=rule), e.PlaceClaim(by="street", code="01"))
    )
    assert (placed.located_by, placed.rules) == ("street", (rule,))


def test_known_by_its_street_alone_it_waits_for_the_streets_dispatcher() -> None:
    report = issue(e.PlaceClaim(by="street", code="01"))
    given(routing, *CITY).when(report, DAY).then(case_of(report), QUEUED)


@pytest.mark.parametrize(
    "claims",
    [(), (e.PlaceClaim(by="street", code="99"),), (e.PlaceClaim(by="grid", code="nowhere"),)],
)
def test_known_by_nothing_it_waits_in_the_districts_queue(claims: tuple[e.PlaceClaim, ...]) -> None:
    placed = placement_of(*CITY, claims=claims)
    assert (type(placed), placed.holder, placed.located_by) == (e.CaseQueued, IN_DISTRICT, "none")


def test_without_a_map_everything_waits_in_the_districts_queue() -> None:
    assert (
        placement_of(claims=(IN_0101, e.PlaceClaim(by="grid", code="0101"))).holder == IN_DISTRICT
    )


def test_the_dispatcher_names_the_grid() -> None:
    bob = e.Assignment(
        level="grid", grid="0102", street="01", district="city", worker="bob", episode=1
    )
    given(routing, *CITY, QUEUED).when(PLACE).then(case_routed(bob, "dispatcher")).when(VISIT).then(
        e.CaseVisited(case=CASE, holder=bob, by="ann")
    )


def test_the_dispatcher_cannot_name_a_grid_that_is_not_there() -> None:
    wrong = replace(PLACE, grid="nowhere")
    given(routing, *CITY, QUEUED).when(wrong).then(refusal(wrong, "The map has no grid 'nowhere'."))


def test_a_case_that_has_its_place_is_in_nobodys_queue() -> None:
    given(routing, *CITY, ROUTED).when(PLACE).then(
        refusal(PLACE, "This case has its place: it is in nobody's queue.")
    )


# ── Admission ────────────────────────────────────────────────────────────────────────────────────


def test_a_category_on_the_list_for_grids_goes_to_the_grid() -> None:
    report = issue(IN_0101)
    admitted = replace(ROUTED, used=STRICT)
    given(routing, *STRICT_CITY).when(report, DAY, (("0101",),)).then(case_of(report), admitted)


def test_a_category_of_the_street_is_kept_from_the_grid_and_cites_the_row() -> None:
    report = issue(IN_0101, category="Roadworks")
    street = e.Assignment(
        level="street", grid="0101", street="01", district="city", worker=None, episode=0
    )
    withheld = e.CaseWithheld(
        case=CASE,
        matter=matter(category="Roadworks"),
        holder=street,
        located_by="point",
        rules=(),
        used=STRICT,
        row="list 2025, row 2",
    )
    given(routing, *STRICT_CITY).when(report, DAY, (("0101",),)).then(case_of(report), withheld)


@pytest.mark.parametrize(
    ("category", "row"),
    [("Permits", "list 2025, row 3"), ("Dragons", "'Dragons' is not on list-2025")],
)
def test_a_category_of_the_district_or_on_no_row_belongs_to_the_district(
    category: str, row: str
) -> None:
    report = issue(category=category)
    withheld = e.CaseWithheld(
        case=CASE,
        matter=matter(category=category),
        holder=IN_DISTRICT,
        located_by="none",
        rules=(),
        used=STRICT,
        row=row,
    )
    given(routing, *STRICT_CITY).when(report, DAY).then(case_of(report), withheld)


def test_a_streets_category_without_a_street_waits_until_its_street_is_known() -> None:
    report = issue(category="Roadworks")
    queued = e.CaseQueued(
        case=CASE,
        matter=matter(category="Roadworks"),
        holder=IN_DISTRICT,
        located_by="none",
        rules=(),
        used=STRICT,
    )
    given(routing, *STRICT_CITY).when(report, DAY).then(case_of(report), queued)


def test_a_dispatcher_cannot_give_a_grid_what_the_list_keeps_from_it() -> None:
    queued = replace(QUEUED, matter=matter(category="Roadworks"))
    placed = given(routing, *STRICT_CITY, queued).when(PLACE).events
    assert [type(event) for event in placed] == [e.CaseWithheld]


# ── The life of a case ───────────────────────────────────────────────────────────────────────────


def test_the_life_of_a_case() -> None:
    case: Given[Any, Any] = given(routing, *CITY, ROUTED)
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
QUEUE = "This case is in a dispatcher's queue: say where it lies first."
ENDED_ALREADY = "This case has ended: reopen it first."
IS_OPEN = "This case is open: there is nothing to reopen."
FINAL = "This case was withdrawn: report the matter again."
HAS_PLACE = "This case has its place: it is in nobody's queue."
VISITED_ALREADY = "This case was visited already."
NOT_VISITED = "Nobody has been there: visit first."
RESOLVED_ALREADY = "This case is resolved already."
NO_CLAIM = "No resolution is waiting to be checked."
UNVERIFIED = "This case is not verified: it cannot be closed."

# A row for each action and a column for each of STAGES: None if it is done, else why it is not.
WHILE_OPEN, ONCE_ENDED, ALWAYS = [None] * 5, [ENDED_ALREADY] * 3, [None] * 8
REFUSALS: list[tuple[Any, Sequence[str | None]]] = [
    (PLACE, [None, *[HAS_PLACE] * 4, *ONCE_ENDED]),
    (VISIT, [QUEUE, None, *[VISITED_ALREADY] * 3, *ONCE_ENDED]),
    (RESOLUTION, [QUEUE, NOT_VISITED, None, *[RESOLVED_ALREADY] * 2, *ONCE_ENDED]),
    (CONFIRMATION, [QUEUE, NO_CLAIM, NO_CLAIM, None, NO_CLAIM, *ONCE_ENDED]),
    (CLOSING, [QUEUE, *[UNVERIFIED] * 3, None, *ONCE_ENDED]),
    (REOPENING, [*[IS_OPEN] * 5, None, FINAL, None]),
    (WITHDRAWAL, [*WHILE_OPEN, *ONCE_ENDED]),
    (ENDING, [*WHILE_OPEN, *ONCE_ENDED]),
    (ACKNOWLEDGEMENT, ALWAYS),
    (ANSWER, ALWAYS),
]


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
    given(routing, *CITY, *STAGES["closed"]).when(REOPENING, reopened).then(again)


def test_a_case_that_reopens_twice_keeps_the_promise_twice() -> None:
    promised = replace(REOPENED, matter=matter(due=5 * DAY))
    ended = replace(ENDED, holder=promised.holder)
    again = replace(promised, holder=replace(ANN, episode=3))
    case = given(routing, *CITY, *STAGES["closed"], promised, ended)
    case.when(REOPENING, 3 * DAY).then(again)
    case.when(REOPENING, 6 * DAY).then(replace(again, matter=matter(due=None)))


def test_a_case_without_a_promise_reopens_without_one() -> None:
    routed = case_routed(due=None)
    case = given(routing, *CITY, routed, ENDED).when(REOPENING, 2 * DAY)
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


# ── Too early ────────────────────────────────────────────────────────────────────────────────────


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


# ── Reference data ───────────────────────────────────────────────────────────────────────────────


def test_reference_data_is_passed_on_with_what_later_stages_need() -> None:
    case = given(routing)
    case.when(MAP_ADOPTED).then(MAP_ADOPTED)
    case.when(ROSTER_SENT).then(ROSTER_ADOPTED)
    case.when(POLICIES_SENT).then(POLICIES_ADOPTED)
    case.when(ADMISSION_ADOPTED).then(ADMISSION_ADOPTED)
    case.when(e.ReferenceAdopted(kind="decider", name="2026-11", digest="")).then(
        e.ReferenceAdopted(kind="decider", name="2026-11", digest="")
    )


def test_content_that_is_not_here_stops_the_shard() -> None:
    with pytest.raises(Halted, match="load it again"):
        given(routing).when(e.ReferenceAdopted(kind="policies", name="lost", digest="0" * 64))

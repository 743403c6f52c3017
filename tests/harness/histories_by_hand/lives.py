"""A correct history: four districts, and in them a case of each kind."""

from __future__ import annotations

from typing import Any

from tests.harness.histories_by_hand.history import (
    EAST,
    FAULT,
    NORTH,
    SOUTH,
    WEST,
    WITHIN,
    District,
    Event,
    History,
    call_raised,
    case_of,
    clock,
    event_of,
    holder,
    open_case,
    receipt,
)
from tests.harness.histories_by_hand.retries import (
    expires_in_a_retry,
    is_overdue_before_its_hand_over,
    is_silent_behind_a_fault,
    misses_its_deadline_behind_a_fault,
)
from tools.checker.receipts import identity


def history() -> History:
    """Four districts, and in them a case of each kind."""
    made = History()
    north(District(made, NORTH))
    east(District(made, EAST))
    west(District(made, WEST))
    south(District(made, SOUTH))
    return made


def north(d: District) -> None:
    adopts_policies(d)
    missed = is_reported(d, 10, "missed", 20)
    is_queued_and_withdrawn(d)
    waits_for_a_policy_row(d)
    is_called_and_answered(d, missed)
    comes_after_its_visit(d)
    expires_before_its_report(d)
    is_parked_in_routing(d)
    is_retried_in_routing(d)
    is_parked_in_escalation(d)
    is_retried_in_escalation(d)
    is_parked_by_its_clock(d)
    is_handed_over(d)
    reopens_before_its_promise(d)
    calls_the_district(d)
    d.rest()


def is_reported(
    d: District, time: int, reference: str, due: int | None, level: str = "grid"
) -> str:
    """A case with a deadline that its line promised."""
    case = d.issue(time, reference, due=due)
    _, placed = d.outcome(case, *open_case(case, due, level))
    if due is not None:
        d.follows(placed, clock(case, "clock-started", due, level))
    return case


def adopts_policies(d: District) -> None:
    limits = [{"line": "petition", "category": "*", "urgency": "*", "amount": 20, "unit": "days"}]
    policies = {
        "name": "policies-1",
        "zone": "Asia/Shanghai",
        "answer_within": WITHIN,
        "limits": limits,
    }
    d.accept(1, "reference", "reference-adopted", kind="policies", name="policies-1", digest="d")
    (position,) = d.outcome("reference", ("policies-adopted", policies))
    d.follows(position, ("policies-adopted", policies))


def is_queued_and_withdrawn(d: District) -> None:
    is_reported(d, 11, "queued", None, "district")
    case = is_reported(d, 12, "withdrawn", 50)
    d.action(13, case, "issue-withdrawn", because="a mistake")
    (position,) = d.outcome(case, event_of(case, "case-withdrawn", because="a mistake"))
    d.follows(position, clock(case, "clock-stopped", 50))
    name = d.action(14, case, "visit-made", by="ann")
    d.outcome(
        case,
        ("input-declined", {"case": case, "input_id": name, "because": "This case has ended."}),
    )


def waits_for_a_policy_row(d: District) -> None:
    case = d.issue(15, "by-policy", "petition", due=None)
    _, placed = d.outcome(case, *open_case(case, line="petition"))
    d.follows(placed, clock(case, "clock-started", 500))


def is_called_and_answered(d: District, case: str) -> None:
    """Due at 20; the street is silent until 30 and answers at 60; then it ends and reopens."""
    missed = clock(case, "deadline-missed", 20)
    d.fires(
        case, "deadline/1", 20, missed, call_raised(case, 1, ("grid", "street"), "deadline", 20)
    )
    d.fires(case, "answer/1", 30, call_raised(case, 2, ("street", "district"), "silence", 30))
    d.action(60, case, "answer-given", call=f"{case}/1", by="officer")
    (position,) = d.outcome(
        case, event_of(case, "answer-passed-on", call=f"{case}/1", by="officer")
    )
    d.follows(position, event_of(case, "call-answered", call=f"{case}/1", by="officer"))
    d.action(61, case, "ended-at-source", outcome="closed", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="closed", rules=[])
    )
    d.follows(
        position,
        clock(case, "clock-stopped", 20),
        event_of(case, "call-withdrawn", call=f"{case}/2"),
    )
    d.action(62, case, "reopening-asked", because="recurrence")
    (position,) = d.outcome(case, ("case-reopened", open_case(case)[1][1]))
    d.follows(position, event_of(case, "reopened-without-deadline"))


def reopens_before_its_promise(d: District) -> None:
    """Its line promised 850. It ends and reopens at 71, so that it runs against 850 again."""
    case = is_reported(d, 70, "too early", 850)
    d.action(71, case, "ended-at-source", outcome="closed", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="closed", rules=[])
    )
    d.follows(position, clock(case, "clock-stopped", 850))
    d.action(71, case, "reopening-asked", because="unsatisfied")
    (position,) = d.outcome(case, ("case-reopened", open_case(case, 850)[1][1]))
    kind, started = clock(case, "clock-started", 850)
    d.follows(position, (kind, {**started, "run": 2}))


def waits_for_an_issue_that_never_comes(d: District) -> None:
    """Actions up to the limit wait, and one more is declined."""
    case = identity([SOUTH, "desk", "hotline", "never"])
    for _ in range(32):
        d.action(15, case, "visit-made", by="ann")
        d.waits(case, 500)
    name = d.action(16, case, "visit-made", by="ann")
    d.outcome(case, ("input-declined", {"case": case, "input_id": name, "because": "Too many."}))


def comes_after_its_visit(d: District) -> None:
    case = identity([NORTH, "desk", "hotline", "late"])
    d.action(63, case, "visit-made", by="ann")
    visited = d.waits(case, 500)
    d.issue(64, "late", due=900)
    _, placed = d.outcome(case, *open_case(case, 900))
    d.decides_late(visited, case, event_of(case, "case-visited", by="ann"))
    d.follows(placed, clock(case, "clock-started", 900))


def expires_before_its_report(d: District) -> None:
    """The first action expires at 64, before a report that decides the second one alone."""
    case = identity([NORTH, "desk", "hotline", "much too late"])
    d.action(64, case, "visit-made", by="ann")
    expires = d.waits(case, 64)
    d.expires(case, expires, 64)
    d.action(65, case, "visit-made", by="ann")
    visited = d.waits(case, 65)
    d.issue(65, "much too late", due=None)
    d.outcome(case, *open_case(case))
    d.decides_late(visited, case, event_of(case, "case-visited", by="ann"))


def is_parked_in_routing(d: District) -> None:
    case = d.issue(65, "poison", due=None)
    d.parks(case)
    d.action(66, case, "visit-made", by="ann")
    d.parks(case)


def is_retried_in_routing(d: District) -> None:
    """A report and a visit wait behind a fault; a retry fails, and the next one decides both."""
    case = d.issue(66, "mended", due=None)
    reported = len(d.rows("intake"))
    d.parks(case)
    d.action(66, case, "visit-made", by="ann")
    d.parks(case)
    d.action(67, case, "retry-asked", by="operator", log="cases")
    d.outcome(case, ("case-parked", {"case": case, "input": None} | FAULT))
    d.action(67, case, "retry-asked", by="operator", log="cases")
    d.outcome(case, ("case-retried", {"case": case}))
    d.decides_late(reported, case, *open_case(case))
    d.decides_late(reported + 1, case, event_of(case, "case-visited", by="ann"))


def is_parked_in_escalation(d: District) -> None:
    case = d.issue(67, "poison too", due=90)
    _, placed = d.outcome(case, *open_case(case, 90))
    d.waits_in_calls(placed)
    d.action(68, case, "ended-at-source", outcome="withdrawn", rules=[])
    (position,) = d.outcome(
        case, event_of(case, "case-ended-at-source", outcome="withdrawn", rules=[])
    )
    d.waits_in_calls(position)


def is_retried_in_escalation(d: District) -> None:
    case = d.issue(68, "mended there", due=900)
    _, placed = d.outcome(case, *open_case(case, 900))
    d.waits_in_calls(placed)
    d.retries_in_calls(68, case)
    d.decides_late(placed, case, clock(case, "clock-started", 900), log="calls")


def is_parked_by_its_clock(d: District) -> None:
    case = is_reported(d, 68, "poison at last", 68)
    d.issue(69, "whatever", due=None)
    d.fires(case, "deadline/1", 68, ("case-parked", {"case": case, "input": None} | FAULT))
    whatever = case_of("whatever")
    d.outcome(whatever, *open_case(whatever))


def is_handed_over(d: District) -> None:
    case = is_reported(d, 69, "found", 800, "district")
    d.action(70, case, "place-named", by="eve", grid="0101")
    (position,) = d.outcome(case, open_case(case, 800)[1])
    d.follows(position, clock(case, "clock-handed-over", 800))


def calls_the_district(d: District) -> None:
    """The street has the case, so its missed deadline calls the district, which acknowledges."""
    case = is_reported(d, 71, "withheld", 75, "street")
    missed = clock(case, "deadline-missed", 75, "street")
    d.fires(
        case, "deadline/1", 75, missed, call_raised(case, 1, ("street", "district"), "deadline", 75)
    )
    d.action(80, case, "acknowledgement-given", call=f"{case}/1", by="officer")
    (position,) = d.outcome(
        case, event_of(case, "acknowledgement-passed-on", call=f"{case}/1", by="officer")
    )
    d.follows(position, event_of(case, "call-acknowledged", call=f"{case}/1", by="officer"))


def east(d: District) -> None:
    """A roster gives a grid another worker. Of its two cases, one has a deadline."""
    adopts_policies(d)
    dan = {**holder(), "grid": "0105", "worker": "dan"}
    eli = {**dan, "worker": "eli", "episode": 2}
    cases = [d.issue(82, "without deadline", due=None)]
    d.outcome(cases[0], *routed_to(dan, cases[0]))
    cases.append(d.issue(82, "with deadline", due=900))
    _, placed = d.outcome(cases[1], *routed_to(dan, cases[1], 900))
    d.follows(placed, with_holder(dan, clock(cases[1], "clock-started", 900)))
    d.accept(83, "reference", "reference-adopted", kind="roster", name="roster-2", digest="d")
    roster = ("roster-adopted", {"name": "roster-2", "digest": "d", "receivers": []})
    moved = [
        (
            case,
            with_holder(
                eli, event_of(case, "case-reassigned", previous=dan, queued=False, because="roster")
            ),
        )
        for case in sorted(cases)
    ]
    first, *others = d.outcomes(("reference", roster), *moved)
    d.follows(first, roster)
    handed_over = with_holder(eli, clock(cases[1], "clock-handed-over", 900))
    d.follows(others[sorted(cases).index(cases[1])], handed_over)
    loses_its_grid(d)
    d.rest()


def loses_its_grid(d: District) -> None:
    """A map without its grid comes after its visit. Its dispatcher names another grid."""
    ann, queue = {**holder(), "grid": "0106"}, {**holder("street"), "grid": None, "episode": 1}
    flo = {**ann, "grid": "0107", "worker": "flo", "episode": 2}
    case = d.issue(84, "visited", due=None)
    d.outcome(case, *routed_to(ann, case))
    d.action(84, case, "visit-made", by="ann")
    d.outcome(case, with_holder(ann, event_of(case, "case-visited", by="ann")))
    new = {"kind": "map", "name": "map-2", "digest": "d"}
    d.accept(85, "reference", "reference-adopted", **new)
    lost = event_of(case, "case-reassigned", previous=ann, queued=True, because="map")
    d.outcomes(("reference", ("reference-adopted", new)), (case, with_holder(queue, lost)))
    d.action(86, case, "resolution-claimed", by="ann")
    d.outcome(case, with_holder(queue, event_of(case, "case-resolved", by="ann")))
    d.action(87, case, "place-named", by="eve", grid="0107")
    named = event_of(case, "case-reassigned", previous=queue, queued=False, because="dispatcher")
    d.outcome(case, with_holder(flo, named))
    d.action(88, case, "resolution-checked", by="eve")
    d.outcome(case, with_holder(flo, event_of(case, "case-verified", by="eve")))


def routed_to(who: dict[str, Any], case: str, due: int | None = None) -> list[Event]:
    reported, placed = open_case(case, due)
    return [reported, with_holder(who, placed)]


def with_holder(who: dict[str, Any], event: Event) -> Event:
    kind, data = event
    return kind, {**data, "holder": who}


def south(d: District) -> None:
    """A case that is solved, and answers of every kind."""
    case = is_reported(d, 10, "solved 问题", None)
    for time, given, became in (
        (11, "visit-made", "case-visited"),
        (12, "resolution-claimed", "case-resolved"),
        (13, "resolution-checked", "case-verified"),
        (14, "closing-asked", "case-closed"),
    ):
        d.action(time, case, given, by="ann")
        d.outcome(case, event_of(case, became, by="ann"))
    waits_for_an_issue_that_never_comes(d)
    words = {"kind": "issue", "source": "desk", "line": "hotline", "reference": "solved 问题"}
    again = [receipt(SOUTH, 200, case, 1, **words), receipt(SOUTH, 409, case, None, **words)]
    refused = [
        receipt(SOUTH, 422, case, None, **words),
        receipt(SOUTH, 422, None, None, kind="issue", source="desk"),
    ]
    away = receipt(SOUTH, 503, None, None, kind="action", source="app", reference="A99")
    d.history.receipts += [*again, *refused, away]
    d.rest()


def west(d: District) -> None:
    """Cases that are parked while their clocks run out, and then retried."""
    adopts_policies(d)
    misses_its_deadline_behind_a_fault(d)
    is_silent_behind_a_fault(d)
    expires_in_a_retry(d)
    is_overdue_before_its_hand_over(d)
    d.rest()

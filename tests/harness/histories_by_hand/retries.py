"""Lives of cases whose clocks run out while they are parked: a retry fires each in its place."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import (
    WEST,
    District,
    Event,
    call_raised,
    clock,
    event_of,
    open_case,
)
from tools.checker.receipts import identity


def misses_its_deadline_behind_a_fault(d: District) -> None:
    """Acknowledge nothing at 15, be due at 20, hand the case over at 22, and end it at 25."""
    case = d.issue(10, "due behind a fault", due=20)
    _, placed = d.outcome(case, *open_case(case, 20, "district"))
    d.waits_in_calls(placed)
    acknowledged = passes_on(d, 15, case, "acknowledgement-given", "acknowledgement-passed-on")
    handover = names_its_grid(d, 22, case, 20)
    d.action(25, case, "ended-at-source", outcome="closed", rules=[])
    (ended,) = d.outcome(case, event_of(case, "case-ended-at-source", outcome="closed", rules=[]))
    d.waits_in_calls(ended)
    d.retries_in_calls(30, case)
    d.decides_late(placed, case, clock(case, "clock-started", 20, "district"), log="calls")
    declined = event_of(case, "call-action-declined", call=f"{case}/1", because="Not open.")
    d.decides_late(acknowledged, case, declined, log="calls")
    missed = missed_deadline(case, 20, 30, "district", "district")
    d.goes_on("calls", f"clock/{case}/deadline/1", case, *missed)
    kind, handed_over = clock(case, "clock-handed-over", 20)
    d.decides_late(handover, case, (kind, {**handed_over, "missed": True}), log="calls")
    stopped = clock(case, "clock-stopped", 20), event_of(case, "call-withdrawn", call=f"{case}/1")
    d.decides_late(ended, case, *stopped, log="calls")


def is_silent_behind_a_fault(d: District) -> None:
    """Call a street that is to answer by 45. It acknowledges at 40 and answers at 50."""
    case = d.issue(31, "silent behind a fault", due=35)
    _, placed = d.outcome(case, *open_case(case, 35))
    d.follows(placed, clock(case, "clock-started", 35))
    d.fires(case, "deadline/1", 35, *missed_deadline(case, 35, 35))
    acknowledged = passes_on(d, 40, case, "acknowledgement-given", "acknowledgement-passed-on")
    answered = passes_on(d, 50, case, "answer-given", "answer-passed-on")
    d.retries_in_calls(55, case)
    words = {"call": f"{case}/1", "by": "officer"}
    d.decides_late(acknowledged, case, event_of(case, "call-acknowledged", **words), log="calls")
    silence = call_raised(case, 2, ("street", "district"), "silence", 55)
    d.goes_on("calls", f"clock/{case}/answer/1", case, silence)
    d.decides_late(answered, case, event_of(case, "call-answered", **words), log="calls")


def expires_in_a_retry(d: District) -> None:
    """Let two visits wait for their report. One is to expire at 64, before it."""
    case = identity([WEST, "desk", "hotline", "visited behind a fault"])
    for time in (62, 63):
        d.action(time, case, "visit-made", by="ann")
        d.parks(case)
    first, second = (len(d.rows("intake")) - 1, len(d.rows("intake")))
    inputs = [d.stored_row("intake", position) for position in (first, second)]
    d.issue(65, "visited behind a fault", due=None)
    d.parks(case)
    d.action(66, case, "retry-asked", by="operator", log="cases")
    d.outcome(case, ("case-retried", {"case": case}))
    for position, input_, expires in zip((first, second), inputs, (64, 500), strict=True):
        waits = {"issue": case, "input": input_, "expires": expires}
        d.decides_late(position, case, ("action-waits", waits))
    expired = {"issue": case, "input": f"intake/{WEST}/{first}", "because": "Late."}
    d.goes_on("cases", f"clock/{case}/expiry/{first}", case, ("action-expired", expired))
    d.decides_late(second + 1, case, *open_case(case))
    d.decides_late(second, case, event_of(case, "case-visited", by="ann"))


def is_overdue_before_its_hand_over(d: District) -> None:
    """Report a case that was due before. The same decision hands it over, which comes first."""
    case = identity([WEST, "desk", "hotline", "overdue at once"])
    d.action(91, case, "place-named", by="eve", grid="0101")
    place = d.waits(case, 500)
    d.issue(92, "overdue at once", due=90)
    _, placed = d.outcome(case, *open_case(case, 90, "district"))
    (handover,) = d.decides_late(place, case, open_case(case, 90)[1])
    d.follows(placed, clock(case, "clock-started", 90, "district"))
    d.waits_in_calls(handover)
    d.retries_in_calls(93, case)
    d.decides_late(handover, case, clock(case, "clock-handed-over", 90), log="calls")
    d.goes_on("calls", f"clock/{case}/deadline/1", case, *missed_deadline(case, 90, 93))


def names_its_grid(d: District, time: int, case: str, due: int) -> int:
    """Let a dispatcher name the grid of a case. Return the position of the hand-over."""
    d.action(time, case, "place-named", by="eve", grid="0101")
    (position,) = d.outcome(case, open_case(case, due)[1])
    d.waits_in_calls(position)
    return position


def passes_on(d: District, time: int, case: str, kind: str, becomes: str) -> int:
    """Let an officer act on the first call of a case. Return the position of what waits then."""
    words = {"call": f"{case}/1", "by": "officer"}
    d.action(time, case, kind, **words)
    (position,) = d.outcome(case, event_of(case, becomes, **words))
    d.waits_in_calls(position)
    return position


def missed_deadline(
    case: str, due: int, at: int, level: str = "grid", above: str = "street"
) -> tuple[Event, Event]:
    """Return a missed deadline and its call, whose limit counts from the instant of both."""
    raised = call_raised(case, 1, (level, above), "deadline", at)
    return clock(case, "deadline-missed", due, level), raised

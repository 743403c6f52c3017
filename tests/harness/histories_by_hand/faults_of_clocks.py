"""Faults of guarantee 5: clocks and missed deadlines."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import holder
from tests.harness.histories_by_hand.planting import (
    Fault,
    change,
    copy,
    decide,
    deferred_input,
    missed_again,
    plant_both,
    remove,
    tell,
)

CLOCKS: dict[str, Fault] = {
    "a deadline was missed before its time": (
        change("calls", "deadline-missed", ts=19),
        "deadline",
        "should be at 20",
    ),
    "a deadline was missed before what intake saw first": (
        change("calls", "deadline-missed", input="-1"),
        "deadline",
        "too early",
    ),
    "a deadline was missed after what came later": (
        change("calls", "deadline-missed", input="+1"),
        "deadline",
        "too late",
    ),
    "a missed deadline was forgotten": (
        plant_both(remove("calls", "deadline-missed", 1), remove("calls", "call-raised", 2)),
        "deadline",
        "no deadline was missed",
    ),
    "a missed deadline was forgotten until the case ended": (
        plant_both(
            remove("calls", "deadline-missed"),
            remove("calls", "call-raised"),
            remove("calls", "call-raised"),
        ),
        "deadline",
        "due at 20, and no deadline was missed",
    ),
    "a clock that does not run ran out": (
        tell("calls", "deadline-missed", run=2),
        "deadline",
        "no such clock runs",
    ),
    "a deadline was missed at another level": (
        tell("calls", "deadline-missed", holder=holder("street")),
        "deadline",
        "in a street",
    ),
    "a deadline was missed after its case ended": (
        decide("calls", "withdrawn", missed_again, cause="clock/CASE/deadline/1"),
        "deadline",
        "its case has ended",
    ),
    "a parked case missed a deadline": (
        decide("calls", "poison too", missed_again, cause="clock/CASE/deadline/1"),
        "deadline",
        "its case is parked",
    ),
    "a deadline was missed because of an input": (
        change("calls", "deadline-missed", cause="cases/north/2"),
        "deadline",
        "which is no clock",
    ),
    "a clock was not started": (
        remove("calls", "clock-started", 5),
        "clock",
        "nothing follows from it",
    ),
    "a clock by a policy row was not started": (
        remove("calls", "clock-started", 2),
        "clock",
        "nothing follows from it",
    ),
    "a clock was not stopped": (remove("calls", "clock-stopped"), "clock", "was not stopped"),
    "a clock was not handed over": (
        remove("calls", "clock-handed-over"),
        "clock",
        "nothing follows from it",
    ),
    "policies were not taken up": (
        remove("calls", "policies-adopted"),
        "clock",
        "nothing follows from it",
    ),
    "a clock was started twice": (
        copy("calls", "clock-started", 5, input=35),
        "clock",
        "after clock 1",
    ),
    "a clock has another due time than was promised": (
        tell("calls", "clock-started", due=21),
        "clock",
        "promised 20",
    ),
    "a clock runs by other policies": (
        tell("calls", "clock-started", policies="old"),
        "clock",
        "starts a clock by old",
    ),
    "a clock runs for another level": (
        tell("calls", "clock-started", holder=holder("street")),
        "clock",
        "runs for the street",
    ),
    "another clock was stopped": (
        tell("calls", "clock-stopped", run=2),
        "clock",
        "which does not run",
    ),
    "a clock was stopped by nothing": (
        change("calls", "clock-stopped", cause="cases/north/2"),
        "clock",
        "does nothing to",
    ),
    "an input of no parked case was held": (
        decide("calls", "late", deferred_input),
        "clock",
        "which is not parked",
    ),
    "an input of a parked case was not held": (
        remove("calls", "input-held"),
        "clock",
        "was not held",
    ),
}

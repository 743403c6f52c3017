"""Faults of a retry: what ran out behind a parked case fires too early, too late, or not at all."""

from __future__ import annotations

from tests.harness.histories_by_hand.history import holder
from tests.harness.histories_by_hand.planting import Fault, decide_again, plant_both, tell

DUE, SILENT = "due behind a fault", "silent behind a fault"
AT_ONCE, VISITED = "overdue at once", "visited behind a fault"

# The steps of each retry as it is, after the first:
#   DUE      2 started, 3 declined (15), 4 missed (20), 5 raised, 6 handed over (22),
#            7 stopped (25), 8 withdrawn
#   SILENT   2 acknowledged (40), 3 raised (45), 4 answered (50)
#   AT_ONCE  2 handed over (92), 3 missed (90, but started at 92), 4 raised
#   VISITED  2 waits (62), 3 waits (63), 4 expired (64), 5 reported (65), 6 placed, 7 visited
RETRIES: dict[str, Fault] = {
    "a retry missed a deadline before what came in time": (
        decide_again("calls", DUE, (1, 2, 4, 5, 3, 6, 7, 8)),
        "deadline",
        "comes before what came at 15, and its clock ran out at 20",
    ),
    "a retry missed a deadline for the next holder": (
        decide_again("calls", DUE, (1, 2, 3, 6, 4, 5, 7, 8)),
        "deadline",
        "follows from what came at 22, and the deadline at 20 was not missed before",
    ),
    "a retry missed a deadline after an end that came too late": (
        decide_again("calls", DUE, (1, 2, 3, 7, 8, 4, 5)),
        "deadline",
        "follows from what came at 25, and the deadline at 20 was not missed before",
    ),
    "a deadline was missed after the retry in which its case ended": (
        decide_again("calls", DUE, (1, 2, 3, 6, 7, 8), (4, 5)),
        "deadline",
        "no such clock runs",
    ),
    "a retry missed no deadline, and its case ended in time": (
        decide_again("calls", DUE, (1, 2, 3, 7)),
        "deadline",
        "follows from what came at 25, and the deadline at 20 was not missed before",
    ),
    "a retry forgot a hand-over before an end": (
        decide_again("calls", DUE, (1, 2, 3, 4, 5, 7, 8)),
        "clock",
        "nothing follows from cases",
    ),
    "a retry decided what waited in another order": (
        decide_again("calls", DUE, (1, 3, 2, 4, 5, 6, 7, 8)),
        "clock",
        "settles what waited in another order",
    ),
    "a hand-over says that a missed deadline is to be kept": (
        tell("calls", "clock-handed-over", 2, missed=False),
        "clock",
        "says missed: False",
    ),
    "a retry missed a deadline within the decision that started it": (
        plant_both(
            tell("calls", "deadline-missed", 4, holder=holder("district")),
            decide_again("calls", AT_ONCE, (1, 3, 4, 2)),
        ),
        "deadline",
        "comes before what came at 92, and its clock ran out at 92",
    ),
    "a deadline that was due before a retry was missed after it": (
        decide_again("calls", AT_ONCE, (1, 2), (3, 4)),
        "deadline",
        "follows from what came at 93, and the deadline at 90 was not missed before",
    ),
    "a retry called for a silence before it": (
        decide_again("calls", SILENT, (1, 3, 2, 4)),
        "silence",
        "comes before what came at 40, and its clock ran out at 45",
    ),
    "a retry called for a silence after the answer": (
        decide_again("calls", SILENT, (1, 2, 4, 3)),
        "silence",
        "to be answered by 45, led to nothing before",
    ),
    "a retry called for no silence": (
        decide_again("calls", SILENT, (1, 2, 4)),
        "silence",
        "follows from what came at 50",
    ),
    "an action expired in a retry before its instant": (
        decide_again("cases", VISITED, (1, 2, 4, 3, 5, 6, 7)),
        "expiry",
        "expires too early",
    ),
    "an action expired in a retry after its report": (
        decide_again("cases", VISITED, (1, 2, 3, 5, 6, 4, 7)),
        "expiry",
        "was to expire at 64, and waits at 65",
    ),
    "an action expired after the retry": (
        decide_again("cases", VISITED, (1, 2, 3, 5, 6, 7), (4,)),
        "expiry",
        "was to expire at 64, and waits at 65",
    ),
    "an action did not expire in a retry": (
        decide_again("cases", VISITED, (1, 2, 3, 5, 6, 7)),
        "expiry",
        "was to expire at 64, and waits at 65",
    ),
}

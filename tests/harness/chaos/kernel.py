"""The kernel beside its executable model, in random schedules until the time is over.

It prints what happened. It ends with 1 at the first difference or fault, and prints the seed that
repeats it: `python -m tests.harness.chaos.kernel --seed 7 --schedules 1`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from eventlog.core.row import Row
from tests.harness.kernel.events import ToyTimerEnded, toy_events
from tests.harness.kernel.schedule import run_schedule

STEPS = (40, 400)  # Of a schedule, from and to.
SHOWN = (
    "inputs", "rows", "commits", "refused commits", "crashes", "take-overs", "watermarks",
    "replays", "comparisons", "comparisons of states",
)  # fmt: skip
AT_RETRY = "timers at a retry"
EVENTS = {
    "adoptions": "ToyInForce",
    "aggregates that met one": "ToyReassigned",
    "changes of the decider": "ToyVersionInForce",
    "fired timers": "ToyTimerEnded",
    "of them within a retry": AT_RETRY,
    "parked": "CaseParked",
    "deferred inputs": "InputHeld",
    "retries that succeeded": "CaseRetried",
}


def run_campaign(seed: int, seconds: float, schedules: int | None) -> int:
    """Run schedules of ascending seeds. Return the exit code."""
    end, counts, done = time.monotonic() + seconds, Counter[str](), 0
    with toy_events():
        while time.monotonic() < end if schedules is None else done < schedules:
            chance = Random(seed + done)
            try:
                schedule = run_schedule(chance, chance.randint(*STEPS))
            except Exception as fault:
                print(f"FAIL: seed {seed + done}: {type(fault).__name__}: {fault}")
                return 1
            counts += schedule.counts
            counts[AT_RETRY] += count_fired_at_retries(schedule.model.rows)
            done += 1
    print(f"{done:>12,} schedules, seeds {seed} to {seed + done - 1}")
    for name in SHOWN:
        print(f"{counts[name]:>12,} {name}")
    for name, kind in EVENTS.items():
        print(f"{counts[kind]:>12,} {name}")
    print(f"{0:>12,} differences")
    return 0


def count_fired_at_retries(rows: Sequence[Row]) -> int:
    """Return how many timers fired within a retry. Any other timer begins a decision."""
    return sum(isinstance(row.event, ToyTimerEnded) and row.step > 1 for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schedules", type=int, help="so many instead of --seconds")
    chosen = parser.parse_args()
    return run_campaign(chosen.seed, chosen.seconds, chosen.schedules)


if __name__ == "__main__":
    sys.exit(main())

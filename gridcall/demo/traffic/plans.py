"""Plans: when people will handle a case."""

from __future__ import annotations

import random
from dataclasses import dataclass

from events.instants import Instant
from gridcall.demo.traffic.clock import HOUR, MINUTE

LONG, LONGER = 9 * HOUR, 60 * HOUR
# The shares of cases that end late and that are forgotten, for limits up to LONG, up to LONGER and
# beyond. People miss long limits less often, because they do not wait until the last day.
MISSED_SHARES = ((0.12, 0.05), (0.04, 0.015), (0.005, 0.002))


@dataclass(frozen=True, slots=True)
class Plan:
    """The start and the duration of handling a case, in seconds of the district.

    `begins` is None for a forgotten case, which waits for the answer to a call.
    """

    begins: Instant | None
    seconds: float


def plan_case(started: Instant, due: Instant, chance: random.Random) -> Plan:
    """Return a plan for a case with a deadline."""
    limit = max((due - started) / 1e6, 10 * MINUTE)
    late, forgotten = MISSED_SHARES[(limit > LONG) + (limit > LONGER)]
    luck = chance.random()
    if luck < forgotten:
        return Plan(None, chance.uniform(HOUR / 2, 3 * HOUR))
    if luck < forgotten + late:
        return Plan(started, limit + chance.uniform(HOUR / 2, 3 * HOUR))
    share_of_limit = limit * 0.9 * chance.betavariate(2, 3)
    return Plan(started, min(share_of_limit, 6 * HOUR * chance.lognormvariate(0, 0.6)))

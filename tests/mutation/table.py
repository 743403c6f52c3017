"""The table of planted faults, a chapter of rules after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.mutation import (
    adoptions,
    clocks,
    commits,
    deferrals,
    facts,
    fence,
    index,
    intake,
    merged,
    models,
    poison,
    readers,
    retries,
    states,
    versions,
    watermarks,
)
from tests.mutation.faults import History
from tests.mutation.weakening import Weakening

PLANTED_FAULTS = (
    *fence.FAULTS,
    *commits.FAULTS,
    *readers.FAULTS,
    *clocks.FAULTS,
    *watermarks.FAULTS,
    *intake.FAULTS,
    *poison.FAULTS,
    *retries.FAULTS,
    *deferrals.FAULTS,
    *index.FAULTS,
    *adoptions.FAULTS,
    *versions.FAULTS,
    *states.FAULTS,
    *merged.FAULTS,
    *facts.FAULTS,
    *models.FAULTS,
)
HEAD = "| rule | weakened | history | caught by |\n|---|---|---|---|"


async def outcomes_of(history: History, weakened: Sequence[Weakening], url: str) -> set[str]:
    """Return the outcomes of a history."""
    with pytest.MonkeyPatch.context() as patch:
        for weakening in weakened:
            if weakening.plant:
                weakening.plant(patch)
        async with history.world(patch, url) as world:
            for weakening in weakened:
                for change in weakening.sql:
                    await world.change(change)
            await history.steps(world)
            return set(await world.judge())

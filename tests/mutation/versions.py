"""Versions of events and deciders: what an older build lacks, it leaves to a newer one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventlog.codec import data_decoder, entry, row_of
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from events.catalogue import VisitMade
from events.registry import CATALOGUE, TYPE_OF, UPCASTERS, UnknownEvent, upcaster
from events.topology import DECIDER_VERSION
from routing.core.decider import Routing
from tests.harness.city import IN_0101, MAP_ADOPTED, ROSTER_SENT
from tests.harness.versions import (
    BEFORE,
    adoption_of,
    have_decider_before,
    have_two_deciders,
    registry_of_its_own,
    rename_visitor,
    two_versions_of_visits,
)
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, report, visit
from tests.mutation.memory import FailingLog, InMemory, in_memory
from tests.mutation.weakening import Weakening, method, value

VISIT = TYPE_OF[VisitMade]


class EncodedLog(FailingLog):
    """A log in memory whose rows are read from their entries, as a store gives them."""

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        rows = await super().read(shard, after, limit)
        return [row_of(self.name, shard, entry(row)) for row in rows]


@asynccontextmanager
async def older_build(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[InMemory]:
    """Begin with a build that has the decider of before alone."""
    with two_versions_of_visits():
        have_decider_before(patch)
        async with in_memory(patch, url) as world:
            world.logs = {name: EncodedLog(name) for name in world.logs}
            yield world


@asynccontextmanager
async def older_catalogue(patch: pytest.MonkeyPatch, url: str) -> AsyncIterator[InMemory]:
    """Begin with a build that knows no visits."""
    with registry_of_its_own():
        del CATALOGUE[VISIT.name]
        async with in_memory(patch, url) as world:
            world.logs = {name: EncodedLog(name) for name in world.logs}
            yield world


def install_newer_build(patch: pytest.MonkeyPatch) -> None:
    """Install a build that has both deciders, and upcasts the first version of a visit."""
    have_two_deciders(patch)
    upcaster(rename_visitor)


def install_without_upcaster(patch: pytest.MonkeyPatch) -> None:
    have_two_deciders(patch)
    UPCASTERS.clear()


def install_newest_decider_for_all(patch: pytest.MonkeyPatch) -> None:
    have_two_deciders(patch)
    upcaster(rename_visitor)
    patch.setattr("routing.stage.DECIDERS", {BEFORE: Routing, DECIDER_VERSION: Routing})


def know_visits() -> None:
    """Install a build that knows visits."""
    CATALOGUE[VISIT.name] = VISIT
    data_decoder.cache_clear()


@method(Stage, "_apply")
def pass_unknown(
    real: Callable[..., None], self: Stage[Any, Any], row: Row, event: Any, answers: Any
) -> None:
    if type(event) is UnknownEvent:
        self.input, self.read[row.log] = self.input + 1, row.position
    else:
        real(row, event, answers)


@history(older_build, "Halted")
async def a_newer_build_takes_over_at_the_adoption_of_its_decider(world: InMemory) -> None:
    await world.come(9 * S, MAP_ADOPTED, ROSTER_SENT)
    await world.come(10 * S, report("a", 99 * S, IN_0101), visit("a"))
    await world.come(11 * S, adoption_of(DECIDER_VERSION))
    await world.come(12 * S, report("b", 99 * S, IN_0101), visit("b"))
    await world.follow()
    install_newer_build(world.patch)
    await world.follow()
    await world.come(13 * S, visit("a", 2), report("c", 99 * S, IN_0101), visit("c"))
    await world.follow()


@history(older_catalogue, "Halted")
async def an_older_build_meets_an_action_that_it_does_not_know(world: InMemory) -> None:
    await world.come(10 * S, report("a", 99 * S), visit("a"), report("b", 99 * S))
    await world.follow()
    know_visits()
    await world.follow()


FAULTS = (
    PlantedFault(
        "each version is folded as the newest",
        "Every version of an event has an upcaster to the next one.",
        (
            Weakening(
                "a newer build has no upcaster for the first version of an event",
                value("tests.mutation.versions.install_newer_build", install_without_upcaster),
            ),
        ),
        a_newer_build_takes_over_at_the_adoption_of_its_decider,
        ("stands still: AssertionError", "verify", "checker: lag"),
    ),
    PlantedFault(
        "old stretches under their decider",
        "The decider version in force decides.",
        (
            Weakening(
                "a newer build has its newest decider under every version",
                value(
                    "tests.mutation.versions.install_newer_build", install_newest_decider_for_all
                ),
            ),
        ),
        a_newer_build_takes_over_at_the_adoption_of_its_decider,
        ("verify",),
    ),
    PlantedFault(
        "a lacking decider stops the shard",
        "A stage stops before the adoption of a decider version that it lacks.",
        (
            Weakening(
                "`choose_decider` returns another one",
                value(
                    "eventlog.core.stage.choose_decider",
                    lambda versions, version: versions.get(version, next(iter(versions.values()))),
                ),
            ),
        ),
        a_newer_build_takes_over_at_the_adoption_of_its_decider,
        ("verify",),
    ),
    PlantedFault(
        "an unknown input stops the shard",
        "A stage stops before an input of a type that it does not know.",
        (Weakening("`Stage._apply` passes an input of an unknown type", pass_unknown),),
        an_older_build_meets_an_action_that_it_does_not_know,
        ("verify", "checker: outcome"),
    ),
)

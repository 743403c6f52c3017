"""Inputs that wait: for their report, up to an instant, or behind a parked case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify
from typing import Any

from eventlog.core.decider import Input, Timer
from eventlog.core.row import EXPIRY, Row
from eventlog.core.stage import Stage
from events.catalogue import ACTIONS
from events.registry import CATALOGUE
from events.stored_inputs import StoredInput
from routing.core.decider import Routing
from routing.core.steps.defer import WAITING_DAYS_DEFAULT
from tests.harness.city import DAY, MAP_ADOPTED
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S, closing, reopening_of, report, retry, visit
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.poison import parked_cases_are_retried, poison_until
from tests.mutation.weakening import Weakening, method, value

WAIT = WAITING_DAYS_DEFAULT * DAY


def decode_by_shape(stored: StoredInput) -> Any:
    """Return the event of a stored input as the first class whose fields it has, and its lists as
    they are.
    """
    data = json.loads(stored.data)
    classes = [CATALOGUE[name].cls for name in sorted(CATALOGUE) if CATALOGUE[name].cls in ACTIONS]
    fitting = (cls for cls in classes if data.keys() == set(cls.__slots__))
    return next(fitting, CATALOGUE[stored.type].cls)(**data)


@method(Stage, "replay")
def forget_expiry(real: Callable[..., None], self: Stage[Any, Any], rows: Iterable[Row]) -> None:
    real(rows)
    timers: list[Timer] = self.__dict__["_timers"]
    timers[:] = [timer for timer in timers if timer.kind != EXPIRY]
    heapify(timers)


@method(Stage, "_list_missed")
def blame_the_retry(
    real: Callable[..., Iterator[Input]], self: Stage[Any, Any], retry: Input, *deferred: Any
) -> Iterator[Input]:
    for input_ in real(retry, *deferred):
        yield input_._replace(id=retry.id)


@method(Routing, "timers")
def start_no_timers(real: object, self: Routing, state: Any) -> Sequence[Timer]:
    return ()


@history(in_memory)
async def actions_wait_for_their_reports(world: InMemory) -> None:
    """A new owner finds what waits: of each case another action."""
    await world.come(10 * S, reopening_of("a"), closing("b"))
    await world.follow()
    world.owner("cases").die()
    await world.come(11 * S, report("a", 99 * S), report("b", 99 * S))
    await world.follow()


@history(in_memory)
async def reports_come_too_late_or_never(world: InMemory) -> None:
    await world.come(10 * S, visit("a", 1), visit("never"))
    await world.come(20 * S, visit("a", 2))
    await world.follow()
    world.owner("cases").die()
    await world.come(15 * S + WAIT, report("a"))
    await world.announce(30 * S + WAIT)
    await world.follow()


@history(in_memory)
async def a_parked_case_is_retried_by_a_new_owner(world: InMemory) -> None:
    poison_until(world.patch, Routing, "bad", "map_digest")
    await world.come(10 * S, report("bad", 99 * S), reopening_of("bad"), visit("bad"))
    await world.follow()
    world.owner("cases").die()
    await world.come(11 * S, MAP_ADOPTED, retry("bad", "cases"))
    await world.follow()


FAULTS = (
    PlantedFault(
        "what waits is decoded by its type",
        "A stored input is decoded by its type.",
        (
            Weakening(
                "`event_of` takes the first class that has its fields",
                value("routing.core.steps.defer.event_of", decode_by_shape),
            ),
        ),
        actions_wait_for_their_reports,
        ("checker: outcome",),
    ),
    PlantedFault(
        "what is parked is decoded by its type",
        "A stored input is decoded by its type, also behind a parked case.",
        (
            Weakening(
                "`Input.from_stored` takes the first class that has its fields",
                value("eventlog.core.decider.original_of", decode_by_shape),
            ),
        ),
        a_parked_case_is_retried_by_a_new_owner,
        ("checker: outcome",),
    ),
    PlantedFault(
        "a new owner finds the timers of expiry",
        "A new owner lets expire what waited before it came.",
        (Weakening("`Stage.replay` forgets timers of expiry", forget_expiry),),
        reports_come_too_late_or_never,
        ("verify", "checker: expiry"),
    ),
    PlantedFault(
        "what waits expires",
        "An action that waits for its report expires.",
        (Weakening("`Routing.timers` starts no timer", start_no_timers),),
        reports_come_too_late_or_never,
        ("checker: expiry",),
    ),
    PlantedFault(
        "what is decided late has its own cause",
        "A row that decides an input late names that input as its cause.",
        (Weakening("`Stage._list_missed` gives them the id of the retry", blame_the_retry),),
        parked_cases_are_retried,
        ("checker: outcome",),
    ),
)

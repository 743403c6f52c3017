"""The index is the union of the keys of all aggregates, whatever happened to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from eventlog.core.aggregates import Aggregate, Aggregates, Changes
from eventlog.core.decider import Decider, Key, Timer
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from tests.harness.city import IN_0101, MAP_ADOPTED, ROSTER_SENT
from tests.harness.kernel.shard import adopt_level, close, move, note, report, retry
from tests.harness.kernel.toy import NEW
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import S
from tests.mutation.inputs import report as report_issue
from tests.mutation.memory import InMemory, in_memory
from tests.mutation.toy import ToyWorld, in_toytown
from tests.mutation.weakening import Weakening, method

ROWS, INDEX = "model: rows", "model: index"


def without_index(work: Callable[[], Any], aggregates: Aggregates[Any, Any]) -> Any:
    """Do some work, in which the index stays as it is."""
    aggregates._set_keys = lambda *_: None  # type: ignore[method-assign]
    try:
        return work()
    finally:
        del aggregates._set_keys


@method(Stage, "replay")
def replay_without_index(
    real: Callable[..., None], self: Stage[Any, Any], rows: Iterable[Row]
) -> None:
    without_index(lambda: real(rows), self.aggregates)


@method(Aggregates, "undo")
def undo_without_index(
    real: Callable[..., None], self: Aggregates[Any, Any], changes: Changes
) -> None:
    without_index(lambda: real(changes), self)


@method(Aggregates, "_set_keys")
def add_keys_only(
    real: Callable[..., None],
    self: Aggregates[Any, Any],
    name: str,
    aggregate: Aggregate[Any],
    keys: Sequence[Key],
) -> None:
    real(name, aggregate, [*aggregate.keys, *keys])


@method(Aggregates, "fold_by")
def fold_later_events_by(
    real: Callable[..., Any], self: Aggregates[Any, Any], decider: Decider[Any, Any]
) -> Sequence[Timer]:
    self.decider = decider
    return ()


@history(in_memory)
async def a_new_owner_adopts_a_map(world: InMemory) -> None:
    """Report a case without a map. The owner dies, and the map moves the case to its grid."""
    await world.come(10 * S, report_issue("a", 99 * S, IN_0101))
    await world.follow()
    world.owner("cases").die()
    await world.come(11 * S, MAP_ADOPTED, ROSTER_SENT)
    await world.follow()


@history(in_toytown)
async def a_new_owner_gets_a_report_of_a_known_matter(world: ToyWorld) -> None:
    world.come(10, report(1, "noise"), report(2, "smell"))
    world.die()
    world.come(11, report(3, "noise"))


@history(in_toytown)
async def a_report_comes_after_its_matter_was_closed_and_moved(world: ToyWorld) -> None:
    world.come(10, report(1, "noise"), report(2, "smell"))
    world.come(11, close(1), move(2, "rubbish"))
    world.come(12, report(3, "noise"), report(4, "smell"))


@history(in_toytown)
async def a_retry_fails_after_it_moved_its_case(world: ToyWorld) -> None:
    world.come(10, report(1, "noise"), note(1, poison="decide", cure=1))
    world.come(11, move(1, "smell"), note(1, poison="decide", cure=9))
    world.come(12, adopt_level(1, "nowhere"), retry("c1"))
    world.come(13, report(2, "smell"), report(3, "noise"))


@history(in_toytown)
async def another_decider_knows_other_keys(world: ToyWorld) -> None:
    world.come(10, report(1, "noise"), report(2, "smell"))
    world.come(11, adopt_level(1, "nowhere", version=NEW))
    world.come(12, note(1))


FAULTS = (
    PlantedFault(
        "index folded on replay, for an adoption",
        "A new owner finds the cases that reference data concern.",
        (Weakening("`Stage.replay` does not fold the index", replay_without_index),),
        a_new_owner_adopts_a_map,
        ("verify",),
    ),
    PlantedFault(
        "index folded on replay",
        "A new owner's index is the fold of its whole log.",
        (Weakening("`Stage.replay` does not fold the index", replay_without_index),),
        a_new_owner_gets_a_report_of_a_known_matter,
        (ROWS, INDEX),
    ),
    PlantedFault(
        "keys leave the index",
        "The keys of a closed case are not in the index, nor those that it had before.",
        (Weakening("`Aggregates._set_keys` only adds", add_keys_only),),
        a_report_comes_after_its_matter_was_closed_and_moved,
        (ROWS, INDEX),
    ),
    PlantedFault(
        "undo takes back the index",
        "A retry that fails leaves no key in the index.",
        (Weakening("`Aggregates.undo` leaves the index", undo_without_index),),
        a_retry_fails_after_it_moved_its_case,
        (ROWS, INDEX),
    ),
    PlantedFault(
        "another decider's keys",
        "Another decider gives the keys of all cases, not only of those that change later.",
        (Weakening("`Aggregates.fold_by` folds later events only", fold_later_events_by),),
        another_decider_knows_other_keys,
        (ROWS, INDEX),
    ),
)

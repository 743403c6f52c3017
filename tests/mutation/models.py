"""The fence of a commit of the screen, in a statement of several models."""

from __future__ import annotations

import asyncio

from screen.core.case_file import LOGS, Tally
from screen.core.fold import Fold
from screen.store import ModelStore, StoredModel, commits
from tests.mutation.faults import PlantedFault, history
from tests.mutation.inputs import CITY
from tests.mutation.postgres import OnPostgres, on_postgres
from tests.mutation.weakening import Weakening, value

OTHER = "other"


def change_commit(how: str, says: str, instead: str) -> Weakening:
    """Return a change of the statement that commits."""
    assert says in commits.COMMIT
    other = commits.COMMIT.replace(says, instead)
    return Weakening(how, value("screen.store.commits.COMMIT", other))


NO_STEP = change_commit("the screen's `COMMIT` without `step`", "m.step = call.step", "true")
ANY_STEP = change_commit(
    "the screen's `COMMIT` stores the counts of all of its models, if any fence holds",
    "SELECT k.*, fence.step FROM fence JOIN {tally} AS k (model) ON k.model = fence.id",
    "SELECT k.*, 1 FROM {tally} AS k (model) WHERE EXISTS (SELECT FROM fence)",
)


async def begin(store: ModelStore, district: str) -> StoredModel:
    """Begin a model, and take the lease on it."""
    await store.build(district, 1, dict.fromkeys(LOGS, 1))
    (model,) = await store.models(district)
    assert await store.lease(model.id)
    return model


async def count_of(world: OnPostgres, model: StoredModel) -> int:
    """Return the count that a model has."""
    records = await world.connection.fetch(
        "SELECT accepted FROM screen.tally WHERE model = $1", model.id
    )
    return sum(each["accepted"] for each in records)


@history(on_postgres)
async def an_overtaken_model_and_another_one_share_a_statement(world: OnPostgres) -> None:
    store = ModelStore(world.connection, "a")
    overtaken, other = [await begin(store, each) for each in (CITY, OTHER)]
    fold = Fold({}, {})
    fold.tallies[Tally("line", "hotline", "accepted")] = 1
    await store.commit(overtaken, fold)
    again, first = await asyncio.gather(
        *(store.commit(each, fold) for each in (overtaken, other)), return_exceptions=True
    )
    if again is None or await count_of(world, overtaken) > 1:
        world.notice("a row was counted twice")
    if first is not None or await count_of(world, other) != 1:
        world.notice("another district lost its commit")
    await world.connection.fetch("TRUNCATE screen.model, screen.progress, screen.tally")


FAULTS = (
    PlantedFault(
        "a step in the fence of a model",
        "A commit of the screen names the commits of its model before it.",
        (NO_STEP,),
        an_overtaken_model_and_another_one_share_a_statement,
        ("a row was counted twice",),
    ),
    PlantedFault(
        "an overtaken model's rows",
        "Rows are stored for the models alone whose fence moved.",
        (ANY_STEP,),
        an_overtaken_model_and_another_one_share_a_statement,
        ("a row was counted twice",),
    ),
)

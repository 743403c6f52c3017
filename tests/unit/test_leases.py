"""The leases of shards: renewed together, and nobody who lost one goes on waiting."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from eventlog.leases import SharedLeases
from eventlog.notifier import Notifier
from events.errors import Unavailable

SHARDS = [f"district-{number}" for number in range(9)]


class Leases:
    """A log that renews the leases of its own shards."""

    def __init__(self) -> None:
        self.own = set(SHARDS)
        self.is_lost = False
        self.renewed: list[set[str]] = []

    async def renew_all(self, shards: Collection[str]) -> Collection[str]:
        if self.is_lost:
            raise Unavailable("no database")
        self.renewed.append(set(shards))
        return self.own.intersection(shards)


async def test_one_statement_renews_the_shards_that_are_followed_then() -> None:
    log, notifier = Leases(), Notifier()
    leases = SharedLeases(log, notifier)
    await leases.renew()
    with leases.renew_meanwhile("a", "intake"), leases.renew_meanwhile("b", "intake"):
        await leases.renew()
    await leases.renew()
    assert log.renewed == [{"a", "b"}], "nothing is asked for nobody"


@pytest.mark.parametrize("seed", range(20))
async def test_who_lost_its_lease_is_woken_and_nobody_else(seed: int) -> None:
    """A random schedule of shards that are followed, of lost leases and of lost databases."""
    chance, log, notifier = random.Random(seed), Leases(), Notifier()
    leases = SharedLeases(log, notifier)
    for _ in range(30):
        followed = chance.sample(SHARDS, chance.randint(0, len(SHARDS)))
        log.own, log.is_lost = set(chance.sample(SHARDS, 6)), chance.random() < 0.2
        before = {shard: notifier.count("intake", shard) for shard in SHARDS}
        contexts = [leases.renew_meanwhile(shard, "intake") for shard in followed]
        for context in contexts:
            context.__enter__()
        await leases.renew()
        for context in contexts:
            context.__exit__(None, None, None)
        woken = {shard for shard in SHARDS if notifier.count("intake", shard) > before[shard]}
        assert woken == {shard for shard in followed if log.is_lost or shard not in log.own}

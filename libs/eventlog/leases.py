"""Renews the leases of shards together: one statement a second for all of a service.

A shard is followed from its replay until its supervisor gives it up. What a supervisor commits and
announces renews its lease, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from eventlog.notifier import Notifier
from events.errors import GridcallError

RENEW_SECONDS = 1.0  # A lease lasts three times as long.


class LeasedLog(Protocol):
    """A log whose leases are renewed together."""

    async def renew_all(self, shards: Collection[str]) -> Collection[str]:
        """Stay the owner of several shards. Returns those whose leases are renewed."""


class SharedLeases:
    """The leases of the shards that a service follows.

    A shard whose lease was not renewed is woken. Its supervisor looks by itself, and finds why:
    another owner, a cut log, or a lost database.
    """

    def __init__(self, sink: LeasedLog, notifier: Notifier) -> None:
        self._sink = sink
        self._notifier = notifier
        self._followed: dict[str, str] = {}  # The log that each shard waits for.

    @contextmanager
    def renew_meanwhile(self, shard: str, log: str) -> Iterator[None]:
        """Have the lease of a shard renewed while its supervisor follows a log."""
        self._followed[shard] = log
        try:
            yield
        finally:
            del self._followed[shard]

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew the leases of the shards that are followed now, and wake those that lost theirs."""
        followed, renewed = dict(self._followed), set[str]()
        with suppress(GridcallError):
            renewed.update(await self._sink.renew_all(followed) if followed else ())
        for shard in followed.keys() - renewed:
            self._notifier.notify(followed[shard], shard)

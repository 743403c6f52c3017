"""Renews the leases of quiet shards together: one statement a second for all of a service.

A shard is quiet while its supervisor waits for rows or for time. Whatever the supervisor does
itself renews its lease, too.
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


class QuietLeases:
    """The leases of the quiet shards of a service.

    A shard whose lease was not renewed is woken. Its supervisor looks by itself, and finds why:
    another owner, a cut log, or a lost database.
    """

    def __init__(self, sink: LeasedLog, notifier: Notifier) -> None:
        self._sink = sink
        self._notifier = notifier
        self._quiet: dict[str, str] = {}  # The log that each shard waits for.

    @contextmanager
    def renew_meanwhile(self, shard: str, log: str) -> Iterator[None]:
        """Have the lease of a shard renewed while its supervisor waits for a log."""
        self._quiet[shard] = log
        try:
            yield
        finally:
            del self._quiet[shard]

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()

    async def renew(self) -> None:
        """Renew the leases of the shards that are quiet now, and wake those that lost theirs."""
        quiet, renewed = dict(self._quiet), set[str]()
        with suppress(GridcallError):
            renewed.update(await self._sink.renew_all(quiet) if quiet else ())
        for shard in quiet.keys() - renewed:
            self._notifier.notify(quiet[shard], shard)

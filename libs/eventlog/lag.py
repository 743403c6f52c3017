"""Lag of a process: rows to publish, rows to apply, records to accept. Nothing waits for it.

A lag that lasts is logged once, and once more when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from eventlog.host import ServiceHost
from eventlog.postgres.outbox import count_unpublished
from events.errors import GridcallError

LOOK_SECONDS = 5.0
ALARM_SECONDS = 30.0  # A service that is started again needs less than this.

Lag = dict[str, dict[str, int]]

log = logging.getLogger("gridcall")


async def lag_of(host: ServiceHost) -> Lag:
    """Return the lag by kind and place. Raises Unavailable.

    `unpublished` and `unread` are rows by log and shard; `inbound` is records by partition.
    """
    lag: Lag = {"unpublished": {}, "unread": {}, "inbound": {}}
    for (name, shard), relay in host.relays.items():
        lag["unpublished"][f"{name}/{shard}"] = await count_unpublished(relay.source, shard)
    for service in host.services:
        lag["unread"] |= await service.unread()
        lag["inbound"] |= service.inbound()
    return lag


class LagAlarm:
    """Finds places that are behind for ALARM_SECONDS, and says so once."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._reported: set[str] = set()

    def messages(self, lag: Lag, now: float) -> list[str]:
        """Return what to log about a lag at an instant in seconds."""
        behind = {
            f"{kind}: {place}": rows
            for kind, places in lag.items()
            for place, rows in places.items()
            if rows
        }
        late = [place for place in behind if self._is_late(place, now)]
        self._reported.update(late)
        return [
            *(
                f"{place} is behind for {ALARM_SECONDS:.0f} s, by {behind[place]:,} now; "
                "/lag of this service shows it"
                for place in late
            ),
            *(f"{place} has caught up" for place in self._forget(behind)),
        ]

    def _is_late(self, place: str, now: float) -> bool:
        since = self._since.setdefault(place, now)
        return now - since >= ALARM_SECONDS and place not in self._reported

    def _forget(self, behind: dict[str, int]) -> list[str]:
        """Forget places that have caught up. Return those that were reported."""
        recovered = self._since.keys() - behind.keys()
        for place in recovered:
            del self._since[place]
        reported = sorted(recovered & self._reported)
        self._reported -= recovered
        return reported


async def watch_lag(host: ServiceHost) -> None:
    """Log what stays behind, until cancelled."""
    alarm = LagAlarm()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        with suppress(GridcallError):  # An unavailable peer is logged where it is needed.
            for message in alarm.messages(await lag_of(host), monotonic()):
                log.warning("%s", message)

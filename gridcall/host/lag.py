"""How far a service is behind: with rows to publish, with input to apply, with records to accept.

Nothing waits for it. What stays behind for a while is told, once, and again when it has caught up.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from eventlog.kafka.relay import unpublished
from events.errors import GridcallError
from gridcall.host.host import ServiceHost

LOOK_SECONDS = 5.0
ALARM_SECONDS = 30.0  # So long something may be behind: a service that is started again needs less.

Lag = dict[str, dict[str, int]]

log = logging.getLogger("gridcall")


async def lag_of(system: ServiceHost) -> Lag:
    """Rows that wait to be published, and rows of its input that a stage has not applied, by log and district; records that
    wait to be accepted, by partition of a line's topic that this process reads. Raises Unavailable.
    """
    waits = {
        f"{name}/{district}": await unpublished(each.source, district)
        for (name, district), each in system.relays.items()
    }
    unread: dict[str, int] = {}
    for (_, district), keeper in system.keepers.items():
        for name, position in (keeper.runner.read if keeper.runner else {}).items():
            head = (await system.writer(name).watermark(district)).position
            unread[f"{name}/{district}"] = max(0, head - position)
    arrived = {
        f"{each.topic}/{number}": lag
        for each in system.inbound.values()
        for number, lag in each.lag.items()
    }
    return {"unpublished": waits, "unread": unread, "inbound": arrived}


class Alarm:
    """Tells what has been behind for ALARM_SECONDS."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def hear(self, lag: Lag, now: float) -> list[str]:
        """What is to be said about this lag, at this instant in seconds."""
        said = []
        behind = {
            f"{what}: {where}": rows
            for what, found in lag.items()
            for where, rows in found.items()
            if rows
        }
        for where, rows in behind.items():
            if (
                now - self._since.setdefault(where, now) >= ALARM_SECONDS
                and where not in self._told
            ):
                self._told.add(where)
                said.append(
                    f"{where} is behind for {ALARM_SECONDS:.0f} s, by {rows:,} now; /lag of this service shows it"
                )
        for where in self._since.keys() - behind.keys():
            del self._since[where]
            if where in self._told:
                self._told.discard(where)
                said.append(f"{where} has caught up")
        return said


async def watch(system: ServiceHost) -> None:
    """Look, and tell, until cancelled."""
    alarm = Alarm()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        with suppress(GridcallError):  # Whoever is away is told of by those who need it.
            for said in alarm.hear(await lag_of(system), monotonic()):
                log.warning("%s", said)

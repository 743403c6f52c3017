"""A service with a stage: it follows logs and writes its own, with a supervisor for each shard."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from eventlog.condition import Condition, Replay, with_process
from eventlog.core.log import Source
from eventlog.host import HostedService, ServiceHost
from eventlog.leases import SharedLeases
from eventlog.postgres.inspection import Tables, inspect_service
from eventlog.postgres.survey import Head, Survey
from eventlog.readiness import Obstacle, reasons
from eventlog.supervisor import Processor, ShardSupervisor
from events.instants import Instant
from events.registry import Parking
from httpedge.telemetry import NOT_STORED, PARKED

LATE_SECONDS = 30.0  # A stage that is started again needs less than this.


class ProcessorFactory(Protocol):
    """The logs that a stage reads and writes, and a processor for a shard."""

    @property
    def sources(self) -> Sequence[str]:
        """Return the logs to read."""

    @property
    def sink(self) -> str:
        """Return the log to write."""

    def processor(self, shard: str, logs: Mapping[str, Any]) -> Processor:
        """Return a fresh processor of a shard."""


class StageService(HostedService):
    """A service that follows logs and writes its own, with a supervisor for each shard.

    `tables` are those that it needs. `parking` has the events about parked subjects, if it has any.
    """

    def __init__(
        self,
        host: ServiceHost,
        stages: ProcessorFactory,
        tables: Tables,
        parking: Parking | None = None,
    ) -> None:
        self.sink = host.own_log(stages.sink)
        super().__init__(host, self.sink.schema)
        self._tables = tables
        self._parking = parking
        self._survey = Survey(self.sink.name, self.name, host.database)
        self.supervisors: dict[str, ShardSupervisor] = {}
        self._stages = stages
        self._leases = SharedLeases(self.sink, host.notifier)
        sources = {name: host.source(name) for name in stages.sources}
        self._logs: dict[str, Source] = {**sources, stages.sink: self.sink}

    def start(self) -> None:
        self.host.start(self._leases.run())

    def begin(self, shard: str) -> None:
        make = partial(self._stages.processor, shard, self._logs)
        outages = self.host.outages(self.sink.schema)
        supervisor = ShardSupervisor(
            shard, self.sink, self.host.notifier, make, self._leases, outages
        )
        self.supervisors[shard] = supervisor
        self.host.start(supervisor.run())

    async def unread(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for shard, supervisor in self.supervisors.items():
            for name, position in (supervisor.runner.read if supervisor.runner else {}).items():
                head = (await self.host.writer(name).watermark(shard)).position
                counts[f"{name}/{shard}"] = max(0, head - position)
        return counts

    async def condition(self, *, with_parked: bool = True) -> Condition:
        condition = await inspect_service(
            self.host.database,
            self.name,
            self.sink.name,
            self._tables,
            parking=self._parking if with_parked else None,
        )
        reads = {
            shard: sum(supervisor.runner.read.values())
            for shard, supervisor in self.supervisors.items()
            if supervisor.runner
        }
        halted = {shard: each.halted_because for shard, each in self.supervisors.items()}
        return with_process(condition, reads, halted, self.replays())

    async def obstacles(self, *, named: bool = False) -> list[str]:
        heads = {head.shard: head for head in await self._survey.heads()}
        obstacles = [
            Obstacle(f"{self.sink.name}/{shard}", what)
            for shard, supervisor in self.supervisors.items()
            if (what := await self._obstacle(supervisor, heads.get(shard)))
        ]
        return reasons(self.name, len(self.supervisors), obstacles, self.replays(), named=named)

    async def _obstacle(self, supervisor: ShardSupervisor, head: Head | None) -> str:
        """Return why nothing is decided in a shard now, replays aside; empty if it is.

        A shard that another process owns is no obstacle: this one is ready to take it over.
        """
        if supervisor.halted_because:
            return "halted"
        if supervisor.is_standby or supervisor.replay:
            return ""
        if head is None or supervisor.runner is None:
            return "not taken over"
        return "behind in time" if await self._is_late(supervisor.runner, head) else ""

    def due_shards(self, now: Instant) -> Collection[str]:
        return [shard for shard, each in self.supervisors.items() if is_due(each, now)]

    def awaits_time(self, shard: str, now: Instant) -> bool:
        return shard in self.supervisors and is_due(self.supervisors[shard], now)

    def replays(self) -> list[Replay]:
        return [each.replay for each in self.supervisors.values() if each.replay]

    async def _is_late(self, processor: Processor, head: Head) -> bool:
        """Tell if time has passed for the inputs of a shard and not for the shard.

        Their logs are only read if the shard is not at the present.
        """
        late_us = LATE_SECONDS * 1e6 * self.host.speed
        if time.time_ns() / 1000 - head.time < late_us:
            return False
        return await processor.order.time(head.shard) - head.time >= late_us

    async def measure(self) -> None:
        for shard, supervisor in self.supervisors.items():
            if runner := supervisor.runner:
                PARKED.labels(self.sink.name, shard).set(runner.parked)
                NOT_STORED.labels(self.sink.name, shard).set(runner.rows_after_checkpoint)


def is_due(supervisor: ShardSupervisor, now: Instant) -> bool:
    """Tell if the next timer of a shard that this process owns is due."""
    due = supervisor.runner.next_due if supervisor.runner else None
    return due is not None and due < now

"""Intake's log with the stages behind it, in memory, and the outcomes that senders learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from escalation.core.decider import Escalation
from eventlog.codec import envelope, read_envelope
from eventlog.core.decider import REFERENCE, Input, TimerFired
from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.core.stage import Stage
from eventlog.input_order import SingleOrder
from eventlog.notifier import Notifier
from eventlog.runner import Runner
from events import catalogue as e
from intake.outcomes import Outcomes
from intake.results import Outcome, outcome_of
from routing.core.decider import Routing
from tests.harness.city import DAY, LIBRARY, MAP_ADOPTED


class UnreadyRouting(Routing):
    """Cannot decide a case before a map is adopted: a fault that goes away."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if not view.reference.map_digest and not isinstance(input_.event, TimerFired):
            raise KeyError("map")
        return super().decide(input_, view)


class UnreadyEscalation(Escalation):
    """Cannot decide about calls before policies are adopted."""

    def decide(self, input_: Input, view: Any) -> Sequence[Any]:
        if view.reference.policies is None and isinstance(input_.event, e.AnswerPassedOn):
            raise KeyError("policies")
        return super().decide(input_, view)


class EncodedLog(MemoryLog):
    """A log whose readers get each row as it was written: in bytes."""

    async def read(self, shard: str, after: int, limit: int) -> Sequence[Row]:
        rows = await super().read(shard, after, limit)
        return [read_envelope(envelope(row)) for row in rows]


class System:
    """Intake's log with the stages behind it, in memory. With `takes_over`, a new owner replays the
    logs before each input.
    """

    takes_over = False

    def __init__(self, routing: type[Routing] = Routing) -> None:
        self.intake, self.cases, self.calls = map(EncodedLog, ("intake", "cases", "calls"))
        self.routing = routing("city", LIBRARY)
        self.runners = self.new_owners()
        self.outcomes = Outcomes(self.cases, self.calls, Notifier())

    def new_owners(self) -> list[Runner[Any, Any]]:
        routing: Stage[Any, Any] = Stage(self.routing, "city")
        escalation: Stage[Any, Any] = Stage(UnreadyEscalation(), "city")
        return [
            Runner(routing, SingleOrder(self.intake), self.cases, 100),
            Runner(escalation, SingleOrder(self.cases), self.calls, 100),
        ]

    async def come(self, *events: Any, at: int = DAY) -> list[int]:
        """Let inputs come, all at one instant; return their positions."""
        positions = []
        for event in events:
            subject = REFERENCE if isinstance(event, e.ReferenceAdopted) else "x"
            (row,) = await self.intake.append("city", [Draft(at, subject, event)])
            positions.append(row.position)
            if self.takes_over:
                await self.follow()
        await self.follow()
        return positions

    async def follow(self) -> None:
        if self.takes_over:
            self.runners = self.new_owners()
        for runner in self.runners:
            await runner.replay()
            await runner.catch_up()

    async def advance_time(self, watermark: int) -> None:
        """Let time pass without an input."""
        await self.intake.announce("city", watermark)
        await self.follow()

    async def outcome(self, position: int) -> Outcome:
        outcome = outcome_of(await self.outcomes.find("city", position))
        assert outcome is not None
        return outcome

    async def short(self, position: int) -> tuple[bool, str | None, list[str]]:
        """Return an outcome in short: if it was declined, why, and the types of its events."""
        outcome = await self.outcome(position)
        types = [each.type.split(".")[1] for each in outcome.events]
        return outcome.declined, outcome.because, types


async def city() -> System:
    """Return a system that has a map."""
    system = System()
    await system.come(MAP_ADOPTED)
    return system

"""Logs a condition once, however often it is met: when it begins, when it changes, when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple, Protocol

from events.errors import Unavailable

SETTLE_SECONDS = 3.0  # Longer than any pause before a next try.


class Condition(NamedTuple):
    """A condition that lasts: its sentence, and when it began."""

    sentence: str
    since: float


class LogOnce:
    """The log lines of one component. `about` names a condition; it has one sentence at a time.

    `fields` go with each line: `service` and `district`.
    """

    def __init__(
        self, logger: logging.Logger, clock: Callable[[], float] = monotonic, **fields: str
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._fields = fields
        self._conditions: dict[str, Condition] = {}

    def warning(self, sentence: str, about: str = "") -> None:
        """Log a condition that goes away by itself."""
        self._log(logging.WARNING, sentence, about)

    def error(self, sentence: str, about: str = "") -> None:
        """Log a condition that an operator must end."""
        self._log(logging.ERROR, sentence, about)

    def clear(self, about: str | None = None) -> None:
        """Log that a condition is over; without `about`, that all of them are."""
        for name in [*self._conditions] if about is None else [about]:
            if condition := self._conditions.pop(name, None):
                seconds = self._clock() - condition.since
                sentence = f"over after {seconds:.0f} s: {condition.sentence}"
                self._logger.info("%s", sentence, extra=self._fields)

    def _log(self, level: int, sentence: str, about: str) -> None:
        known = self._conditions.get(about)
        if known is None or known.sentence != sentence:
            since = known.since if known else self._clock()
            self._conditions[about] = Condition(sentence, since)
            self._logger.log(level, "%s", sentence, extra=self._fields)


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Do not make the call."""


def call_later(seconds: float, work: Callable[[], None]) -> Timer:
    """Call a function of this event loop later."""
    return asyncio.get_running_loop().call_later(seconds, work)


@dataclass(slots=True)
class Outage:
    """An outage of one neighbour: the tasks that met it, and the line about its end to come."""

    since: float
    tasks: set[str] = field(default_factory=set)
    ending: Timer | None = None


class Outages:
    """The outages that the tasks of one service meet: one line at the start, one at the end.

    A neighbour is available again when every task went through, and stays so for SETTLE_SECONDS.
    Tasks meet an outage one after the other, and each would log lines of its own.
    """

    def __init__(
        self,
        logger: logging.Logger,
        service: str,
        clock: Callable[[], float] = monotonic,
        later: Callable[[float, Callable[[], None]], Timer] = call_later,
    ) -> None:
        self._logger = logger
        self.service = service
        self._fields = {"service": service}
        self._clock = clock
        self._later = later
        self._outages: dict[str, Outage] = {}

    @property
    def neighbours(self) -> set[str]:
        """The neighbours that are unavailable now."""
        return {about for about, outage in self._outages.items() if outage.tasks}

    def begin(self, task: str, fault: Unavailable) -> None:
        """Note that a task met a neighbour that is unavailable."""
        outage = self._outages.get(fault.about)
        if outage is None:
            outage = self._outages[fault.about] = Outage(self._clock())
            sentence = f"{fault.about} is unavailable, retrying: {fault}"
            self._logger.warning("%s", sentence, extra=self._fields)
        outage.tasks.add(task)
        if outage.ending:
            outage.ending.cancel()
            outage.ending = None

    def end(self, task: str) -> None:
        """Note that a task went through, whatever it had met."""
        for about, outage in self._outages.items():
            if task in outage.tasks:
                outage.tasks.remove(task)
                if not outage.tasks:
                    outage.ending = self._settle(about, self._clock() - outage.since)

    def _settle(self, about: str, seconds: float) -> Timer:
        def log_end() -> None:
            del self._outages[about]
            sentence = f"{about} is available again after {seconds:.0f} s"
            self._logger.info("%s", sentence, extra=self._fields)

        return self._later(SETTLE_SECONDS, log_end)

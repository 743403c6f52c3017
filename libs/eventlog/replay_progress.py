"""The progress of the replays of a process, as long as some last: on its log, or on a terminal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import monotonic

from eventlog.condition import Replay
from eventlog.host import ServiceHost

LOOK_SECONDS = 0.5
LOG_SECONDS = 10.0  # A shorter replay is not logged.
NAMED_MAX = 4

Show = Callable[[Sequence[Replay]], None]

log = logging.getLogger("gridcall")


def describe_replays(replays: Sequence[Replay]) -> str:
    """Return one line about some replays, the longest logs first. Of many a few are named."""
    longest = sorted(replays, key=lambda replay: -replay.rows)[:NAMED_MAX]
    named = ", ".join(f"{replay.name} {replay.percent} %" for replay in longest)
    more = len(replays) - len(longest)
    return f"replaying: {named}, and {more:,} more" if more else f"replaying: {named}"


class ReplayLog:
    """Says every LOG_SECONDS how far the replays are, and that the last one ended."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._spoke = 0.0

    def messages(self, replays: Sequence[Replay], now: float) -> list[str]:
        """Return what to log at an instant in seconds."""
        if not replays:
            began, self._began = self._began, None
            if began is None or self._spoke == began:
                return []
            return [f"replayed all districts in {now - began:.0f} s"]
        if self._began is None:
            self._began = self._spoke = now
        if now - self._spoke < LOG_SECONDS:
            return []
        self._spoke = now
        return [describe_replays(replays)]


def log_replays() -> Show:
    """Return a function that logs the progress of replays which last."""
    messages = ReplayLog().messages

    def show(replays: Sequence[Replay]) -> None:
        for message in messages(replays, monotonic()):
            log.info("%s", message)

    return show


async def watch_replays(host: ServiceHost, show: Show) -> None:
    """Show the replays of a process again and again, until cancelled."""
    while True:
        show(host.replays())
        await asyncio.sleep(LOOK_SECONDS)

"""Ctrl-C while the story is told: it is heard at once, and obeyed where the story waits.

As an exception it could come between the start of a server and the note that it runs, or into code that swallows it.
"""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 0.1

_heard = False


def defer_signals() -> None:
    """From now on these signals are heard, and do nothing else."""
    for number in SIGNALS:
        signal.signal(number, _hear)


def _hear(number: int, frame: FrameType | None) -> None:
    global _heard
    _heard = True


def is_interrupted() -> bool:
    """Whether one of them came."""
    return _heard


def pause(seconds: float = LOOK_SECONDS) -> None:
    """Wait. Raises KeyboardInterrupt where it was asked for before or meanwhile."""
    until = time.monotonic() + seconds
    while not _heard and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_SECONDS))
    if _heard:
        raise KeyboardInterrupt

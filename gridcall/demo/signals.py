"""Ctrl-C during the walk-through: noticed at once, obeyed when the walk-through waits.

An exception could arrive between the start of a server and the note that it runs, or inside code
that swallows it.
"""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.1

_interrupted = False


def defer_signals() -> None:
    """From now on only note these signals."""
    for number in SIGNALS:
        signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True


def is_interrupted() -> bool:
    """Return True after one of the signals."""
    return _interrupted


def pause(seconds: float = POLL_SECONDS) -> None:
    """Wait. Raises KeyboardInterrupt if a signal has arrived before or meanwhile."""
    end = time.monotonic() + seconds
    while not _interrupted and (remaining := end - time.monotonic()) > 0:
        time.sleep(min(remaining, POLL_SECONDS))
    if _interrupted:
        raise KeyboardInterrupt

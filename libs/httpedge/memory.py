"""The memory of a server: garbage is collected when there is some, and goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import time

# Of glibc's mallopt: what a body takes goes back to the system at once. By default its limits grow
# with what is freed, and then bodies are put among smaller things that stay. What a socket reads
# at once is below them, or every read would ask the system for pages. Threads share few arenas.
MALLOC_OPTIONS = {
    "M_TRIM_THRESHOLD": (-1, 2**20),
    "M_MMAP_THRESHOLD": (-3, 2**20),
    "M_ARENA_MAX": (-8, 2),
}
ENDED_MIN = 200  # Connections. A stream that is cut leaves 500 objects in cycles.
COLLECT_SECONDS = 30.0
PAUSE_SECONDS_MAX = 0.05


class Collector:
    """Looks at all objects once many connections have ended, but never often.

    A connection leaves no cycle, but a stream that a client cuts does: cancelled tasks keep their
    exceptions. What makes a look long is the state of the services, which lasts: it is then left
    out of the next looks.
    """

    def __init__(self, now: float) -> None:
        self._ended = 0
        self._collected_at = now

    def sweep(self, ended: int, now: float) -> None:
        """Collect garbage if it is time. `ended` is the number of connections so far."""
        if ended - self._ended < ENDED_MIN or now - self._collected_at < COLLECT_SECONDS:
            return
        self._ended, self._collected_at = ended, now
        started = time.monotonic()
        gc.collect()
        if time.monotonic() - started > PAUSE_SECONDS_MAX:
            gc.freeze()


def collect_seldom() -> None:
    """Make the garbage collector look seldom, because a long-lived state makes its pauses long.

    Hardly anything here makes cycles. What was imported stays for ever, and is left out. Young
    objects are looked at often and therefore in small numbers. 30,000 at once take 4 to 7 ms, and
    9,000 take 1 to 2. A `Collector` looks at all of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(3_000, 2, 3_000)


def return_memory() -> None:
    """Make the allocator give freed memory back to the system soon, where it is glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in MALLOC_OPTIONS.values():
            mallopt(option, size)

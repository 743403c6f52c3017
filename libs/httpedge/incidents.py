"""Incidents at the edge: an attack writes a line a minute into the log, not a line for each."""

from __future__ import annotations

import logging
import traceback
from collections import Counter

from httpedge.telemetry import CONNECTIONS_ENDED

REPORT_SECONDS = 60.0
FAULTS_MAX = 10  # Places with a fault whose traceback is written within REPORT_SECONDS.

# Words for operators. A kind that is not here is that of the problem with which it was refused.
WORDS = {
    "fault": "faults of gridcall",
    "files": "not accepted, because no file was left",
    "room": "waited longest when others came",
    "silent": "sent nothing",
    "slow": "sent half a head",
    "stalled": "did not read",
    "unanswered": "without a whole response",
}

log = logging.getLogger("gridcall")


class Incidents:
    """Counts what clients and applications did wrong. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: set[str] = set()
        self._last_client = ""
        self._reported = -REPORT_SECONDS

    def count(self, kind: str, client: str) -> None:
        """Count an incident of one kind, caused by a client's address."""
        CONNECTIONS_ENDED.labels(kind).inc()
        self._counts[kind] += 1
        self._last_client = client

    def record_fault(self, fault: Exception, client: str) -> None:
        """Log the traceback of an application's fault, once for each place until the report."""
        self.count("fault", client)
        place = place_of(fault)
        if place not in self._places and len(self._places) < FAULTS_MAX:
            self._places.add(place)
            log.error("fault of gridcall at %s", place, exc_info=fault)

    def report(self, now: float) -> None:
        """Log one line about all incidents since the last one, at most one a minute."""
        if not self._counts or now - self._reported < REPORT_SECONDS:
            return
        log.warning("%s", self.sentence())
        self._counts.clear()
        self._places.clear()
        self._reported = now

    def sentence(self) -> str:
        """Return how often each kind occurred."""
        kinds = ", ".join(
            f"{count:,} {WORDS.get(kind, f'refused ({kind})')}"
            for kind, count in sorted(self._counts.items())
        )
        return f"connections that ended early: {kinds}; the last one from {self._last_client}"


def place_of(fault: Exception) -> str:
    """Return the kind of a fault, and the line of code that raised it."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{where} ({type(fault).__name__})"

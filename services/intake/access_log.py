"""The access log: reads of logs, and refused credentials.

Accesses are counted in memory and written every few seconds, one row for each hour, kind, key and
address. So a million refusals cost no more than one, and nobody can fill the disk. A process tells
at most REFUSED_MAX addresses of an hour from each other, and counts all others together. A process
that is killed loses the counts of the last seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

READ = "read"
OTHERS = "others"  # Addresses beyond the limit of an hour.
REFUSED_MAX = 200  # Rows of refusals in an hour, of one process.
READ_MAX = 2_000  # Rows of reads in an hour; each needs a key.
WRITE_SECONDS = 5.0
KEPT_FOR = timedelta(days=90)


class Access(NamedTuple):
    """The accesses of one kind in an hour that are counted together, by key and address.

    `kind` is `read`, or the type of the refusal. `credential` is the key's id, empty if the key
    was not known. `what` is the path of the log that was read.
    """

    hour: datetime
    kind: str
    district: str
    what: str
    credential: str
    address: str


class AccessCount(NamedTuple):
    """The number of accesses that are counted together, the first one and the last one."""

    access: Access
    number: int
    first: datetime
    last: datetime


def utc_now() -> datetime:
    """Return the time of this process."""
    return datetime.now(UTC)


class AccessLog:
    """The accesses of this process that are not written yet."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._counts: dict[Access, AccessCount] = {}
        self._hour = datetime.min.replace(tzinfo=UTC)
        self._seen: dict[bool, set[Access]] = {True: set(), False: set()}  # By "is it a read?"

    def record_read(self, credential: str, district: str, what: str, address: str) -> None:
        """Count a read of a log."""
        self._record(READ, district, what, credential, address, READ_MAX)

    def record_refusal(
        self, kind: str, address: str, credential: str = "", district: str = ""
    ) -> None:
        """Count a refused credential. The secret that was sent is stored nowhere."""
        self._record(kind, district, "", credential, address, REFUSED_MAX)

    def take(self) -> list[AccessCount]:
        """Return what is to be written, and forget it."""
        taken, self._counts = list(self._counts.values()), {}
        return taken

    def put_back(self, counts: Iterable[AccessCount]) -> None:
        """Count again what could not be written."""
        for each in counts:
            self._add(each)

    def _record(
        self, kind: str, district: str, what: str, credential: str, address: str, rows_max: int
    ) -> None:
        now = self._now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour, self._seen = hour, {True: set(), False: set()}
        access = Access(hour, kind, district, what, credential, address)
        seen = self._seen[kind == READ]
        if access not in seen and len(seen) >= rows_max:
            access = Access(hour, kind, "", "", "", OTHERS)
        else:
            seen.add(access)
        self._add(AccessCount(access, 1, now, now))

    def _add(self, more: AccessCount) -> None:
        known = self._counts.get(more.access, more._replace(number=0))
        self._counts[more.access] = AccessCount(
            more.access,
            known.number + more.number,
            min(known.first, more.first),
            max(known.last, more.last),
        )

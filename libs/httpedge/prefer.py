"""The preference `wait` of RFC 7240: how long a client would wait for an outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence

WAIT = re.compile(r'\s*(?i:wait)\s*=\s*(?:([0-9]{1,9})|"([0-9]{1,9})")\s*(?:;.*)?')


def preferred_wait(headers: Sequence[tuple[bytes, bytes]], seconds_max: int) -> int:
    """Return the seconds of `Prefer: wait=N`, at most `seconds_max`; 0 without the preference.

    The first of several counts. An unreadable preference is none, as the RFC asks.
    """
    values = b",".join(value for name, value in headers if name == b"prefer")
    for preference in values.decode("latin-1").split(","):
        if wait := WAIT.fullmatch(preference):
            return min(int(wait[1] or wait[2]), seconds_max)
    return 0

"""Problems that an act raises, and the results of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from httpedge.problems import Problem

JSON = "application/json"
LINES = "application/x-ndjson"
MARK = "starts with a byte order mark (EF BB BF), which JSON does not have: leave it out."


def problem(act: Callable[[], object]) -> Problem:
    """Return the Problem that something raises."""
    with pytest.raises(Problem) as raised:
        act()
    return raised.value


def outcome(act: Callable[[], Any]) -> tuple[int, Any]:
    """Return 200 and the result of something, or the status of its Problem."""
    try:
        return 200, act()
    except Problem as refusal:
        return refusal.status, None

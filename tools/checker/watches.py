"""A case as escalation sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.checker.call_inputs import CallInput
from tools.checker.rows import BEGINNING


@dataclass(slots=True)
class OpenCall:
    """An open call: its level, the time to answer it, and the input after which it was raised."""

    to: str
    due: int | None
    since: int
    silent: bool = False


@dataclass(slots=True)
class Watch:
    """A case as escalation sees it: its clock and its open calls.

    `running` is true from the start of its clock to the end of the case. `started` is the time of
    the input that started it, until time has passed since. `deferred` are the inputs that wait
    while it is parked.
    """

    run: int = 0
    due: int = 0
    started: int = BEGINNING
    since: int = 0
    level: str = ""
    running: bool = False
    missed: bool = False
    ended: bool = False
    parked: bool = False
    raised: int = 0
    calls: dict[str, OpenCall] = field(default_factory=dict)
    deferred: list[CallInput] = field(default_factory=list)

"""A planted fault: a removed rule, the history in which it counts, and what catches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import pytest

from tests.mutation.postgres import on_postgres, with_checkpoints
from tests.mutation.weakening import Weakening

WorldFactory = Callable[[pytest.MonkeyPatch, str], AbstractAsyncContextManager[Any]]


class History(NamedTuple):
    """A small history, and its usual outcomes when all rules hold."""

    name: str
    steps: Callable[[Any], Awaitable[None]]
    world: WorldFactory
    usual: tuple[str, ...]

    @property
    def needs_database(self) -> bool:
        return self.world in (on_postgres, with_checkpoints)


HISTORIES: dict[str, History] = {}


def history(
    world: WorldFactory, *usual: str
) -> Callable[[Callable[[Any], Awaitable[None]]], History]:
    """Return a decorator that registers a history of a world, with its usual outcomes."""

    def register(steps: Callable[[Any], Awaitable[None]]) -> History:
        name = getattr(steps, "__name__", "")
        HISTORIES[name] = History(name, steps, world, usual)
        return HISTORIES[name]

    return register


class PlantedFault(NamedTuple):
    """A rule, how it is weakened, in which history, and what catches it.

    Verify and the checker are named exactly where they find the fault. `masked_by` names another
    rule because of which nothing changes. Another row weakens both.
    """

    name: str
    rule: str
    weakened: tuple[Weakening, ...]
    history: History
    caught_by: tuple[str, ...] = ()
    masked_by: str = ""

    @property
    def line(self) -> str:
        """Return its line in docs/planted-bugs.md."""
        how = "; ".join(weakening.how for weakening in self.weakened)
        outcomes = ", ".join(self.caught_by) or f"nothing: masked by {self.masked_by}"
        return f"| {self.rule} | {how} | {self.history.name.replace('_', ' ')} | {outcomes} |"

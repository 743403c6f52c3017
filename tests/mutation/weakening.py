"""Ways to remove a rule from the code as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from eventlog.postgres import statements as postgres

Plant = Callable[[pytest.MonkeyPatch], None]


class Weakening(NamedTuple):
    """A rule that is removed: its description, and the change in Python or in SQL."""

    how: str
    plant: Plant | None = None
    sql: tuple[str | tuple[str, str, str], ...] = ()


def in_statement(name: str, says: str, instead: str) -> Plant:
    """Return a change of a statement of eventlog.postgres.log."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        text = getattr(postgres, name)
        assert says in text, f"{name} does not say {says!r}"
        other = text.replace(says, instead)
        patch.setattr(postgres, name, other)
        patch.setattr(
            postgres,
            "STATEMENTS",
            tuple(other if sql == text else sql for sql in postgres.STATEMENTS),
        )

    return plant


def method(owner: type[Any], name: str) -> Callable[[Callable[..., Any]], Plant]:
    """Return a decorator that replaces a method. The new one gets the real one first."""

    def decorate(instead: Callable[..., Any]) -> Plant:
        def plant(patch: pytest.MonkeyPatch) -> None:
            real = getattr(owner, name)
            patch.setattr(
                owner,
                name,
                lambda self, *args, **named: instead(partial(real, self), self, *args, **named),
            )

        return plant

    return decorate


def value(target: str, instead: object) -> Plant:
    return lambda patch: patch.setattr(target, instead)

"""The collector of garbage: it looks once many connections have ended, and never often."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from httpedge.memory import COLLECT_SECONDS, ENDED_MIN, Collector


class Cycle:
    """An object that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def cycle() -> Iterator[weakref.ref[Cycle]]:
    gc.disable()
    yield weakref.ref(Cycle())
    gc.enable()


def test_garbage_is_collected_once_many_connections_have_ended(cycle: weakref.ref[Cycle]) -> None:
    collector = Collector(0)
    collector.sweep(ENDED_MIN - 1, COLLECT_SECONDS)
    assert cycle()
    collector.sweep(ENDED_MIN, COLLECT_SECONDS)
    assert cycle() is None


def test_garbage_is_not_collected_often(cycle: weakref.ref[Cycle]) -> None:
    collector = Collector(0)
    collector.sweep(10 * ENDED_MIN, COLLECT_SECONDS / 2)
    assert cycle()
    collector.sweep(10 * ENDED_MIN, COLLECT_SECONDS)
    assert cycle() is None


def test_connections_count_once(cycle: weakref.ref[Cycle]) -> None:
    Collector(0).sweep(ENDED_MIN, COLLECT_SECONDS)
    assert cycle() is None
    collector = Collector(0)
    collector.sweep(ENDED_MIN, COLLECT_SECONDS)
    later = weakref.ref(Cycle())
    collector.sweep(ENDED_MIN + 1, 3 * COLLECT_SECONDS)
    assert later()
    collector.sweep(2 * ENDED_MIN, 3 * COLLECT_SECONDS)
    assert later() is None

"""A reader waits for one log or for several, and misses no notification."""

from __future__ import annotations

import asyncio

from eventlog.notifier import Notifier

CASES, CALLS = ("cases", "city"), ("calls", "city")
FOREVER = 3600.0


def counts_of(notifier: Notifier) -> dict[tuple[str, str], int]:
    return {name: notifier.count(*name) for name in (CASES, CALLS)}


async def test_any_of_several_logs_wakes_a_reader() -> None:
    notifier = Notifier()
    for name in (CASES, CALLS):
        waiting = asyncio.create_task(notifier.wait_for_any(counts_of(notifier), FOREVER))
        await notifier.wait_for_waiter(*name)
        notifier.notify(*name)
        await waiting


async def test_a_notification_between_look_and_wait_is_not_missed() -> None:
    notifier = Notifier()
    counts = counts_of(notifier)
    notifier.notify(*CALLS)
    await notifier.wait_for_any(counts, FOREVER)


async def test_another_log_or_shard_wakes_nobody() -> None:
    notifier = Notifier()
    waiting = asyncio.create_task(notifier.wait_for_any(counts_of(notifier), FOREVER))
    await notifier.wait_for_waiter(*CALLS)
    notifier.notify("intake", "city")
    notifier.notify("calls", "other")
    await asyncio.sleep(0)
    assert not waiting.done()
    notifier.notify_all()
    await waiting


async def test_a_reader_that_looks_while_all_are_woken_looks_again() -> None:
    """Wake a reader that may have read before the rows that nobody announced."""
    notifier = Notifier()
    counts = counts_of(notifier)
    notifier.notify_all()
    await notifier.wait_for_any(counts, FOREVER)


async def test_a_reader_that_waited_long_enough_leaves_no_waiter() -> None:
    notifier = Notifier()
    await notifier.wait_for_any(counts_of(notifier), 0)
    assert not any(notifier._waiters.values())

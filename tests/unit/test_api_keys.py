"""Keys: what is remembered of them, and what guesses of them cost."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from gridcall.cli.key import Expiry
from httpedge.open_requests import LOOK_SECONDS
from httpedge.rate_limit import RateExceeded
from intake.api_keys import (
    CACHE_SECONDS,
    GUESSES_AT_ONCE,
    WRONG_SECONDS,
    ApiKey,
    ApiKeys,
    Entry,
    WrongKey,
    digest_of,
)
from intake.store import StoredKey

HERE, THERE = "192.0.2.1", "192.0.2.2"
MADE = datetime(2026, 1, 1, tzinfo=UTC)
KEY = StoredKey("k", "city", "source", ["hotline"], MADE, None, None, True)


class Table:
    """A table of keys that counts the questions, and a clock."""

    def __init__(self) -> None:
        self.keys = {digest_of("gck_good"): KEY}
        self.questions = 0
        self.seconds = 1_000.0

    async def fetch(self, sql: str, digests: Sequence[bytes]) -> list[Any]:
        self.questions += 1
        await asyncio.sleep(0)
        return [(each, *self.keys[each]) for each in digests if each in self.keys]

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def keys(table: Table) -> ApiKeys:
    return ApiKeys(table, table.clock)  # type: ignore[arg-type]


async def kind_of_refusal(keys: ApiKeys, secret: str, address: str = HERE) -> str:
    """Return why a secret is refused."""
    try:
        await keys.find(secret, address)
    except WrongKey as wrong:
        return wrong.kind
    except RateExceeded:
        return "guesses"
    raise AssertionError("it was found")


async def guess(keys: ApiKeys, count: int, address: str = HERE) -> list[str]:
    """Return why each of so many guesses is refused."""
    return [await kind_of_refusal(keys, f"gck_{number}", address) for number in range(count)]


async def test_a_key_is_asked_for_once_by_all_who_send_it(keys: ApiKeys, table: Table) -> None:
    results = await asyncio.gather(*(keys.find("gck_good", HERE) for _ in range(100)))
    assert set(results) == {ApiKey("k", "city", "source", frozenset({"hotline"}))}
    await keys.find("gck_good", THERE)
    assert table.questions == 1


async def test_a_revoked_key_is_refused_and_what_it_holds_ends_within_a_second(
    keys: ApiKeys, table: Table
) -> None:
    await keys.find("gck_good", HERE)
    table.keys[digest_of("gck_good")] = KEY._replace(revoked=MADE, in_force=False)
    await keys.find("gck_good", HERE)
    table.seconds += CACHE_SECONDS + 0.001
    assert await kind_of_refusal(keys, "gck_good") == "revoked-key"
    assert CACHE_SECONDS + LOOK_SECONDS < 1


async def test_an_expired_key_is_refused_with_the_reason(keys: ApiKeys, table: Table) -> None:
    table.keys[digest_of("gck_good")] = KEY._replace(expires=MADE, in_force=False)
    with pytest.raises(WrongKey, match=r"expired on 2026-01-01T00:00:00Z: ask for another"):
        await keys.find("gck_good", HERE)


async def test_guesses_of_an_address_are_slowed_without_a_question_each(
    keys: ApiKeys, table: Table
) -> None:
    refusals = await guess(keys, 1_000)
    assert refusals == ["no-key"] * GUESSES_AT_ONCE + ["guesses"] * (1_000 - GUESSES_AT_ONCE)
    assert table.questions == GUESSES_AT_ONCE
    table.seconds += 3
    assert (await guess(keys, 1_000)).count("no-key") == GUESSES_AT_ONCE + 3
    assert table.questions == GUESSES_AT_ONCE + 3


async def test_guesses_are_forgotten_after_a_minute(keys: ApiKeys, table: Table) -> None:
    await guess(keys, GUESSES_AT_ONCE)
    table.seconds += WRONG_SECONDS + 0.001
    await guess(keys, 1, THERE)
    gc.collect()
    assert sum(isinstance(each, Entry) for each in gc.get_objects()) == 1


async def test_another_address_and_a_known_key_are_not_slowed(keys: ApiKeys, table: Table) -> None:
    await keys.find("gck_good", HERE)
    await guess(keys, 1_000)
    table.seconds += CACHE_SECONDS + 0.001
    table.keys[digest_of("gck_new")] = KEY._replace(id="new")
    assert (await keys.find("gck_good", HERE)).id == "k"
    assert (await keys.find("gck_new", THERE)).id == "new"


async def test_a_sender_with_a_revoked_key_makes_one_guess_a_minute(
    keys: ApiKeys, table: Table
) -> None:
    for _ in range(200):
        assert await kind_of_refusal(keys, "gck_old") == "no-key"
    assert table.questions == 1
    table.seconds += WRONG_SECONDS + 0.001
    assert await kind_of_refusal(keys, "gck_old") == "no-key"
    assert table.questions == 2


async def test_a_new_key_is_no_guess(keys: ApiKeys, table: Table) -> None:
    for number in range(GUESSES_AT_ONCE + 10):
        table.keys[digest_of(f"gck_new{number}")] = KEY._replace(id=str(number))
        assert (await keys.find(f"gck_new{number}", HERE)).id == str(number)


# ── The command line ─────────────────────────────────────────────────────────────────────────────


def test_an_expiry_is_a_length_a_last_day_or_a_time() -> None:
    read = Expiry()
    in_90_days = datetime.now(UTC) + timedelta(days=90)
    assert abs(read.convert("90d", None, None) - in_90_days) < timedelta(minutes=1)
    assert read.convert("2999-06-30", None, None) == datetime(2999, 7, 1, tzinfo=UTC)
    expected = datetime(2999, 6, 30, 4, tzinfo=UTC)
    assert read.convert("2999-06-30T12:00:00+08:00", None, None) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "90", "0d", "2020-01-01", "2999-13-01", "9999-12-31", "99999d" * 2]
)
def test_another_expiry_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Expiry().convert(text, None, None)

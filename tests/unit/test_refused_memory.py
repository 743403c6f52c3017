"""The memory of what is refused returns at once: no refusal leaves a cycle behind.

The garbage collector looks seldom in a server (`collect_seldom`). A traceback holds the frames
below it, and these hold bodies. So an exception in a cycle would keep megabytes.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import pytest

from eventlog.notifier import Notifier
from events.catalogue import RetryAsked
from events.errors import Unavailable
from httpedge.items import split_items
from httpedge.problems import Problem
from httpedge.strict_json import check_strict
from intake.acceptor import Acceptor
from intake.api_keys import ApiKey, ApiKeys
from intake.inbound.record import Record
from intake.inbound.record_acceptor import RecordAcceptor
from intake.ingest_endpoint import Results
from intake.item_codec import item_of
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue
from intake.submissions import IssueSubmission
from tests.harness.senders import SENDER

KEY = ApiKey("k", "city", "source", frozenset({"hotline"}))
REFUSED_ITEMS: dict[str, bytes] = {
    "a missing field": b'{"category": "c"}',
    "an unknown field": b'{"reference": "r", "category": "c", "x": 1}',
    "no JSON": b"{x}",
    "a key twice": b'{"reference": "r", "reference": "s", "category": "c"}',
    "NUL": b'{"reference": "\\u0000", "category": "c"}',
    "NaN": b'{"reference": NaN, "category": "c"}',
    "no UTF-8": b'{"reference": "\xff", "category": "c"}',
    "too deep": b'{"reference": ' + b"[" * 40 + b"]" * 40 + b"}",
    "too large": b'{"reference": "' + b"r" * 70_000 + b'"}',
    "too many parts": b'{"reference": [' + b"1," * 6_000 + b"1]}",
    "another district": b'{"reference": "r", "category": "c", "district": "other"}',
}
REFUSED_BODIES: dict[str, bytes] = {
    "an empty body": b" ",
    "half an array": b'[{"a": 1},',
    "crumbs": b"[" + b"1," * 400_000 + b"1]",
    "too many items": b"[" + b"{}," * 11_000 + b"{}]",
    "neither": b"7",
}


class UnavailableDatabase:
    """A database that is away."""

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        raise Unavailable("away")


@pytest.fixture
def garbage() -> Iterator[Callable[[], list[object]]]:
    """Return what only the collector could free since the test began, if it holds frames."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def cyclic_garbage() -> list[object]:
        gc.collect()
        kinds = BaseException, TracebackType, FrameType
        return [each for each in gc.garbage if isinstance(each, kinds)]

    yield cyclic_garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def refuse(work: Callable[[], object]) -> int:
    """Return the status of the Problem that some work raises."""
    try:
        work()
    except Problem as problem:
        return problem.status
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("what", REFUSED_ITEMS)
def test_a_refused_item_is_forgotten(what: str, garbage: Callable[[], list[object]]) -> None:
    item = REFUSED_ITEMS[what]
    statuses = {
        refuse(lambda: IssueSubmission(KEY, "hotline").read(item)),
        refuse(lambda: parse_action(item)),
    }
    assert statuses <= {403, 413, 422}
    assert garbage() == []


@pytest.mark.parametrize("what", REFUSED_BODIES)
def test_a_refused_body_is_forgotten(what: str, garbage: Callable[[], list[object]]) -> None:
    assert refuse(lambda: split_items(REFUSED_BODIES[what], "application/json")) in (413, 422)
    assert garbage() == []


def test_refused_items_of_an_array_are_forgotten(garbage: Callable[[], list[object]]) -> None:
    results = Results(len(REFUSED_ITEMS), "/issues/hotline")
    for number, item in enumerate(REFUSED_ITEMS.values()):
        try:
            parse_issue(item)
            check_strict(b"[]]")
        except Problem as problem:
            results.refuse(number, problem)
    assert json.dumps(results.items)
    assert garbage() == []


def test_records_of_a_topic_that_are_refused_are_forgotten(
    garbage: Callable[[], list[object]],
) -> None:
    async def accept() -> list[int]:
        keys = ApiKeys(UnavailableDatabase())  # type: ignore[arg-type]
        acceptor = RecordAcceptor("hotline", None, keys)  # type: ignore[arg-type]
        headers = [("content-type", b"application/cloudevents+json")]
        answers = await acceptor.accept(
            [Record(None, value, headers) for value in (b"{", b"[]", b'{"data_base64": ""}', b"{}")]
        )
        return [each.result.status for each in answers]

    assert asyncio.run(accept()) == [422] * 4
    assert garbage() == []


def test_items_that_the_database_cannot_take_are_forgotten(
    garbage: Callable[[], list[object]],
) -> None:
    async def accept() -> list[type[object]]:
        acceptor = Acceptor(UnavailableDatabase(), Notifier())  # type: ignore[arg-type]
        items = [
            item_of(RetryAsked(action=f"{number:032x}", issue="c", log="cases", by="ann"), SENDER)
            for number in range(3)
        ]
        answers = await asyncio.gather(
            *(acceptor.accept("city", [item]) for item in items), return_exceptions=True
        )
        await acceptor.drain()
        return [type(answer) for answer in answers]

    assert asyncio.run(accept()) == [Unavailable] * 3
    assert garbage() == []


def test_a_key_that_the_database_cannot_find_is_forgotten(
    garbage: Callable[[], list[object]],
) -> None:
    async def find() -> None:
        keys = ApiKeys(UnavailableDatabase())  # type: ignore[arg-type]
        try:
            await keys.find("gck_x", "192.0.2.1")
        except Unavailable:
            return
        raise AssertionError("it was found")

    asyncio.run(find())
    assert garbage() == []

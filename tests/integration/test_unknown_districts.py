"""Inputs of a district that was never added: refused, and nothing is made."""

from __future__ import annotations

import json

import asyncpg
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.pool import open_database
from events.catalogue import VisitMade
from httpedge.problems import Problem
from intake.acceptor import Acceptor
from intake.api_keys import ApiKeys
from intake.districts import UnknownDistrict
from intake.inbound.cloudevents import ISSUE_TYPE
from intake.inbound.record import Record
from intake.inbound.record_acceptor import RecordAcceptor
from intake.item_codec import item_of
from intake.results import Result
from intake.store import IntakeStore
from tests.harness.exampleville import issue
from tests.harness.senders import SENDER


async def test_an_input_makes_no_district(database: str) -> None:
    visit = VisitMade(action="0" * 32, issue="case", by="ann")
    async with open_database(database, size=1) as pool:
        with pytest.raises(UnknownDistrict, match="'nowhere'"):
            await Acceptor(pool, Notifier()).accept("nowhere", [item_of(visit, SENDER)])
        assert await IntakeStore(pool).district_codes() == []


async def test_a_key_is_for_a_district_that_is_there(database: str) -> None:
    async with open_database(database, size=1) as pool:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await ApiKeys(pool).add("nowhere", "city", ["hotline"])


async def test_a_published_issue_of_an_old_key_is_answered_and_others_go_on(
    database: str,
) -> None:
    """Before districts were added by name, a key could be for one that was never there."""
    records = [
        Record(
            b"k",
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": f"u-{source}",
                    "source": source,
                    "type": ISSUE_TYPE,
                    "data": issue("R-1"),
                }
            ).encode(),
            [("content-type", b"application/cloudevents+json")],
        )
        for source in ("old", "city")
    ]
    async with open_database(database, size=2) as pool:
        await IntakeStore(pool).add_district("exampleville")
        await pool.fetch("ALTER TABLE intake.key DROP CONSTRAINT key_district_fkey")
        keys = ApiKeys(pool)
        await keys.add("nowhere", "old", ["inbound.hotline"])
        await keys.add("exampleville", "city", ["inbound.hotline"])
        acceptor = RecordAcceptor("hotline", Acceptor(pool, Notifier()), keys)
        refused, accepted = await acceptor.accept(records)
    assert isinstance(refused.result, Problem)
    assert (refused.result.status, refused.result.kind) == (409, "unknown-district")
    assert "gridcall district add nowhere" in refused.result.detail
    assert isinstance(accepted.result, Result)

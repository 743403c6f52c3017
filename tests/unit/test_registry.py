"""Versions of events: each is read forever, and folded as the newest one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from eventlog.codec import NO_EVENT, entry, envelope, read_envelope, row_of
from eventlog.core.row import Row
from eventlog.core.versions import foldable, newest, readable
from events import catalogue as e
from events.errors import Invalid, Outdated
from events.registry import (
    CATALOGUE,
    TYPE_OF,
    UPCASTERS,
    UnknownEvent,
    Words,
    event,
    latest,
    names_of_versions,
    newest_types,
    type_name,
    upcaster,
)
from events.stored_inputs import event_of, store
from tests.harness.city import ANN
from tests.harness.versions import (
    VISITED_V1,
    VISITED_V2,
    CaseVisitedV1,
    registry_of_its_own,
    two_versions_of_visits,
)
from tools import asyncapi, asyncapi_schemas, event_reference

WORDS = Words(en="A test", zh="测试")
FIRST = CaseVisitedV1(case="a", holder=ANN, visitor="ann")
SECOND = e.CaseVisited(case="a", holder=ANN, by="ann")


def row_with(event: Any) -> Row:
    return Row("cases", "city", 7, 1_000_000, 5, 1, "a", 3, "intake/city/5", event)


@pytest.fixture
def two_versions() -> Iterator[None]:
    with two_versions_of_visits():
        yield


# ── Every event of the catalogue ─────────────────────────────────────────────────────────────────


def test_versions_are_1_to_n_and_each_but_the_newest_has_an_upcaster_to_the_next() -> None:
    check_versions()


@pytest.mark.usefixtures("two_versions")
def test_a_second_version_passes_the_same_check() -> None:
    check_versions()


def check_versions() -> None:
    newest_of = {kind.short: kind for kind in newest_types()}
    for kind in CATALOGUE.values():
        last = newest_of[kind.short]
        names = [f"gridcall.{kind.short}.v{n}" for n in range(1, last.version + 1)]
        assert names == sorted(name for name in CATALOGUE if CATALOGUE[name].short == kind.short)
        assert (kind.cls in UPCASTERS) == (kind is not last), kind.name
        declared = (kind.logs, kind.personal, kind.reference, kind.defers)
        assert declared == (last.logs, last.personal, last.reference, last.defers), kind.name


def test_a_forgotten_upcaster_and_a_hole_are_found() -> None:
    with two_versions_of_visits():
        del UPCASTERS[CaseVisitedV1]
        with pytest.raises(AssertionError, match=VISITED_V1):
            check_versions()
    with two_versions_of_visits():
        del CATALOGUE[VISITED_V1]
        with pytest.raises(AssertionError):
            check_versions()
    check_versions()


# ── Declaring ────────────────────────────────────────────────────────────────────────────────────


def test_an_earlier_version_is_a_class_with_its_suffix() -> None:
    class LampLit:
        lamp: str

    class LampLitV1:
        name: str

    with registry_of_its_own():
        now = event("cases", version=2, words=WORDS)(LampLit)
        before = event("cases", version=1, words=WORDS)(LampLitV1)
        assert TYPE_OF[now].name == "gridcall.lamp-lit.v2"
        assert TYPE_OF[before].name == "gridcall.lamp-lit.v1"
        assert TYPE_OF[now].short == TYPE_OF[before].short == "lamp-lit"
        assert now in [kind.cls for kind in newest_types()]
        assert before not in [kind.cls for kind in newest_types()]
        assert sorted(names_of_versions([now])) == ["gridcall.lamp-lit.v1", "gridcall.lamp-lit.v2"]
    assert "gridcall.lamp-lit.v2" not in CATALOGUE


def test_a_class_with_the_suffix_of_another_version_is_refused() -> None:
    class LampLitV1:
        name: str

    with registry_of_its_own(), pytest.raises(TypeError, match="declared as version 2"):
        event("cases", version=2, words=WORDS)(LampLitV1)


def skip_a_version(event: CaseVisitedV1) -> e.CaseResolved:
    raise AssertionError("it is not called")


@pytest.mark.usefixtures("two_versions")
def test_an_upcaster_leads_to_the_next_version_of_its_event() -> None:
    with pytest.raises(TypeError, match=r"gridcall\.case-resolved\.v1 does not follow"):
        upcaster(skip_a_version)


@pytest.mark.usefixtures("two_versions")
def test_an_event_is_folded_in_its_newest_version() -> None:
    assert latest(FIRST) == SECOND
    assert latest(SECOND) is SECOND


# ── Encoding ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize("event", [FIRST, SECOND], ids=["v1", "v2"])
def test_a_row_is_written_again_in_the_version_in_which_it_was_written(event: Any) -> None:
    row = row_with(event)
    assert row_of("cases", "city", entry(row)) == row
    assert read_envelope(envelope(row)) == row
    assert newest(row).event == SECOND


@pytest.mark.usefixtures("two_versions")
def test_the_envelopes_of_two_versions_differ_in_type_and_data() -> None:
    first, second = (json.loads(envelope(row_with(event))) for event in (FIRST, SECOND))
    assert (first["type"], first["data"]["visitor"]) == (VISITED_V1, "ann")
    assert (second["type"], second["data"]["by"]) == (VISITED_V2, "ann")
    assert {name for name in first if first[name] != second[name]} == {"type", "dataschema", "data"}


@pytest.mark.usefixtures("two_versions")
def test_a_stored_input_keeps_its_version_and_is_decided_in_the_newest() -> None:
    stored = store("intake/city/5", 7, FIRST)
    assert stored.type == VISITED_V1
    assert '"visitor":"ann"' in stored.data
    assert event_of(stored) == SECOND


# ── Types that this build does not know ──────────────────────────────────────────────────────────


def row_of_newer_build(personal: bool = True) -> Row:
    return row_with(UnknownEvent("gridcall.lamp-lit.v1", b'{"a":1,"b":"\xc3\xa4"}', personal))


@pytest.mark.parametrize("personal", [True, False])
def test_an_unknown_event_is_written_again_as_it_came(personal: bool) -> None:
    row = row_of_newer_build(personal)
    assert row_of("cases", "city", entry(row)) == row
    body = envelope(row)
    assert read_envelope(body) == row
    assert envelope(read_envelope(body)) == body
    assert json.loads(body)["dataclassification"] == ("personal" if personal else "internal")
    assert type_name(row.event) == "gridcall.lamp-lit.v1"


def test_a_row_of_a_newer_build_reads_as_unknown_in_an_older_one() -> None:
    with two_versions_of_visits():
        body = envelope(row_with(SECOND))
    row = read_envelope(body)
    assert isinstance(row.event, UnknownEvent)
    assert row.event.type == VISITED_V2
    assert envelope(row) == body


def test_an_unknown_event_of_a_store_counts_as_personal() -> None:
    row = row_of("cases", "city", entry(row_of_newer_build(personal=False)))
    assert json.loads(envelope(row))["dataclassification"] == "personal"


def test_a_reader_passes_an_unknown_event_and_a_stored_fold_stops_at_it() -> None:
    known, unknown = row_with(SECOND), row_of_newer_build()
    assert readable([known, unknown]) == [known]
    assert foldable([known, unknown, known]) == [known]
    with pytest.raises(Outdated, match=r"cases/city/7 is a gridcall\.lamp-lit\.v1, which"):
        foldable([unknown, known])


def test_data_that_do_not_fit_a_known_type_are_a_fault_and_not_unknown() -> None:
    stored = entry(row_with(SECOND))
    with pytest.raises(NO_EVENT):
        row_of("cases", "city", stored._replace(data=b'{"lamp":1}'))
    body = envelope(row_with(SECOND)).replace(b'"by":"ann"', b'"by":7')
    with pytest.raises(Invalid, match="not an event of ours"):
        read_envelope(body)


@pytest.mark.parametrize("name", ["nothing", "gridcall.", "gridcall.Lamp.v1", "other.lamp.v1"])
def test_a_name_that_no_build_gives_is_a_fault(name: str) -> None:
    with pytest.raises(NO_EVENT):
        row_of("cases", "city", entry(row_with(SECOND))._replace(type=name))


def test_a_waiting_input_of_an_unknown_type_stops_the_shard() -> None:
    stored = replace(store("intake/city/5", 7, SECOND), type="gridcall.lamp-lit.v1")
    with pytest.raises(Outdated, match="waits as a gridcall"):
        event_of(stored)


# ── Documents ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("two_versions")
def test_documents_have_both_versions_and_say_which_is_the_earlier_one() -> None:
    first, second = event_reference.entry(CaseVisitedV1), event_reference.entry(e.CaseVisited)
    assert f"An earlier version: it is read as `{VISITED_V2}`." in first
    assert VISITED_V2 in second
    assert "earlier version" not in second
    messages = asyncapi.messages()
    assert (
        f"An earlier version: {VISITED_V2} is written now." in messages[VISITED_V1]["description"]
    )
    assert "description" not in messages[VISITED_V2]
    named = asyncapi.channels()["cases"]["messages"]
    assert {VISITED_V1, VISITED_V2} <= named.keys()
    assert {"CaseVisited", "CaseVisitedV1"} <= asyncapi_schemas.data_schemas().keys()

"""The catalogue, the envelope, and the documents made from them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st

from eventlog.codec import envelope, read_envelope
from eventlog.core.row import Row
from events import registry
from events.instants import rfc3339
from tests.harness.paths import GOLDEN

EVENTS = [kind.cls for kind in registry.CATALOGUE.values()]


def rows() -> st.SearchStrategy[Row]:
    """Return any row that a log could have."""
    number = st.integers(0, 2**31 - 1)
    name = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)
    micros = st.integers(0, 4_102_444_800_000_000)
    event = st.one_of(*(st.from_type(cls) for cls in EVENTS))
    return st.builds(
        Row,
        st.sampled_from(["intake", "cases", "calls"]),
        name,
        number,
        micros,
        number,
        number,
        name,
        number,
        name | st.just(""),
        event,
    )


st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
st.register_type_strategy(int, st.integers(-(2**62), 2**62))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(dict, st.dictionaries(st.text(max_size=4), st.integers(0, 9), max_size=3))


@given(rows())
def test_an_envelope_opens_to_the_row_that_was_put_in(row: Row) -> None:
    assert read_envelope(envelope(row)) == row


@given(rows())
def test_an_envelope_is_json_with_sorted_keys_and_no_spaces(row: Row) -> None:
    body = envelope(row)
    assert body.decode() == json.dumps(
        json.loads(body), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ) or has_floats(body)


def has_floats(body: bytes) -> bool:
    """Floats are written by another rule than json's, in other but equal digits."""
    return json.dumps(json.loads(body, parse_float=lambda text: 0)) != json.dumps(json.loads(body))


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
def test_every_event_is_a_value(cls: type[Any]) -> None:
    assert dataclasses.fields(cls)
    assert cls.__dataclass_params__.eq
    assert cls.__hash__ is not None


def test_an_event_that_names_a_worker_is_classified_as_personal() -> None:
    for kind in registry.CATALOGUE.values():
        names = {field.name for field in dataclasses.fields(kind.cls)}
        if names & {"by", "worker", "receiver", "receivers"}:
            assert kind.personal, kind.name


def test_every_event_ever_published_still_reads_as_it_did() -> None:
    for line in GOLDEN.read_bytes().splitlines():
        assert envelope(read_envelope(line)) == line


def test_every_event_ever_published_is_folded_in_its_newest_version() -> None:
    newest = {kind.cls for kind in registry.newest_types()}
    for line in GOLDEN.read_bytes().splitlines():
        assert type(registry.latest(read_envelope(line).event)) in newest


def test_a_cloudevents_reader_that_is_not_ours_reads_an_envelope() -> None:
    for line in GOLDEN.read_bytes().splitlines():
        message = HTTPMessage({"content-type": "application/cloudevents+json; charset=UTF-8"}, line)
        event = from_structured_event(message)
        sent = json.loads(line)
        assert event.get_id() == sent["id"]
        assert event.get_extension("position") == sent["position"]
        assert event.get_data() == sent["data"]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_420_089_609_000_000, "2015-01-01T05:20:09Z"),
        (1_420_089_609_000_001, "2015-01-01T05:20:09.000001Z"),
        (1_420_089_609_120_000, "2015-01-01T05:20:09.120000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-62_135_510_400_000_000, "0001-01-02T00:00:00Z"),
    ],
)
def test_an_instant_is_written_with_a_fraction_only_where_it_has_one(time: int, text: str) -> None:
    assert rfc3339(time) == text

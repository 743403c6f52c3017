"""Records of inbound.LINE are read as the CloudEvents SDK writes them, or refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_structured_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from httpedge.problems import Problem
from intake.core.identity import issue_id
from intake.inbound.cloudevents import (
    ISSUE_TYPE,
    IssueEvent,
    parse_record,
    read_issue,
    receipt,
)
from intake.inbound.record import Record
from intake.results import Result

ISSUE = {
    "reference": "R-1",
    "category": "Noise",
    "due": "2030-01-01T00:00:00Z",
    "place": {"grid": "0101"},
}
ATTRIBUTES = {
    "id": "u-1",
    "source": "city-12345",
    "type": ISSUE_TYPE,
    "specversion": "1.0",
    "datacontenttype": "application/json",
}
ONE = ["exampleville"]


def event(data: object = ISSUE, **attributes: str) -> CloudEvent:
    return CloudEvent(ATTRIBUTES | attributes, data)  # type: ignore[arg-type]


def record_of(message: KafkaMessage) -> Record:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    return Record(key, message.value, list(message.headers.items()))


def structured_record(value: object, headers: Mapping[str, bytes] | None = None) -> Record:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Record(
        None, body, list((headers or {"content-type": b"application/cloudevents+json"}).items())
    )


def problem_of(record: Record) -> Problem:
    with pytest.raises(Problem) as result:
        parse_record(record)
    return result.value


@pytest.mark.parametrize("mode", [to_structured_event, to_binary_event])
def test_both_modes_of_the_sdk_are_the_same_issue(mode: Any) -> None:
    result = parse_record(record_of(mode(event())))
    assert (result.id, result.source) == ("u-1", "city-12345")
    district, item, reference = read_issue(result, "hotline", ONE)
    assert (district, reference) == ("exampleville", "R-1")
    assert item.id == issue_id("exampleville", "city-12345", "hotline", "R-1"), (
        "the same issue as by POST"
    )


WRONG: dict[str, tuple[Record, int, str]] = {
    "nothing at all": (Record(None, None, []), 422, "no value"),
    "no content type": (Record(None, b"{}", []), 415, "Publish a CloudEvent"),
    "a batch": (
        structured_record([ATTRIBUTES], {"content-type": b"application/cloudevents-batch+json"}),
        415,
        "Publish a CloudEvent",
    ),
    "no JSON": (structured_record(b"{"), 422, "not JSON"),
    "no object": (structured_record(b"[]"), 422, "not an object"),
    "no UTF-8": (structured_record(b'{"id": "\xff"}'), 422, "not UTF-8"),
    "a key twice": (structured_record(b'{"id": "a", "id": "b"}'), 422, "twice"),
    "too large": (structured_record(b'{"id": "' + b"a" * 70_000 + b'"}'), 413, "65,536"),
    "far too deep": (structured_record(b"[" * 60_000), 422, "deeper"),
    "no data": (structured_record(ATTRIBUTES), 422, "no data"),
    "base64": (structured_record(ATTRIBUTES | {"data_base64": "e30="}), 422, "data_base64"),
    "another version": (
        structured_record(ATTRIBUTES | {"specversion": "0.3", "data": {}}),
        422,
        "only CloudEvents 1.0",
    ),
    "another type": (
        structured_record(ATTRIBUTES | {"type": "complaint", "data": {}}),
        422,
        "'complaint'",
    ),
    "a number as id": (structured_record(ATTRIBUTES | {"id": 7, "data": {}}), 422, "not a text"),
    "no source": (
        structured_record({**ATTRIBUTES, "source": "", "data": {}}),
        422,
        "source is missing",
    ),
    "XML": (
        structured_record(ATTRIBUTES | {"datacontenttype": "text/xml", "data": {}}),
        415,
        "application/json",
    ),
    "several issues": (
        structured_record(ATTRIBUTES | {"datacontenttype": "application/x-ndjson", "data": {}}),
        415,
        "one in a record",
    ),
    "a header twice": (
        Record(None, b"{}", [("ce_id", b"a"), ("CE_ID", b"b")]),
        422,
        "occurs twice",
    ),
    "a header that is no text": (
        Record(None, b"{}", [("content-type", b"\xff")]),
        422,
        "not UTF-8",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_event_is_refused_with_what_is_wrong(name: str) -> None:
    record, status, words = WRONG[name]
    problem = problem_of(record)
    assert problem.status == status
    assert words in " ".join([problem.detail, *(error.detail for error in problem.errors)])


@given(
    st.none() | st.binary(max_size=300),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "x"]
            ),
            st.binary(),
        )
    ),
)
def test_whatever_the_bytes_are_the_only_error_is_a_problem(
    value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    try:
        result = parse_record(Record(b"k", value, headers))
    except Problem:
        return
    assert isinstance(result, IssueEvent)


def test_a_source_publishes_for_its_own_districts_alone() -> None:
    said = IssueEvent("u-1", "city-12345", json.dumps(ISSUE).encode())
    named = IssueEvent("u-1", "city-12345", json.dumps(ISSUE | {"district": "b"}).encode())
    assert read_issue(named, "hotline", ["a", "b"])[0] == "b"
    for given_, districts, status in (
        (said, [], 403),
        (said, ["a", "b"], 422),
        (named, ["a"], 403),
    ):
        with pytest.raises(Problem) as result:
            read_issue(given_, "hotline", districts)
        assert result.value.status == status


def test_a_receipt_is_read_by_the_sdk() -> None:
    accepted = Result(202, "R-1", "0" * 32, "1" * 32, 7, "2026-01-01T00:00:00Z")
    for cause, answer in (
        ("u-1", accepted),
        (None, Problem(422, "invalid", "Not valid", "See errors.")),
    ):
        body = receipt("inbound.hotline/0/12", cause, answer)
        message = KafkaMessage({"content-type": b"application/cloudevents+json"}, None, body)
        result = from_structured_event(message)
        assert (result.get_id(), result.get_type()) == (
            "inbound.hotline/0/12",
            "gridcall.receipt.v1",
        )
        assert result.get_extension("causationid") == cause
        data = result.get_data()
        assert isinstance(data, dict)
        assert data["status"] in (202, 422)


def test_a_record_is_known_again_by_its_bytes() -> None:
    records = [
        Record(None, b"", []),
        Record(b"", b"", []),
        Record(b"", None, []),
        Record(b"a", b"", []),
        Record(b"", b"a", []),
        Record(b"", b"", [("a", b"")]),
        Record(b"", b"", [("", b"a")]),
    ]
    assert len({record.digest for record in records}) == len(records)
    assert records[0].digest == Record(None, b"", []).digest

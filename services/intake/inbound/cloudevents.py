"""CloudEvents that carry an issue: what an upstream publishes on `inbound.<line>`, and its receipt.

Both modes of the Kafka binding of CloudEvents 1.0 are read. In structured mode the value is the
whole event in JSON. In binary mode the value is the issue, and the attributes are headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from eventlog.codec import sorted_encoder
from eventlog.core.row import Sender
from events.catalogue import Line
from httpedge.items import JSON, media_type
from httpedge.problems import FieldError, Problem, invalid
from httpedge.strict_json import check_strict
from intake.core.submission import Item
from intake.inbound.record import Record
from intake.item_codec import item_of
from intake.parsing.issue import parse_issue
from intake.results import Result

ISSUE_TYPE = "gridcall.issue.v1"
RECEIPT_TYPE = "gridcall.receipt.v1"
STRUCTURED = "application/cloudevents+json"
SINGLE_HEADERS = ("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type")
ATTRIBUTES = ("specversion", "id", "source", "type")
TEXT_CHARS_MAX = 200  # Of an attribute, as of a reference.
decode_attribute = msgspec.json.Decoder(str).decode
decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class IssueEvent(NamedTuple):
    """A CloudEvent that carries an issue: two attributes, and the bytes of the issue."""

    id: str
    source: str
    issue: bytes


# ── Reading a record ─────────────────────────────────────────────────────────────────────────────


def parse_record(record: Record) -> IssueEvent:
    """Return the event that a record is.

    Raises Problem 415 if it says that it is something else, 422 if it cannot be read.
    """
    headers = {name.lower(): value for name, value in record.headers}
    single = [name.lower() for name, _ in record.headers if name.lower() in SINGLE_HEADERS]
    if len(single) > len(set(single)):
        raise not_an_event(
            "A header occurs twice of which there may be one: content-type, or one of CloudEvents."
        )
    if record.value is None:
        raise not_an_event("The record has no value: publish a CloudEvent with an issue in it.")
    content_type = header_text(headers.get("content-type", b""), "content-type")
    if content_type.split(";")[0].strip().lower() == STRUCTURED:
        return parse_structured(record.value)
    if "ce_specversion" in headers:
        return parse_binary(record.value, headers, content_type)
    detail = (
        f"Publish a CloudEvent: structured, with the header content-type: {STRUCTURED}, or binary,"
        " with ce_ headers."
    )
    raise Problem(415, "unsupported-type", "Not a CloudEvent", detail)


def parse_structured(value: bytes) -> IssueEvent:
    """Return the event whose JSON is the value of a record."""
    check_strict(value, "issue or action")
    try:
        members = decode_members(value)
    except msgspec.DecodeError as fault:
        detail = f"The event is not an object in JSON: {fault}."
    else:
        return event_of(members)
    raise not_an_event(detail)  # Outside of `except`: the traceback would carry the value along.


def event_of(members: Mapping[str, msgspec.Raw]) -> IssueEvent:
    """Return the event that has these members."""
    if "data_base64" in members:
        raise not_an_event("The issue is in data, as JSON, not in data_base64.", "/data_base64")
    if "data" not in members:
        raise not_an_event("The event has no data: the issue is there.", "/data")
    attributes = {name: member_text(members, name) for name in ATTRIBUTES}
    data_type = member_text(members, "datacontenttype") if "datacontenttype" in members else JSON
    check_json_type(data_type, "/datacontenttype")
    return checked_event(attributes, bytes(members["data"]), "/")


def parse_binary(value: bytes, headers: Mapping[str, bytes], content_type: str) -> IssueEvent:
    """Return the event whose issue is the value of a record."""
    check_json_type(content_type or JSON, "content-type")
    attributes = {
        name: header_text(headers.get(f"ce_{name}", b""), f"ce_{name}") for name in ATTRIBUTES
    }
    return checked_event(attributes, value, "ce_")


def checked_event(attributes: Mapping[str, str], issue: bytes, prefix: str) -> IssueEvent:
    """Return an event after a check of its attributes. Raises Problem 422."""
    for name, text in attributes.items():
        if not 0 < len(text) <= TEXT_CHARS_MAX:
            detail = f"{name} is missing, or longer than {TEXT_CHARS_MAX} characters."
            raise not_an_event(detail, prefix + name)
    version, kind = attributes["specversion"], attributes["type"]
    if version != "1.0":
        detail = f"specversion is {version}: only CloudEvents 1.0 is read."
        raise not_an_event(detail, f"{prefix}specversion")
    if kind != ISSUE_TYPE:
        detail = f"type is {kind!r}, and what is taken here is {ISSUE_TYPE}."
        raise not_an_event(detail, f"{prefix}type")
    return IssueEvent(attributes["id"], attributes["source"], issue)


def member_text(members: Mapping[str, msgspec.Raw], name: str) -> str:
    """Return an attribute of a structured event; empty if it is not there."""
    try:
        return decode_attribute(members[name]) if name in members else ""
    except msgspec.DecodeError:
        raise not_an_event(f"{name} is not a text.", f"/{name}") from None


def header_text(value: bytes, name: str) -> str:
    """Return a header as text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise not_an_event("A header is not UTF-8.", name) from None


def check_json_type(content_type: str, pointer: str) -> None:
    """Raise Problem 415 unless an issue is sent as JSON, and alone."""
    if media_type(content_type) != JSON:
        detail = f"An issue is sent as {JSON}, one in a record; see {pointer}."
        raise Problem(415, "unsupported-type", "Not JSON", detail)


def not_an_event(detail: str, pointer: str = "") -> Problem:
    """Refuse a record that cannot be read as an event with an issue in it."""
    return invalid(
        "The record is not a CloudEvent that carries an issue; see errors.",
        FieldError(pointer, detail),
    )


# ── The district of an issue ─────────────────────────────────────────────────────────────────────


def read_issue(event: IssueEvent, line: Line, districts: Sequence[str]) -> tuple[str, Item, str]:
    """Return the district of an event, its issue as the acceptor takes it, and its reference.

    `districts` are those for which its source may publish to this line. Raises Problem.
    """
    issue = parse_issue(event.issue)
    district = district_of(event.source, line, issue.district, districts)
    sender = Sender(event.source, f"topic:inbound.{line}")  # The broker let it in.
    item = item_of(issue.to_event(district, event.source, line), sender)
    return district, item, issue.reference


def district_of(source: str, line: str, named: str | None, districts: Sequence[str]) -> str:
    """Return the district of an issue that names one, or none. Raises Problem 403, 422."""
    if not districts:
        detail = (
            f"{source!r} may not publish to inbound.{line}: an operator allows it with"
            " gridcall key add."
        )
        raise Problem(403, "other-source", "A source that is not known", detail)
    publishes = f"{source!r} publishes for {', '.join(districts[:20])}"
    if named is None and len(districts) > 1:
        detail = f"{publishes}: name the district of the issue."
        error = FieldError("/data/district", "is missing")
        raise Problem(422, "no-district", "Which district?", detail, (error,))
    district = named or districts[0]
    if district not in districts:
        detail = f"{publishes}, not for {district[:40]!r}."
        error = FieldError("/data/district", "is not one of them")
        raise Problem(403, "other-district", "Another district", detail, (error,))
    return district


# ── The receipt ──────────────────────────────────────────────────────────────────────────────────


def receipt(place: str, cause: str | None, result: Result | Problem) -> bytes:
    """Return the structured CloudEvent that answers the record at a place.

    `cause` is the id of the record's event, if it has one.
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": place,
        "source": f"/gridcall/{place.split('/')[0]}",
        "type": RECEIPT_TYPE,
        "datacontenttype": JSON,
        "data": to_data(result, place),
    }
    if isinstance(result, Result):
        event["subject"] = result.reference
    if cause is not None:
        event["causationid"] = cause
    return sorted_encoder.encode(event)


def to_data(result: Result | Problem, place: str) -> Any:
    """Return what a POST would have been answered, about the record at a place."""
    if isinstance(result, Problem):
        return result.to_members(place)
    return msgspec.to_builtins(result)

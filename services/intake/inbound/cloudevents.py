"""A record of `inbound.<line>` and its answer: what an upstream system publishes is a CloudEvent with one issue in it.

Both modes of the Kafka binding of CloudEvents 1.0 are read: structured (the value is the whole event in JSON) and binary (the
value is the issue, the attributes are headers). Nothing here knows where a record lies or what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

import msgspec

from eventlog.codec import sorted_encoder
from events.catalogue import Line
from httpedge.items import JSON, media_type
from httpedge.problems import FieldError, Problem, invalid
from httpedge.strict_json import check_strict
from intake.core.submission import Item, item_of
from intake.parsing.issue import parse_issue
from intake.results import Result

ISSUE_TYPE = "gridcall.issue.v1"
RECEIPT_TYPE = "gridcall.receipt.v1"
STRUCTURED = "application/cloudevents+json"
UNIQUE = ("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type")
TEXT_MAX = 200  # Of an attribute, as of a reference.
attribute_of = msgspec.json.Decoder(str).decode
members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Record(NamedTuple):
    """What lies on the topic: key, value and headers, as they came."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def digest(self) -> bytes:
        """By which a record is known again, wherever it lies."""
        said = sha256()
        for part in (
            self.key,
            self.value,
            *(each for name, value in self.headers for each in (name.encode(), value)),
        ):
            said.update(b"-" if part is None else b"%d:" % len(part) + part)
        return said.digest()


class Sent(NamedTuple):
    """A CloudEvent that carries an issue: its attributes, and the bytes of the issue."""

    id: str
    source: str
    issue: bytes


def sent(record: Record) -> Sent:
    """The event that a record is. Raises Problem 415 where it says that it is something else, 422 where it cannot be read."""
    headers = {name.lower(): value for name, value in record.headers}
    once = [name.lower() for name, _ in record.headers if name.lower() in UNIQUE]
    if len(once) > len(set(once)):
        raise not_an_event(
            "A header occurs twice of which there may be one: content-type, or one of CloudEvents."
        )
    if record.value is None:
        raise not_an_event("The record has no value: publish a CloudEvent with an issue in it.")
    kind = text_of(headers.get("content-type", b""), "content-type")
    if kind.split(";")[0].strip().lower() == STRUCTURED:
        return structured(record.value)
    if "ce_specversion" in headers:
        return binary(record.value, headers, kind)
    raise Problem(
        415, "unsupported-type", "Not a CloudEvent",
        f"Publish a CloudEvent: structured, with the header content-type: {STRUCTURED}, or binary, with ce_ headers.",
    )  # fmt: skip


def structured(value: bytes) -> Sent:
    """The value is the event."""
    check_strict(value, "issue or action")
    try:
        members = members_of(value)
    except msgspec.DecodeError as fault:
        refuse(f"The event is not an object in JSON: {fault}.")
    if "data_base64" in members:
        raise not_an_event("The issue stands in data, as JSON, not in data_base64.", "/data_base64")
    if "data" not in members:
        raise not_an_event("The event has no data: the issue stands there.", "/data")
    said = {name: member(members, name) for name in ("specversion", "id", "source", "type")}
    check_type(
        member(members, "datacontenttype") if "datacontenttype" in members else JSON,
        "/datacontenttype",
    )
    return checked(said, bytes(members["data"]), "/")


def binary(value: bytes, headers: dict[str, bytes], kind: str) -> Sent:
    """The value is the issue."""
    check_type(kind or JSON, "content-type")
    said = {
        name: text_of(headers.get(f"ce_{name}", b""), f"ce_{name}")
        for name in ("specversion", "id", "source", "type")
    }
    return checked(said, value, "ce_")


def checked(said: dict[str, str], issue: bytes, prefix: str) -> Sent:
    """The attributes that an event must have."""
    for name, text in said.items():
        if not 0 < len(text) <= TEXT_MAX:
            raise not_an_event(
                f"{name} is missing, or longer than {TEXT_MAX} characters.", prefix + name
            )
    if said["specversion"] != "1.0":
        raise not_an_event(
            f"specversion is {said['specversion']}: only CloudEvents 1.0 is read.",
            f"{prefix}specversion",
        )
    if said["type"] != ISSUE_TYPE:
        raise not_an_event(
            f"type is {said['type']!r}, and what is taken here is {ISSUE_TYPE}.", f"{prefix}type"
        )
    return Sent(said["id"], said["source"], issue)


def member(members: dict[str, msgspec.Raw], name: str) -> str:
    """An attribute of a structured event; empty where it is not there."""
    try:
        return attribute_of(members[name]) if name in members else ""
    except msgspec.DecodeError:
        raise not_an_event(f"{name} is not a text.", f"/{name}") from None


def text_of(value: bytes, name: str) -> str:
    """A header as text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise not_an_event("A header is not UTF-8.", name) from None


def check_type(kind: str, where: str) -> None:
    """An issue is JSON, and one alone. Raises Problem 415."""
    if media_type(kind) != JSON:
        raise Problem(
            415,
            "unsupported-type",
            "Not JSON",
            f"An issue is sent as {JSON}, one in a record; see {where}.",
        )


def not_an_event(detail: str, pointer: str = "") -> Problem:
    """A record cannot be read as an event with an issue in it."""
    return invalid(
        "The record is not a CloudEvent that carries an issue; see errors.",
        FieldError(pointer, detail),
    )


def refuse(detail: str) -> NoReturn:
    """Raises Problem 422."""
    raise not_an_event(detail)


# ── Whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read(event: Sent, line: Line, districts: Sequence[str]) -> tuple[str, Item, str]:
    """The district of an event, its issue as the door takes it, and its reference. Raises Problem.

    `districts` are those for which its source may publish to this line.
    """
    issue = parse_issue(event.issue)
    if not districts:
        detail = f"{event.source!r} may not publish to inbound.{line}: an operator allows it with gridcall key add."
        raise Problem(403, "other-source", "A source that is not known", detail)
    if issue.district is None and len(districts) > 1:
        detail = f"{event.source!r} publishes for {', '.join(districts[:20])}: name the district of the issue."
        raise Problem(
            422,
            "no-district",
            "Which district?",
            detail,
            (FieldError("/data/district", "is missing"),),
        )
    district = issue.district or districts[0]
    if district not in districts:
        detail = f"{event.source!r} publishes for {', '.join(districts[:20])}, not for {district[:40]!r}."
        raise Problem(
            403,
            "other-district",
            "Another district",
            detail,
            (FieldError("/data/district", "is not one of them"),),
        )
    return district, item_of(issue.to_event(district, event.source, line)), issue.reference


# ── What is answered ─────────────────────────────────────────────────────────────────────────────────────────────────


def receipt(place: str, cause: str | None, answer: Result | Problem) -> bytes:
    """The structured CloudEvent that answers the record at a place; `cause` is the id of its event, where it has one.

    `data` is what a POST would have been answered.
    """
    data: dict[str, Any]
    data = answer.to_members(place) if isinstance(answer, Problem) else msgspec.to_builtins(answer)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": place,
        "source": f"/gridcall/{place.split('/')[0]}",
        "type": RECEIPT_TYPE,
        "datacontenttype": JSON,
        "data": data,
    }
    if isinstance(answer, Result):
        event["subject"] = answer.reference
    if cause is not None:
        event["causationid"] = cause
    return sorted_encoder.encode(event)

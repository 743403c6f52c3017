"""Make docs/asyncapi.json from the catalogue: `python -m tools.asyncapi` prints it.

The document is AsyncAPI 3.1, from gridcall's point of view: its messages to Kafka and from Kafka.
Every message of a log is the structured CloudEvents JSON of one event, with the exact schema of
its data.
"""

from __future__ import annotations

import inspect
import json

from events.catalogue import LINES
from events.registry import CATALOGUE, EventType, newer_version, short_type
from events.topology import SERVICES
from tools.asyncapi_schemas import ISSUE_TYPE, STRUCTURED, TEXT, Schema, ref, schemas

BINDING = "0.5.0"
FOREVER: Schema = {"cleanup.policy": ["delete"], "retention.ms": -1, "retention.bytes": -1}
A_WEEK: Schema = {"cleanup.policy": ["delete"], "retention.ms": 7 * 24 * 3600 * 1000}
NEWEST: Schema = {"cleanup.policy": ["compact"]}
NUMBERED = (
    "Partition: the number of the district in the list of districts, which only grows at its end;"
    " never a hash."
)

LOGS = {
    service.log: f"{service.summary} {service.name.capitalize()} alone writes."
    for service in SERVICES
    if service.log
}
TIME = """Watermarks, one per log and district; the newest counts. Up to `pos`, nothing more comes
before `w`. Believe it only when you have read `pos`: then a clock that is due before `w` has run
out."""
INBOUND = """An upstream system publishes here what it would post to /issues/{line}. A record is one
issue, as a CloudEvent in structured or binary mode. It is accepted like a POST, and is answered on
receipts.{line}."""
RECEIPTS = """Intake's answer to each record of inbound.{line}, with that record's key. A record may
be answered twice; `id` names its place on the topic: inbound.{line}/partition/offset."""


def document() -> Schema:
    """Return the whole document. Its order is fixed."""
    return {
        "asyncapi": "3.1.0",
        "id": "urn:gridcall",
        "info": {
            "title": "gridcall",
            "version": "1",
            "description": "The logs of gridcall on Kafka. Made from libs/events/catalogue/;"
            " see docs/kafka.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": STRUCTURED,
        "servers": {"kafka": server()},
        "channels": channels(),
        "operations": operations(),
        "components": {"messages": messages(), "schemas": schemas(list(LOGS))},
    }


def server() -> Schema:
    """Return the address of the broker; the default is that of deploy/kafka."""
    address = {"default": "127.0.0.1:19092", "description": "Host and port of a broker."}
    return {"host": "{address}", "protocol": "kafka", "variables": {"address": address}}


# ── Channels and operations ───────────────────────────────────────────────────────────────────────


def events_of(log: str) -> list[EventType]:
    """Return the events that a log carries, in the order of the catalogue."""
    return [kind for kind in CATALOGUE.values() if log in kind.logs]


def logs_with_events() -> list[str]:
    """Return the logs that have events."""
    return [log for log in LOGS if events_of(log)]


def channels() -> dict[str, Schema]:
    """Return every topic."""
    made = {
        log: channel(f"gridcall.{log}", LOGS[log], [kind.name for kind in events_of(log)], FOREVER)
        for log in logs_with_events()
    }
    made["time"] = channel("gridcall.time", TIME, ["watermark"], NEWEST)
    for line in LINES:
        issues = ["inbound-issue", "inbound-issue-binary"]
        made[f"inbound-{line}"] = channel(
            f"inbound.{line}", INBOUND.format(line=line), issues, A_WEEK
        )
        made[f"receipts-{line}"] = channel(
            f"receipts.{line}", RECEIPTS.format(line=line), ["receipt"], A_WEEK
        )
    return made


def channel(topic: str, words: str, names: list[str], settings: Schema) -> Schema:
    """Return a topic with its messages.

    A topic of a line has one partition, any other one a partition for each district.
    """
    one = settings is A_WEEK
    binding = (
        {"topic": topic} | ({"partitions": 1} if one else {}) | {"topicConfiguration": settings}
    )
    return {
        "address": topic,
        "description": one_line(words if one else f"{words} {NUMBERED}"),
        "messages": {name: ref("messages", name) for name in names},
        "bindings": {"kafka": binding | {"bindingVersion": BINDING}},
    }


def operations() -> dict[str, Schema]:
    """Return the operation of gridcall on each topic."""
    made = {
        f"send-{log}": operation(
            "send", log, "Publish what was committed, in its order, at least once."
        )
        for log in logs_with_events()
    }
    made["send-time"] = operation("send", "time", "Say how far time has passed.")
    for line in LINES:
        made[f"receive-inbound-{line}"] = operation(
            "receive", f"inbound-{line}", f"Take issues of the line {line}."
        )
        made[f"send-receipts-{line}"] = operation(
            "send", f"receipts-{line}", f"Answer the issues of the line {line}."
        )
    return made


def operation(action: str, name: str, summary: str) -> Schema:
    """Return one direction of one topic."""
    kafka = {"bindingVersion": BINDING}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": summary,
        "bindings": {"kafka": kafka},
    }


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────


def messages() -> dict[str, Schema]:
    """Return every message: the events under the names of their types, then the others."""
    made = {kind.name: event_message(kind) for kind in CATALOGUE.values()}
    watermark = {
        "description": "log/district.",
        "type": "string",
        "pattern": f"^({'|'.join(LOGS)})/.+$",
    }
    made["watermark"] = message(
        "A watermark", ref("schemas", "Watermark"), "application/json", key=watermark
    )
    made["inbound-issue"] = message(
        "An issue, in structured mode", ref("schemas", "StructuredIssue"), STRUCTURED
    )
    attributes = dict.fromkeys(BINARY_HEADERS, TEXT) | {"ce_type": ISSUE_TYPE}
    headers = {"type": "object", "required": list(BINARY_HEADERS), "properties": attributes}
    made["inbound-issue-binary"] = message(
        "An issue, in binary mode", ref("schemas", "Issue"), "application/json", headers
    )
    made["receipt"] = message("The answer to a record", ref("schemas", "Receipt"), STRUCTURED)
    return made


BINARY_HEADERS = ("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type")


def event_message(kind: EventType) -> Schema:
    """Return the message of an event: the envelope, with the constants of its type."""
    summary, _, more = inspect.cleandoc(kind.cls.__doc__ or "").partition("\n\n")
    log = kind.logs[0] if len(kind.logs) == 1 else f"({'|'.join(kind.logs)})"
    exact = {
        "data": ref("schemas", kind.cls.__name__),
        "dataclassification": {"const": "personal" if kind.personal else "internal"},
        "dataschema": {"const": f"urn:gridcall:schema:{kind.name}"},
        "id": {"pattern": f"^{log}/[^/]+/[1-9][0-9]*$"},
        "source": {"pattern": f"^/gridcall/[^/]+/{log}$"},
        "type": {"const": kind.name},
    }
    payload = {"allOf": [ref("schemas", "Event"), {"type": "object", "properties": exact}]}
    key = {"type": "string", "description": "The district."}
    if newer := newer_version(kind):
        more = f"{more} An earlier version: {newer.name} is written now.".strip()
    made = message(one_line(summary), payload, STRUCTURED, ref("schemas", "Headers"), key)
    return (
        {"name": kind.name, "title": short_type(kind.name)}
        | made
        | ({"description": one_line(more)} if more else {})
    )


def message(
    summary: str,
    payload: Schema,
    content_type: str,
    headers: Schema | None = None,
    key: Schema | None = None,
) -> Schema:
    """Return a message, with its key if it has one."""
    kafka = ({"key": key} if key else {}) | {"bindingVersion": BINDING}
    said = {"summary": summary, "contentType": content_type} | (
        {"headers": headers} if headers else {}
    )
    return said | {"payload": payload, "bindings": {"kafka": kafka}}


def one_line(words: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(words.split())


def render() -> str:
    """Return the document as docs/asyncapi.json has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(render(), end="")

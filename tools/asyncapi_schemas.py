"""The schemas of docs/asyncapi.json: envelope, other messages, and the data of every event."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from eventlog.codec import Wire
from events.registry import CATALOGUE

Schema = dict[str, Any]

STRUCTURED = "application/cloudevents+json"
NUMBER: Schema = {"type": "integer", "minimum": 1}
TEXT: Schema = {"type": "string"}
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$"

# The description and limits of each attribute of an event, beside its type in Wire.
ATTRIBUTES: dict[str, Schema] = {
    "causationid": {
        "minLength": 1,
        "description": "The row, or the clock that ran out, from which it follows;"
        " absent if the cause is outside.",
    },
    "data": {"type": "object", "description": "The fields of the event."},
    "dataclassification": {
        "enum": ["internal", "personal"],
        "description": "`personal` where a worker or an officer is named by code.",
    },
    "dataschema": {"format": "uri", "description": "The name of the schema of `data`."},
    "id": {"description": "log/district/position: unique for ever."},
    "input": {
        "minimum": 0,
        "description": "The last position of the input log that was applied; 0 in intake's log.",
    },
    "partitionkey": {"minLength": 1, "description": "The district."},
    "position": {
        "minimum": 1,
        "description": "Its place in the log of its district: 1, 2, 3 … without gaps.",
    },
    "sequence": {
        "minimum": 1,
        "description": "Its number within its subject: 1, 2, 3 … without gaps.",
    },
    "source": {"format": "uri-reference", "description": "/gridcall/district/log."},
    "specversion": {"const": "1.0"},
    "step": {
        "minimum": 1,
        "description": "Its number within its decision; only the first lets time pass.",
    },
    "subject": {"minLength": 1, "description": "The aggregate: an input, a case, or `reference`."},
    "time": {
        "format": "date-time",
        "pattern": TIME_PATTERN,
        "description": "UTC; a fraction only where it has one.",
    },
    "type": {"description": "The name of the event in the catalogue."},
}

HEADERS: Schema = {
    "type": "object",
    "required": ["content-type", "generation"],
    "properties": {
        "content-type": {"const": f"{STRUCTURED}; charset=UTF-8"},
        "generation": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Of the database that it comes from, in digits;"
            " a higher one replaces the rows that it repeats.",
        },
    },
}
WATERMARK: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["generation", "log", "pos", "shard", "w"],
    "properties": {
        "generation": NUMBER | {"description": "Of the database that it comes from."},
        "head": TEXT
        | {
            "pattern": "^[0-9a-f]{64}$",
            "description": "The hash that covers all inputs up to `pos`, in hex; of intake alone.",
        },
        "log": TEXT | {"enum": [], "description": "The log of which it speaks."},
        "pos": {
            "type": "integer",
            "minimum": 0,
            "description": "The last position of that log; 0 while it is empty.",
        },
        "shard": TEXT | {"description": "The district."},
        "w": {
            "type": "integer",
            "description": "An instant: microseconds since 1970-01-01T00:00:00Z.",
        },
    },
}
ISSUE: Schema = {
    "type": "object",
    "description": "An issue, exactly as the body of POST /issues/{line}: see docs/intake-api.md.",
}
ISSUE_TYPE: Schema = {"const": "gridcall.issue.v1"}
RECEIPT: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["specversion", "id", "source", "type", "datacontenttype", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": TEXT
        | {
            "pattern": "^.+/[0-9]+/[0-9]+$",
            "description": "The place of the record: topic/partition/offset.",
        },
        "source": TEXT | {"format": "uri-reference"},
        "type": {"const": "gridcall.receipt.v1"},
        "datacontenttype": {"const": "application/json"},
        "subject": TEXT
        | {"description": "The reference of the issue; absent where it was refused."},
        "causationid": TEXT
        | {"description": "The id of the CloudEvent that is answered; absent if it is unreadable."},
        "data": {
            "type": "object",
            "description": "The answer that a POST would get: docs/intake-api.md and /openapi.json."
            " Below 400 it is accepted.",
            "required": ["status"],
            "properties": {
                "status": {"type": "integer", "minimum": 200, "maximum": 599},
                "tracking": TEXT | {"pattern": "^[0-9a-f]{32}$"},
                "detail": TEXT,
            },
        },
    },
}


def schemas(logs: list[str]) -> dict[str, Schema]:
    """Return the schemas: envelope, headers, other messages, then the data of every event."""
    log = WATERMARK["properties"]["log"] | {"enum": logs}
    return {
        "Event": envelope(),
        "Headers": HEADERS,
        "Watermark": WATERMARK | {"properties": WATERMARK["properties"] | {"log": log}},
        "Issue": ISSUE,
        "StructuredIssue": structured_event(ref("schemas", "Issue")),
        "Receipt": RECEIPT,
        **data_schemas(),
    }


def envelope() -> Schema:
    """Return the schema of the envelope. Only the cause may be absent."""
    _, made = msgspec.json.schema_components((Wire,))
    wire = made["Wire"]
    properties = {name: known | ATTRIBUTES[name] for name, known in wire["properties"].items()}
    required = [name for name in wire["required"] if name != "causationid"]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def structured_event(data: Schema) -> Schema:
    """Return the schema of an upstream's CloudEvent, in structured mode."""
    required = ["specversion", "id", "source", "type", "data"]
    properties = dict.fromkeys(required, TEXT) | {
        "specversion": {"const": "1.0"},
        "type": ISSUE_TYPE,
        "data": data,
    }
    return {"type": "object", "required": required, "properties": properties}


def data_schemas() -> dict[str, Schema]:
    """Return the schemas of every event's data and of the values in them, by class name."""
    classes = [kind.cls for kind in CATALOGUE.values()]
    _, made = msgspec.json.schema_components(classes, ref_template="#/components/schemas/{name}")
    return {name: closed_schema(schema) for name, schema in made.items()}


def closed_schema(schema: Schema) -> Schema:
    """Return the schema of a dataclass as it is written: every field, and no other."""
    fields = {
        name: {key: said for key, said in field.items() if key != "default"}
        for name, field in schema["properties"].items()
    }
    return {
        "type": "object",
        "description": inspect.cleandoc(schema["description"]),
        "additionalProperties": False,
        "required": list(fields),
        "properties": fields,
    }


def ref(kind: str, name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}

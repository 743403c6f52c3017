"""Parts of an OpenAPI document, and what FastAPI does not know of: every refusal of a route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from httpedge.items import JSON, NDJSON
from httpedge.problems import TYPE_PREFIX
from httpedge.responses import PROBLEM

Schema = dict[str, Any]

REFUSALS = {
    400: "A header, an encoding or the frame of the request is broken",
    401: "No key, or one that is not in force",
    403: "A key for something else",
    404: "Not known",
    405: "Another method; see Allow",
    408: "The head or the body of the request did not come in time",
    409: "The same reference with other content",
    413: "Too large, or too many items",
    414: "The address is too long",
    415: "Another content type, or another encoding",
    422: "Cannot be read; `errors` says where, and what would be right",
    429: "More than this key or this address may send at the moment; see Retry-After",
    431: "Too many headers, or too long ones",
    500: "A fault of gridcall",
    503: "Nothing can be accepted at the moment; see Retry-After",
}
ALWAYS = (400, 405, 408, 414, 429, 431, 500, 503)
POSTED = (409, 413, 415, 422)
PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "description": "Why something was refused, and what to do (RFC 9457)."
    " Nothing of it was stored.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "pattern": f"^{TYPE_PREFIX}"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {
            "type": "string",
            "description": "The path, and the number of the item behind `#/`.",
        },
        "existing": {
            "type": "object",
            "description": "Of 409: what is there already, if this key may know of it.",
            "properties": {
                "reference": {"type": "string"},
                "id": {"type": "string"},
                "tracking": {"type": "string"},
                "position": {"type": "integer"},
                "time": {"type": "string", "format": "date-time"},
            },
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON Pointer (RFC 6901) into the item.",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def ref(part: str, name: str) -> dict[str, str]:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/{part}/{name}"}


def content(schema: Schema, line: Schema | None = None) -> dict[str, Any]:
    """Return the content of a body in JSON; `line` is the schema of each line of NDJSON, if any.

    The lines together count as an array.
    """
    lines = {NDJSON[0]: {"schema": {"type": "array", "items": line}}} if line else {}
    return {JSON: {"schema": schema}, **lines}


def text_header(description: str, example: str, *, required: bool = False) -> dict[str, Any]:
    """Return the description of a header of a response."""
    return {
        "description": description,
        "required": required,
        "schema": {"type": "string"},
        "example": example,
    }


PROBLEM_HEADERS = {
    401: {"WWW-Authenticate": text_header("What is asked for.", "Bearer", required=True)},
    405: {"Allow": text_header("The methods that there are.", "GET, HEAD", required=True)},
    429: {"Retry-After": text_header("Seconds.", "2", required=True)},
    503: {"Retry-After": text_header("Seconds.", "2", required=True)},
}


def refusal_responses() -> dict[str, Any]:
    """Return the component of each refusal, by its status."""
    schema = content(ref("schemas", "Problem"))[JSON]
    return {
        str(status): {
            "description": text,
            "content": {PROBLEM: schema},
            "headers": PROBLEM_HEADERS.get(status, {}),
        }
        for status, text in REFUSALS.items()
    }


def possible_refusals(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[int]:
    """Yield the statuses with which an operation can refuse: they follow from its description."""
    yield from ALWAYS
    if "security" in operation:
        yield from (401, 403, 429)
    if "{" in path:
        yield 404
    if method == "post":
        yield from POSTED
    if any(parameter.get("in") == "query" for parameter in operation.get("parameters", ())):
        yield 422


def add_refusals(document: dict[str, Any]) -> None:
    """Add every refusal to every operation of a document, in place."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)  # FastAPI's own, which no client gets.
            for status in sorted(set(possible_refusals(path, method, operation))):
                operation["responses"][str(status)] = ref("responses", str(status))

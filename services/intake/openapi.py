"""The OpenAPI document of the intake API: what FastAPI cannot see of it.

The two paths that are posted to are no routes of FastAPI (ingest_endpoint.py), and bodies are read
as bytes. Their schemas come from the declarations of issues and actions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from events.catalogue import LINES
from httpedge.items import ITEMS_MAX, JSON, NDJSON
from httpedge.openapi import (
    PROBLEM_SCHEMA,
    Schema,
    add_refusals,
    content,
    ref,
    refusal_responses,
    text_header,
)
from intake.ingest_endpoint import WAIT_SECONDS_MAX
from intake.parsing.action import ACTION
from intake.parsing.issue import ISSUE
from intake.results import Health, Progress, Result

TAG = "intake"
LINE_PARAMETER: Schema = {
    "name": "line",
    "in": "path",
    "required": True,
    "description": "One of the four lines.",
    "schema": {"type": "string", "enum": list(LINES), "title": "Line"},
}
PREFER_PARAMETER: Schema = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "example": "wait=2",
    "description": "`wait=N` (RFC 7240): for one item, wait N seconds for its outcome and, when"
    f" asking, for its case; {WAIT_SECONDS_MAX} at most.",
}
RESULT_OR_PROBLEM: Schema = {"anyOf": [ref("schemas", "Result"), ref("schemas", "Problem")]}
ONE_OR_MANY: Schema = {"oneOf": [ref("schemas", "Result"), ref("schemas", "Results")]}
HEADERS = {
    "Location": text_header(
        "Where to ask what became of it; for one item.", "/issues/hotline/2026-000117"
    ),
    "Preference-Applied": text_header("The wait that was applied.", "wait=2"),
}
RESPONSES: Schema = {
    "200": {
        "description": "All was known before: the first answer again. Or what became of it, for a"
        " sender who prefers to wait",
        "content": content(ONE_OR_MANY, RESULT_OR_PROBLEM),
        "headers": HEADERS,
    },
    "202": {
        "description": "Accepted and committed",
        "content": content(ONE_OR_MANY, RESULT_OR_PROBLEM),
        "headers": HEADERS,
    },
    "207": {
        "description": "Of several items some were refused: a result each, in their order",
        "content": content(ref("schemas", "Results"), RESULT_OR_PROBLEM),
    },
}
POST_ISSUES = """Post issues of a line: one object, an array, or NDJSON.

The answer comes after the commit: 202, with a tracking code. The same reference again changes
nothing: the same content gets the first answer (200), other content 409. Several items get a result
each, in their order. With `Prefer: wait=2` a single issue is answered by what became of it."""
POST_ACTIONS = (
    "Post what people did: visits, resolutions, answers to calls. Answered like issues;"
    " `Prefer: wait` tells the outcome."
)
ISSUE_EXAMPLE = {
    "reference": "2026-000117",
    "category": "Street light",
    "due": "2030-12-01T17:00:00+08:00",
    "place": {"point": {"lat": 36.68, "lon": 117.09}},
}
ACTION_EXAMPLE = {
    "reference": "v-1",
    "type": "visit_made",
    "by": "w:0102",
    "issue": {"line": "hotline", "reference": "2026-000117"},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to FastAPI's document the two posted paths, all components and every refusal."""
    document["paths"] = {**posted_paths(), **document["paths"]}
    document["components"] = {
        **components(),
        "securitySchemes": document["components"]["securitySchemes"],
    }
    add_refusals(document)
    return document


def posted_paths() -> Schema:
    """Return the two paths that are posted to."""
    issues = operation("post_issues", "Issues", POST_ISSUES, [LINE_PARAMETER])
    actions = operation("post_actions", "Actions", POST_ACTIONS, [])
    return {"/issues/{line}": {"post": issues}, "/actions": {"post": actions}}


def operation(name: str, body: str, description: str, parameters: list[Schema]) -> Schema:
    """Return the description of one POST."""
    return {
        "operationId": name,
        "summary": name.replace("_", " ").title(),
        "description": description,
        "tags": [TAG],
        "parameters": [*parameters, ref("parameters", "Prefer")],
        "requestBody": ref("requestBodies", body),
        "responses": dict(RESPONSES),
        "security": [{"key": []}],
    }


def components() -> Schema:
    """Return what operations share: bodies, results and refusals."""
    _, results = msgspec.json.schema_components(
        (Result, Progress, Health), ref_template="#/components/schemas/{name}"
    )
    schemas: Schema = {
        **results,
        "Results": {
            "type": "object",
            "required": ["results"],
            "properties": {"results": {"type": "array", "items": RESULT_OR_PROBLEM}},
        },
        "Problem": PROBLEM_SCHEMA,
    }
    for name, parser in (("Issue", ISSUE), ("Action", ACTION)):
        schema = parser.schema.json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = {**schema, "title": name}
    return {
        "schemas": schemas,
        "requestBodies": {
            "Issues": request_body("Issue", ISSUE_EXAMPLE),
            "Actions": request_body("Action", ACTION_EXAMPLE),
        },
        "responses": refusal_responses(),
        "parameters": {"Prefer": PREFER_PARAMETER},
    }


def request_body(name: str, example: Schema) -> Schema:
    """Return the body of a POST: one item, or several, each of which is judged by itself."""
    one = ref("schemas", name)
    items = {
        "description": f"An {name}. Anything else gets a result that says what is wrong.",
        "anyOf": [one, {}],
    }
    many = {
        "description": f"Up to {ITEMS_MAX:,}.",
        "type": "array",
        "items": items,
        "minItems": 1,
    }
    examples = {
        "one": {"value": example},
        "several": {"value": [example, {**example, "reference": "another"}]},
    }
    json_body = {"schema": {"oneOf": [one, many]}, "examples": examples}
    return {"required": True, "content": {JSON: json_body, NDJSON[0]: {"schema": many}}}

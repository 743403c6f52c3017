"""The payload schemas of the AsyncAPI document."""

from __future__ import annotations

import jsonschema_rs

from tools.asyncapi import document

CHECKS: dict[str, jsonschema_rs.Draft7Validator] = {}


def payload_validator(name: str) -> jsonschema_rs.Draft7Validator:
    """Return the validator of the payload of a message."""
    if name not in CHECKS:
        whole = {
            "$ref": f"#/components/messages/{name}/payload",
            "components": document()["components"],
        }
        CHECKS[name] = jsonschema_rs.Draft7Validator(whole, validate_formats=True)
    return CHECKS[name]

"""Parsing of issues."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from intake.issues import Issue
from intake.parsing.field_types import Text
from intake.parsing.parser import Parser

ISSUE: Parser[Issue] = Parser("issue", Issue, Issue)
REFERENCE: TypeAdapter[str] = TypeAdapter(Text)

parse_issue = ISSUE.parse


def stored_reference(text: str) -> str | None:
    """Return a reference as it is stored; None if there can be none like it."""
    try:
        return REFERENCE.validate_python(text)
    except ValidationError:
        return None

"""Errors of an item: pydantic's become sentences that say what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from events.texts import WORD
from httpedge.problems import ERRORS_MAX, FieldError, Problem, invalid
from intake.parsing.field_types import ID, PRINTABLE, UNBROKEN
from intake.parsing.issue_named import IssueById, IssueByLine
from intake.parsing.personal_data import is_personal
from intake.parsing.shape import Model, Shape, place_of

KEY_CHARS_MAX = 64  # Of an unknown field's name; the caches below keep no more of it.
HINTS_MAX = 2  # Unknown fields of an item for which the nearest name is looked up: that is slow.
SENTENCES = {
    "missing": "is missing: add it",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "too_long": "may have {max_length} elements: leave some out",
    "string_type": "must be text, in quotes",
    "string_too_short": "is empty: fill it in",
    "string_too_long": "may have {max_length} characters: shorten it",
    "literal_error": "must be {expected}",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "bool_type": "must be true or false",
    "date_type": "must be a date, for example 2026-03-01",
    "date_parsing": "must be a date, for example 2026-03-01",
    "value_error": "{error}",
    "json_invalid": "is not JSON: {error}",
}
PATTERNS = {
    PRINTABLE: "has a character that nobody sees (a tab, a line break, one of no width or one that"
    " turns the direction …): take it out",
    UNBROKEN: "must be a code, without slash, white space and characters that nobody sees",
    ID: "must be an id, 32 of 0-9 and a-f",
    WORD: "must be a code, 1 to 64 of a-z, 0-9 and _, never free text",
}
NO_TYPE = ("union_tag_not_found", "union_tag_invalid")
CRS = (
    "must be WGS84: convert the point to WGS 84 first; points of GCJ-02 and BD-09"
    " lie 100-700 m off, and others further"
)


def problem_of(name: str, root: Shape, error: ValidationError) -> Problem:
    """Return the problem that lists everything that is wrong with an item.

    `name` is "issue" or "action"; `root` is the shape that it should have.
    """
    count = error.error_count()
    if count > ERRORS_MAX:  # No slip of a pen; and to list them would cost more than they did.
        return invalid(
            f"{count:,} fields of this {name} are wrong or unknown: see what an {name} may have."
        )
    errors = error.errors(include_url=False, include_input=False)
    unknown = [each["loc"] for each in errors if each["type"] == "extra_forbidden"]
    hinted = [loc for loc in unknown if not is_personal(str(loc[-1])[:KEY_CHARS_MAX])][:HINTS_MAX]
    return invalid(
        f"This {name} is not valid: correct what errors lists, and send it again.",
        *(field_error(root, each, hint=each["loc"] in hinted) for each in errors),
    )


def field_error(root: Shape, error: ErrorDetails, *, hint: bool) -> FieldError:
    """Return the place of an error in the item, and the sentence about it."""
    kind, loc, context = error["type"], error["loc"], error.get("ctx", {})
    if kind in NO_TYPE:
        return FieldError("/type", f"must be one of {', '.join(tags_of(root))}")
    place = place_of(root, loc)
    if kind == "extra_forbidden":
        return FieldError(place.pointer, unknown_field(place.model, str(loc[-1]), hint=hint))
    if kind == "string_pattern_mismatch":
        return FieldError(place.pointer, PATTERNS.get(context["pattern"], "is not valid"))
    if loc[-1:] == ("crs",):
        return FieldError(place.pointer, CRS)
    return FieldError(place.pointer, SENTENCES.get(kind, "is not valid").format(**context))


def tags_of(root: Shape) -> tuple[str, ...]:
    """Return the tags of the alternatives."""
    return tuple(root) if isinstance(root, Mapping) else ()


def unknown_field(model: Model | None, key: str, *, hint: bool) -> str:
    """Return why a field that a model does not have is refused, with the nearest name if asked."""
    key = key[:KEY_CHARS_MAX]
    if is_personal(key):
        return f"personal data is not taken here yet: leave `{key}` out"
    if model is IssueById and key in IssueByLine.model_fields:
        return "name the issue by its id, or by line and reference, not by both"
    names = tuple(model.model_fields) if model else ()
    near = nearest(key, names) if hint else None
    if near:
        return f"unknown field; did you mean `{near}`?"
    return f"unknown field; known here are {', '.join(names)}"


@lru_cache(maxsize=1024)  # A sender who errs does so in each item of a request alike.
def nearest(key: str, names: tuple[str, ...]) -> str | None:
    """Return the name that is most like an unknown one, if any is."""
    return next(iter(get_close_matches(key, names, n=1)), None)

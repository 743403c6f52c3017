"""Files of reference data: strict JSON becomes a content, and an unknown field is named.

Texts are normalised to NFC, as those of issues are, so that a code from a file is the code that a
sender declares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from eventlog.content_codec import content_from
from events.plain import without_none
from events.reference_data import Content
from httpedge.problems import FieldError, Problem, child_pointer
from httpedge.strict_json import BYTE_ORDER_MARK, check_thoroughly
from intake.parsing.field_types import to_nfc

FILE_BYTES_MAX = 64 * 2**20

C = TypeVar("C", bound=Content)


class InvalidFile(ValueError):
    """A file is no content of its kind. `errors` have a JSON pointer and a sentence each."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("\n".join(f"{error.pointer or '/'}: {error.detail}" for error in errors))
        self.errors = errors


def parse_reference_file(body: bytes, kind: type[C]) -> C:
    """Return the content that the bytes of a file are. Raises InvalidFile with all unknown fields,
    or with the first other fault.
    """
    if len(body) > FILE_BYTES_MAX:
        raise InvalidFile(FieldError("", f"it has {len(body):,} bytes, at most {FILE_BYTES_MAX:,}"))
    body = body.removeprefix(BYTE_ORDER_MARK)
    try:
        check_thoroughly(body, "reference data")
        plain = normalize_texts(json.loads(body))
    except Problem as problem:
        raise InvalidFile(*(problem.errors or (FieldError("", problem.detail),))) from None
    except ValueError as error:
        raise InvalidFile(FieldError("", str(error))) from None
    unknown = tuple(unknown_fields(plain, kind, ""))
    if unknown:
        raise InvalidFile(*unknown)
    try:
        return content_from(plain, kind)
    except ValueError as error:
        raise InvalidFile(FieldError("", str(error))) from None


def normalize_texts(plain: Any) -> Any:
    """Return plain data with all texts in NFC. Raises ValueError if two keys become one."""
    if isinstance(plain, str):
        return to_nfc(plain)
    if isinstance(plain, list):
        return [normalize_texts(each) for each in plain]
    if isinstance(plain, dict):
        members = {to_nfc(key): normalize_texts(value) for key, value in plain.items()}
        if len(members) < len(plain):
            raise ValueError("two keys differ in their Unicode form only: keep one")
        return members
    return plain


def unknown_fields(plain: Any, hint: Any, pointer: str) -> Iterator[FieldError]:
    """Yield each field that its type does not have, with the nearest one that it has."""
    if isinstance(plain, list):
        element = next(iter(get_args(hint)), None)
        for number, each in enumerate(plain):
            yield from unknown_fields(each, element, f"{pointer}/{number}")
    elif isinstance(plain, dict) and isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        for name, value in plain.items():
            inner = child_pointer(pointer, name)
            if name in hints:
                yield from unknown_fields(value, without_none(hints[name]), inner)
            else:
                yield FieldError(inner, unknown_field(name, [each.name for each in fields(hint)]))
    elif isinstance(plain, dict) and get_origin(hint) in (dict, Mapping):
        for name, value in plain.items():
            yield from unknown_fields(value, get_args(hint)[1], child_pointer(pointer, name))


def unknown_field(name: str, known: list[str]) -> str:
    """Return the sentence about a field that is not known."""
    near = get_close_matches(name, known, n=1)
    question = f"did you mean `{near[0]}`?" if near else f"known here are {', '.join(known)}"
    return f"unknown field; {question}"

"""Problems: why a request or an item is refused, as RFC 9457 has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from events.errors import GridcallError

ERRORS_MAX = 32  # Errors that a problem lists; a sender who makes more has misread the contract.
KEY_CHARS_MAX = 64  # A longer key is not repeated in a pointer.
TYPE_PREFIX = "urn:gridcall:problem:"
# NUL and lone surrogates: no text that is answered may have them.
UNPRINTABLE = re.compile("[\0\ud800-\udfff]")


class FieldError(NamedTuple):
    """An error of one field: a JSON pointer (RFC 6901) into the item, and a sentence."""

    pointer: str
    detail: str


class Problem(GridcallError):
    """The reason for which a request or an item is refused. `kind` is the last part of its type.

    `existing` are members about what is there already, and remains. `headers` are those of its
    response that do not follow from its status.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        existing: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # All arguments, so that it can be pickled.
        super().__init__(status, kind, title, detail, errors, existing, headers)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors
        self.existing = existing
        self.headers = headers or {}

    def __str__(self) -> str:
        return f"{self.status} {self.kind}: {self.detail}"

    def to_members(self, instance: str) -> dict[str, Any]:
        """Return the members of the problem document; `instance` names the request or the item."""
        members: dict[str, Any] = {
            "type": f"{TYPE_PREFIX}{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            members["errors"] = [error._asdict() for error in self.errors]
        if self.existing:
            members["existing"] = dict(self.existing)
        return members


def too_soon(kind: str, detail: str, seconds: int) -> Problem:
    """Refuse a request that may come again after so many seconds."""
    retry = {"Retry-After": str(seconds)}
    return Problem(429, kind, "Too much", f"{detail} Try again in {seconds:,} s.", headers=retry)


def too_large(detail: str) -> Problem:
    """Refuse a request or an item that has too many bytes."""
    return Problem(413, "too-large", "Too large", detail)


def too_many(detail: str) -> Problem:
    """Refuse a request that has too many items."""
    return Problem(413, "too-many", "Too many items", detail)


def bad_gzip(detail: str) -> Problem:
    """Refuse a body that is announced as gzip and is not."""
    return Problem(400, "bad-gzip", "Not a gzip stream", detail)


def malformed_body(detail: str) -> Problem:
    """Refuse a body that cannot be cut, so that none of its items is taken."""
    return Problem(422, "malformed", "Not JSON that can be cut into items", detail)


def invalid(detail: str, *errors: FieldError) -> Problem:
    """Refuse one item; the items beside it are not concerned."""
    return Problem(422, "invalid", "Not a valid item", detail, errors)


def child_pointer(parent: str, key: str) -> str:
    """Return the pointer to a member; to its object if the key is too long or unprintable."""
    if len(key) > KEY_CHARS_MAX or UNPRINTABLE.search(key):
        return parent
    return f"{parent}/{key.replace('~', '~0').replace('/', '~1')}"

"""Conflicts: a reference that was posted before with other content. The first content remains.

The answer names what exists and which fields differ, never what they were. It says nothing to a key
that may not post to the line of what exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from events.catalogue import LINES, IssueReported
from events.instants import rfc3339
from events.registry import TYPE_OF
from httpedge.problems import FieldError, Problem
from intake.acceptor import Accepted
from intake.api_keys import ApiKey
from intake.core.submission import Item
from intake.store import IntakeStore

ISSUE = TYPE_OF[IssueReported].name
GIVEN = frozenset({"rules", "source"})  # They follow from the other fields, or from the key.
POINTERS = {"claims": "place"}  # The member of an item from which a field of its event is made.
DIFFERS = "is not what was accepted"
ADVICE = (
    "A correction is an action of its own: post it to /actions, or report the matter under a new"
    " reference."
)


def conflict(
    reference: str, accepted: Accepted | None = None, errors: tuple[FieldError, ...] = ()
) -> Problem:
    """Refuse a reference that was posted before with other content.

    `accepted` is what exists, if the sender may know of it.
    """
    when = f" at {rfc3339(accepted.time)}" if accepted else ""
    detail = f"{reference!r} was accepted{when} with other content, and that remains. {ADVICE}"
    existing = existing_members(reference, accepted) if accepted else None
    return Problem(409, "other-content", "Known with other content", detail, errors, existing)


def existing_members(reference: str, accepted: Accepted) -> dict[str, Any]:
    """Return what identifies an accepted item, and by which code it is tracked."""
    return {
        "reference": reference,
        "id": accepted.id,
        "tracking": accepted.code,
        "position": accepted.position,
        "time": rfc3339(accepted.time),
    }


async def explain_conflict(
    store: IntakeStore, key: ApiKey, item: Item, accepted: Accepted, reference: str
) -> Problem:
    """Refuse an item whose reference was posted before with other content, and say what differs."""
    inputs = await store.inputs_at(key.district, [accepted.position])
    type_, data = inputs[accepted.position]
    stored, posted = json.loads(data), json.loads(item.data)
    if not await may_know(store, key, stored, posted):
        return conflict(reference)
    return conflict(reference, accepted, tuple(differences(type_, stored, item.type, posted)))


async def may_know(
    store: IntakeStore, key: ApiKey, stored: dict[str, Any], posted: dict[str, Any]
) -> bool:
    """Tell whether a key may know of a stored input that has the identity of a posted one.

    Both have one source. An issue is of the same line, too; an action perhaps is not.
    """
    if stored["issue"] == posted["issue"] or key.lines.issuperset(LINES):
        return True
    identity = await store.find_by_id(stored["issue"])
    if identity is None or identity.district != key.district:
        return False
    type_, data = (await store.inputs_at(key.district, [identity.position]))[identity.position]
    return type_ == ISSUE and json.loads(data)["line"] in key.lines


def differences(
    stored_type: str, stored: dict[str, Any], posted_type: str, posted: dict[str, Any]
) -> Iterator[FieldError]:
    """Yield the fields of a posted item that are not those of the stored one."""
    if posted_type != stored_type:
        yield FieldError("/type", DIFFERS)
    for name, content in posted.items():
        if name not in GIVEN and content != stored.get(name):
            yield FieldError(f"/{POINTERS.get(name, name)}", DIFFERS)

"""Authorization: what the key of a request may do."""

from __future__ import annotations

import re

from events.catalogue import LINES, Line
from httpedge.problems import FieldError, Problem
from intake.api_keys import ApiKey, ApiKeys

# A secret of another form cannot be a key, and is looked up nowhere.
BEARER = re.compile(r"(?i:bearer) +(gck_[A-Za-z0-9_-]{20,100})")


async def authorize(keys: ApiKeys, authorization: str, *lines: str) -> ApiKey:
    """Return the key of an Authorization header if it is for one of these lines.

    Raises Problem 401 for no known key, 403 for a key of other lines.
    """
    secret = BEARER.fullmatch(authorization.strip())
    key = await keys.find(secret[1]) if secret else None
    if key is None:
        detail = "Send `Authorization: Bearer gck_…`; `gridcall key add` makes a key."
        raise Problem(401, "no-key", "No key that is known", detail)
    if key.lines.isdisjoint(lines):
        detail = f"This key is for {', '.join(sorted(key.lines))}, not for {' or '.join(lines)}."
        raise Problem(403, "other-line", "A key for something else", detail)
    return key


def check_line(line: str) -> Line:
    """Return a line of that name. Raises Problem 404 for an unknown one."""
    if line not in LINES:
        detail = f"{line[:40]!r} is no line; the four lines are {', '.join(LINES)}."
        raise Problem(404, "unknown-line", "No such line", detail)
    return line


def check_district(district: str | None, key: ApiKey) -> None:
    """Raise Problem 403 for an item that names another district than the key's."""
    if district not in (None, key.district):
        error = FieldError("/district", "is not the district of this key: leave it out")
        raise other_district(key, error)


def other_district(key: ApiKey, *errors: FieldError) -> Problem:
    """Refuse a district that the key does not open."""
    detail = (
        f"This key is for the district {key.district}: name no other one, or use a key of the other"
        " one."
    )
    return Problem(403, "other-district", "Another district", detail, errors)

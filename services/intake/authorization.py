"""Authorization: what the key of a request may do."""

from __future__ import annotations

import re

from events.catalogue import LINES, Line
from httpedge.problems import FieldError, Problem, too_soon
from httpedge.rate_limit import RateExceeded
from intake.api_keys import ApiKey, ApiKeys, WrongKey

# A secret of another form cannot be a key, and is looked up nowhere.
SECRET = re.compile("gck_[A-Za-z0-9_-]{20,100}")
BEARER = re.compile(r"(?i:bearer) +(\S+)")
HOW = "Send `Authorization: Bearer gck_…`; `gridcall key add` makes a key."


async def authorize(keys: ApiKeys, authorization: str, address: str, *lines: str) -> ApiKey:
    """Return the key of an Authorization header if it is for one of these lines.

    Raises Problem 401 for no key in force, 403 for a key of other lines, 429 for too many guesses.
    """
    bearer = BEARER.fullmatch(authorization.strip())
    key = await authenticate(keys, bearer[1] if bearer else "", address)
    check_lines(keys, key, address, *lines)
    return key


async def authenticate(keys: ApiKeys, secret: str, address: str, how: str = HOW) -> ApiKey:
    """Return the key of a secret that an address sent. `how` says how to send one.

    What is refused is counted in the access log, also by the checks below.
    Raises Problem 401 for no key in force, 429 for too many guesses.
    """
    if not SECRET.fullmatch(secret):
        if secret:
            keys.access.record_refusal("no-key", address)
        raise Problem(401, "no-key", "No key that is known", how)
    try:
        return await keys.find(secret, address)
    except RateExceeded as exceeded:
        keys.access.record_refusal("guesses", address)
        detail = "Too many keys that are not known came from this address."
        raise too_soon("guesses", detail, exceeded.seconds) from None
    except WrongKey as wrong:
        keys.access.record_refusal(wrong.kind, address, credential_of(wrong.key_id))
        detail = f"{wrong} {how}"
        raise Problem(401, wrong.kind, "No key that is in force", detail) from None


def check_lines(keys: ApiKeys, key: ApiKey, address: str, *lines: str) -> None:
    """Raise Problem 403 unless a key is for one of these lines."""
    if key.lines.isdisjoint(lines):
        keys.access.record_refusal("other-line", address, credential_of(key.id), key.district)
        detail = f"This key is for {', '.join(sorted(key.lines))}, not for {' or '.join(lines)}."
        raise Problem(403, "other-line", "A key for something else", detail)


def check_shard(keys: ApiKeys, key: ApiKey, address: str, shard: str) -> None:
    """Raise Problem 403 unless a key opens a shard."""
    if shard != key.district:
        keys.access.record_refusal("other-district", address, credential_of(key.id), key.district)
        raise other_district(key)


def credential_of(key_id: str) -> str:
    """Return a key as the record and the access log name it; empty for none."""
    return f"key:{key_id}" if key_id else ""


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

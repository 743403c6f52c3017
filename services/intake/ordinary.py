"""Issues that are surely good, read in one pass: nearly all are. What this does not take is left to wire.py, which says why.

It takes less than the contract allows, never more, and makes the same of it: tests hold the two equal.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple
from unicodedata import is_normalized

import msgspec
from msgspec import UNSET, Meta, UnsetType

from eventlog.codec import sorted_struct
from events.catalogue import PlaceClaim
from events.instants import Instant, instant_of
from httpedge.strict_json import SPACES

SMALL_BYTES = 4096  # The largest that is ordinary; an issue has some 200.

Claim: Any = sorted_struct(PlaceClaim)
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[str, Meta(min_length=1, max_length=64)]


class Issue(NamedTuple):
    """An issue that was checked: texts as they are kept, the deadline as an instant, what it says of its place as claims."""

    reference: str
    category: str
    urgency: str
    due: Instant | None
    claims: tuple[Any, ...]
    district: str | None


class Point(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """PointIn, as far as it is ordinary."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    crs: Literal["WGS84"] | UnsetType = UNSET

    def keys(self) -> int:
        """How many keys it was sent with, if none stood twice."""
        return 2 + (self.crs is not UNSET)


class Place(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """PlaceIn, as far as it is ordinary."""

    point: Point | UnsetType | None = UNSET
    grid: Code | UnsetType | None = UNSET
    street: Code | UnsetType | None = UNSET

    def keys(self) -> int:
        """How many keys it and its point were sent with, if none stood twice."""
        return (
            3
            - (self.point, self.grid, self.street).count(UNSET)
            + (self.point.keys() if self.point else 0)
        )

    def claims(self) -> tuple[Any, ...]:
        """What it claims, the most exact first."""
        return claims_of(
            self.point or None,
            kept(self.grid) if self.grid else None,
            kept(self.street) if self.street else None,
        )


class Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """IssueIn, as far as it is ordinary."""

    reference: Text
    category: Text
    urgency: Literal["normal", "urgent", "life"] | UnsetType = UNSET
    due: str | UnsetType | None = UNSET
    place: Place | UnsetType | None = UNSET
    district: Code | UnsetType | None = UNSET

    def keys(self) -> int:
        """How many keys it and all in it were sent with, if none stood twice."""
        absent = (self.urgency, self.due, self.place, self.district).count(UNSET)
        return 6 - absent + (self.place.keys() if self.place else 0)


sent = msgspec.json.Decoder(Sent).decode


class Unusual(ValueError):
    """Good or not, it is to be looked at more closely."""


def ordinary(item: bytes) -> Issue | None:
    """The issue that an item surely is; None where it is to be looked at more closely."""
    if len(item) > SMALL_BYTES:
        return None
    try:
        said = sent(item)
        return issue_of(said) if said.keys() == keys_at_most(item) else None
    except (msgspec.DecodeError, ValueError):  # Also bytes that are not UTF-8, and Unusual.
        return None


def issue_of(said: Sent) -> Issue:
    """What is kept of what was sent. Raises ValueError where that is not sure."""
    return Issue(
        kept(said.reference),
        kept(said.category),
        said.urgency or "normal",
        instant_of(said.due) if said.due is not None and said.due is not UNSET else None,
        said.place.claims() if said.place else (),
        unbroken(said.district) if said.district else None,
    )


def claims_of(point: Any, grid: str | None, street: str | None) -> tuple[Any, ...]:
    """What an issue says about its place, the most exact first; a point has `lat` and `lon`."""
    claims: tuple[Any, ...] = (
        () if point is None else (Claim(by="point", code=None, lat=point.lat, lon=point.lon),)
    )
    if grid is not None:
        claims += (Claim(by="grid", code=grid, lat=None, lon=None),)
    if street is not None:
        claims += (Claim(by="street", code=street, lat=None, lon=None),)
    return claims


def keys_at_most(item: bytes) -> int:
    """At least as many as its keys: behind each a quote is closed, and a colon follows. Where an item has no more *different*
    ones than these, none stands twice.
    """
    return item.translate(None, SPACES).count(b'":')


def kept(text: str) -> str:
    """A text without blanks at its ends. Raises Unusual for white space of other kinds, controls, and what is not in NFC."""
    if (
        text.isprintable()
        and (text.isascii() or is_normalized("NFC", text))
        and (trimmed := text.strip())
    ):
        return trimmed
    raise Unusual


def unbroken(code: str) -> str:
    """A code that stands in addresses. Raises Unusual where it has a blank or a slash."""
    if " " in code or "/" in code:
        raise Unusual
    return kept(code)

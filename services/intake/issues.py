"""Issues as lines post them: the declaration that parsing and the OpenAPI document read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from events.catalogue import IssueReported, Line, PlaceClaim
from intake.core.identity import issue_id
from intake.parsing.field_types import Code, DistrictCode, Strict, Text, Time


class Point(Strict):
    """A point in degrees of WGS 84."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    crs: Literal["WGS84"] = "WGS84"


class Place(Strict):
    """The place as a line knows it: a point, a grid's code, a street's code, or several of them."""

    point: Point | None = None
    grid: Code | None = None
    street: Code | None = None

    def claims(self) -> Iterator[PlaceClaim]:
        """Yield what is claimed of the place, the most exact first."""
        if self.point is not None:
            yield PlaceClaim(by="point", lat=self.point.lat, lon=self.point.lon)
        if self.grid is not None:
            yield PlaceClaim(by="grid", code=self.grid)
        if self.street is not None:
            yield PlaceClaim(by="street", code=self.street)


class Issue(Strict):
    """An issue; `reference` is the line's own name for it, `due` the deadline it promised."""

    reference: Text
    category: Text
    urgency: Literal["normal", "urgent", "life"] = "normal"
    due: Time | None = None
    place: Place | None = None
    district: DistrictCode | None = None

    def to_event(self, district: str, source: str, line: Line) -> IssueReported:
        """Return the event of an issue that a source sends through a line of a district."""
        return IssueReported(
            issue=issue_id(district, source, line, self.reference),
            source=source,
            line=line,
            reference=self.reference,
            category=self.category,
            urgency=self.urgency,
            due=self.due,
            claims=tuple(self.place.claims()) if self.place else (),
            rules=() if self.due is not None else ("no_due",),
        )

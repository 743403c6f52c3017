"""The issue that an action is about, by its id or by its line and reference."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from events.catalogue import Line
from intake.core.identity import issue_id
from intake.parsing.field_types import HexId, Strict, Text

BY_ID, BY_LINE = "issue by id", "issue by line"


class IssueById(Strict):
    """The issue that an action is about, by the id in the answer to its post."""

    id: HexId

    def resolve(self, district: str, source: str) -> str:
        """Return the id of the issue."""
        return self.id


class IssueByLine(Strict):
    """The issue that an action is about, by its line and by the line's own reference."""

    line: Line
    reference: Text

    def resolve(self, district: str, source: str) -> str:
        """Return the id of the issue, if the same source sent it."""
        return issue_id(district, source, self.line, self.reference)


def form_of(issue: Any) -> str:
    """Return the tag of the form in which an issue is named."""
    if isinstance(issue, IssueById) or (isinstance(issue, dict) and "id" in issue):
        return BY_ID
    return BY_LINE


IssueNamed = Annotated[
    Annotated[IssueById, Tag(BY_ID)] | Annotated[IssueByLine, Tag(BY_LINE)],
    Discriminator(form_of),
]

"""Submissions: issues of a line or actions of people, as one key posts them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from intake.api_keys import Key
from intake.authorization import check_district
from intake.core.submission import Item, item_of
from intake.issues import action_event, action_of, issue_item, issue_of


class IssueSubmission(NamedTuple):
    """Issues of a line."""

    key: Key
    line: str

    def read(self, item: bytes) -> tuple[Item, str]:
        """Return an issue as the acceptor takes it, and its reference. Raises Problem."""
        issue = issue_of(item)
        check_district(issue.district, self.key)
        return issue_item(issue, self.key.district, self.key.source, self.line), issue.reference

    def location(self, reference: str, code: str) -> str:
        """Return the path that tells what became of an issue."""
        if reference in (".", ".."):  # A client would take it for a step up.
            return f"/track/{code}"
        return f"/issues/{self.line}/{quote(reference, safe='')}"


class ActionSubmission(NamedTuple):
    """Actions of people."""

    key: Key

    def read(self, item: bytes) -> tuple[Item, str]:
        """Return an action as the acceptor takes it, and its reference. Raises Problem."""
        action = action_of(item)
        check_district(action.district, self.key)
        return item_of(action_event(action, self.key.district, self.key.source)), action.reference

    def location(self, reference: str, code: str) -> str:
        """Return the path that tells what became of an action."""
        return f"/track/{code}"


Submission = IssueSubmission | ActionSubmission

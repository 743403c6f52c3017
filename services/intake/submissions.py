"""Submissions: issues of a line or actions of people, as one key posts them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from eventlog.core.row import Sender
from events.catalogue import Line
from intake.api_keys import ApiKey
from intake.authorization import check_district, credential_of
from intake.core.submission import Item
from intake.item_codec import item_of
from intake.parsing.action import parse_action
from intake.parsing.issue import parse_issue

ACTIONS = "actions"


class IssueSubmission(NamedTuple):
    """Issues of a line."""

    key: ApiKey
    line: Line

    @property
    def name(self) -> str:
        """The line, for the rate of a key and for metrics."""
        return self.line

    def read(self, item: bytes) -> tuple[Item, str]:
        """Return an issue as the acceptor takes it, and its reference. Raises Problem."""
        issue = parse_issue(item)
        check_district(issue.district, self.key)
        event = issue.to_event(self.key.district, self.key.source, self.line)
        return item_of(event, sender_of(self.key)), issue.reference

    def location(self, reference: str, code: str) -> str:
        """Return the path that tells what became of an issue."""
        if reference in (".", ".."):  # A client would take it for a step up.
            return f"/track/{code}"
        return f"/issues/{self.line}/{quote(reference, safe='')}"


class ActionSubmission(NamedTuple):
    """Actions of people."""

    key: ApiKey

    @property
    def name(self) -> str:
        """The word beside the four lines, for the rate of a key and for metrics."""
        return ACTIONS

    def read(self, item: bytes) -> tuple[Item, str]:
        """Return an action as the acceptor takes it, and its reference. Raises Problem."""
        action = parse_action(item)
        check_district(action.district, self.key)
        event = action.to_event(self.key.district, self.key.source)
        return item_of(event, sender_of(self.key)), action.reference

    def location(self, reference: str, code: str) -> str:
        """Return the path that tells what became of an action."""
        return f"/track/{code}"


Submission = IssueSubmission | ActionSubmission


def sender_of(key: ApiKey) -> Sender:
    """Return the sender of an input that a key permits."""
    return Sender(key.source, credential_of(key.id))

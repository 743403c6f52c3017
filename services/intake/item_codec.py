"""The way from an event to the item that the acceptor takes."""

from __future__ import annotations

from eventlog.codec import sorted_encoder
from eventlog.core.row import Sender
from events.catalogue import Action, IssueReported, RetryAsked
from events.registry import TYPE_OF
from intake.core.submission import Item, make_item


def item_of(event: IssueReported | Action | RetryAsked, sender: Sender) -> Item:
    """Return an event as the acceptor takes it."""
    name = event.issue if isinstance(event, IssueReported) else event.action
    return make_item(name, TYPE_OF[type(event)].name, sorted_encoder.encode(event), sender)

"""The way from an event to the item that the acceptor takes."""

from __future__ import annotations

from eventlog.codec import decode_event, sorted_encoder, typed_data
from eventlog.core.row import Sender
from events.catalogue import Action, IssueReported, RetryAsked
from events.registry import TYPE_OF, latest
from intake.core.submission import Item, content_digest, make_item


def item_of(event: IssueReported | Action | RetryAsked, sender: Sender) -> Item:
    """Return an event as the acceptor takes it."""
    name = event.issue if isinstance(event, IssueReported) else event.action
    return make_item(name, TYPE_OF[type(event)].name, sorted_encoder.encode(event), sender)


def newest_content(type_name: str, data: bytes) -> bytes:
    """Return the digest of a stored input in its newest version, in which it is sent again."""
    return content_digest(*typed_data(latest(decode_event(type_name, data))))

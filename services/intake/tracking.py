"""Tracking: what became of an input, and the present stage of its case.

The outcome is read in the logs of the stages, and the case in the read model of the screen. That
may be behind, so every answer says as of when it is true.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, NamedTuple, Protocol

from casebook import Tracked, received_case
from eventlog.codec import decode_event
from eventlog.peers import Peers
from events.catalogue import IssueReported
from events.errors import Unavailable
from events.instants import Instant, rfc3339
from events.registry import UnknownEvent, latest
from events.stored_inputs import INSTALL_NEWER
from intake.action import wire_name
from intake.outcomes import Outcomes
from intake.results import (
    UNKNOWN_STATUS,
    CaseStatus,
    Progress,
    outcome_of,
    read_tracked,
    status_of,
)
from intake.store import IntakeStore, StoredIdentity

PEER_SECONDS_MAX = 8  # A peer is asked for ten seconds at most.


class Tracker(Protocol):
    """The read model that knows the present stage of each case."""

    async def find(self, district: str, case: str, after: Instant, seconds: float) -> Tracked:
        """Return what is known of a case. Raises Unavailable if the read model cannot say.

        It waits, at most so many seconds, until everything up to `after` is known.
        """


class NoTracker:
    """The tracker of a system without a read model."""

    async def find(self, district: str, case: str, after: Instant, seconds: float) -> Tracked:
        """Raise Unavailable."""
        raise Unavailable("no screen runs in this system")


class PeerTracker:
    """The tracker of a service that runs alone: it asks the screen over HTTP."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def find(self, district: str, case: str, after: Instant, seconds: float) -> Tracked:
        """Return the answer of the screen. Raises Unavailable if it gives none."""
        wait = min(seconds, PEER_SECONDS_MAX)
        body = await self._peers.ask("screen", "tracking", district, case, after=after, wait=wait)
        return read_tracked(body)


class Tracking(NamedTuple):
    """The parts that tell what became of an input."""

    store: IntakeStore
    outcomes: Outcomes
    tracker: Tracker

    async def progress(self, identity: StoredIdentity, seconds: float) -> Progress:
        """Return an accepted input, its outcome and its case.

        Waits for both, at most so many seconds.
        """
        until = monotonic() + seconds
        id_, district, position, time, code = identity
        event = await self._event(identity)
        if seconds:
            rows = await self.outcomes.wait(district, position, seconds)
        else:
            rows = await self.outcomes.find(district, position)
        issue = identity if isinstance(event, IssueReported) else await self._issue_of(event)
        return Progress(
            "issue" if isinstance(event, IssueReported) else wire_name(type(event)),
            id_,
            code,
            position,
            rfc3339(time),
            outcome_of(rows),
            await self._case(district, issue, time, max(0, until - monotonic())),
        )

    async def _issue_of(self, action: Any) -> StoredIdentity | None:
        """Return the issue that an action names; None if it was not reported."""
        return await self.store.find_by_id(action.issue)

    async def _event(self, identity: StoredIdentity) -> Any:
        """Return the event of an accepted input."""
        inputs = await self.store.inputs_at(identity.district, [identity.position])
        event = latest(decode_event(*inputs[identity.position]))
        if isinstance(event, UnknownEvent):
            raise Unavailable(f"{identity.id} is a {event.type}, {INSTALL_NEWER}", "this build")
        return event

    async def _case(
        self, district: str, issue: StoredIdentity | None, time: Instant, seconds: float
    ) -> CaseStatus | None:
        """Return the state of the case of an issue; None if this district has no such issue."""
        if issue is None or issue.district != district:
            return None
        try:
            tracked = await self.tracker.find(district, issue.id, max(time, issue.time), seconds)
        except Unavailable:
            return UNKNOWN_STATUS
        return status_of(tracked) if tracked.case else await self._unread(issue, tracked.as_of)

    async def _unread(self, issue: StoredIdentity, as_of: Instant) -> CaseStatus | None:
        """Return the state of an issue of which the read model has read nothing yet."""
        event = await self._event(issue)
        if not isinstance(event, IssueReported):  # An action may name anything as its issue.
            return None
        if as_of > issue.time:  # It should have been read.
            return UNKNOWN_STATUS
        return status_of(Tracked(received_case(event.due, issue.time), as_of))

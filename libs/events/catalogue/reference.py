"""Reference data is adopted: maps, rosters, lists, policies, decider versions."""

from __future__ import annotations

from events.catalogue.values import DeadlineRule, OnCall, ReferenceKind
from events.registry import Words, event


@event(
    "intake",
    "cases",
    "calls",
    "evaluations",
    reference=True,
    words=Words(en="Reference data adopted", zh="基础数据启用"),
)
class ReferenceAdopted:
    """From here on this version holds. `kind`: map, names, roster, admission, policies or decider.

    `digest` is the SHA-256 of the content, which is committed beside the log; a decider has a name
    only.
    """

    kind: ReferenceKind
    name: str
    digest: str


@event(
    "cases",
    "calls",
    "evaluations",
    reference=True,
    words=Words(en="Deadline policies adopted", zh="时限规则启用"),
)
class PoliciesAdopted:
    """Deadline policies hold from here on, for clocks that start from here on.

    `zone` is the district's IANA time zone. `answer_within` is the time limit of a call, in
    microseconds.
    """

    name: str
    zone: str
    answer_within: int | None
    limits: tuple[DeadlineRule, ...]


@event(
    "cases",
    "calls",
    personal=True,
    reference=True,
    words=Words(en="Roster adopted", zh="一格四员名册启用"),
)
class RosterAdopted:
    """A roster holds from here on.

    It names the receivers of calls of each unit; the gridworkers are in its content.
    """

    name: str
    digest: str
    receivers: tuple[OnCall, ...]


Adopted = ReferenceAdopted | PoliciesAdopted | RosterAdopted


def reference_kind(event: Adopted) -> str:
    """Return the kind of reference data that an adoption replaces."""
    if isinstance(event, ReferenceAdopted):
        return event.kind
    return "policies" if isinstance(event, PoliciesAdopted) else "roster"


def decider_version(event: Adopted) -> str | None:
    """Return the decider version that an adoption puts in force, if any."""
    is_version = isinstance(event, ReferenceAdopted) and event.kind == "decider"
    return event.name if is_version else None

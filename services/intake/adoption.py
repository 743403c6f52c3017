"""Adoption of reference data: an event in intake's log names a content by its digest.

All that adopt come here, so that nothing is adopted unchecked, and no district is made by the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eventlog.content_codec import decode_content
from eventlog.core.row import Sender
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import Database
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.errors import GridcallError
from events.reference_data import AdmissionList, Content, GridMap, Names, Policies, Roster
from intake.acceptor import AHEAD_US_MAX, clock_errors, now_us
from intake.core.reference_checks import Finding, InForce, check_content, check_decider
from intake.districts import require_district
from intake.store import ConditionStore, IntakeStore

CONTENT_TYPES: dict[ReferenceKind, type[Content]] = {
    "map": GridMap,
    "names": Names,
    "roster": Roster,
    "admission": AdmissionList,
    "policies": Policies,
}


class ReferenceRefused(GridcallError):
    """Reference data do not fit: nothing of them is adopted. `findings` say what and why."""

    def __init__(self, district: str, findings: Sequence[Finding]) -> None:
        reasons = "\n".join(map(str, findings))
        super().__init__(f"nothing is adopted in {district}, because it does not fit\n{reasons}")
        self.findings = findings


class Adoption(NamedTuple):
    """The events that were appended, their positions, and what was reported about the contents."""

    events: Sequence[ReferenceAdopted]
    positions: Sequence[int]
    findings: Sequence[Finding]


async def adopt_reference_data(
    database: Database,
    district: str,
    events: Sequence[ReferenceAdopted],
    contents: Mapping[str, bytes],
    sender: Sender,
) -> Adoption:
    """Append the events that are not in force already.

    Contents are stored first, so that an event never names a missing one. Raises UnknownDistrict,
    and ReferenceRefused for contents that do not fit each other or what is in force.
    """
    store = IntakeStore(database)
    await require_district(store, district)
    newest = await store.references_in_force(district)
    new = [event for event in events if newest.get(event.kind) != event]
    findings = check_contents(new, contents, district, await contents_in_force(store, newest))
    refuse_misfits(district, findings)
    await store.add_contents(contents)
    positions: Sequence[int] = ()
    if new:
        with clock_errors():
            await store.check_clock(now_us(), AHEAD_US_MAX)
            await ConditionStore(database).check_time(district, AHEAD_US_MAX)
        log = PostgresLog("intake", "intake", database, Notifier())
        positions = await log.append_reference(district, new, sender)
    return Adoption(new, positions, findings)


def refuse_misfits(district: str, findings: Sequence[Finding]) -> None:
    """Raise ReferenceRefused if a finding refuses a content."""
    if any(finding.severity == "refused" for finding in findings):
        raise ReferenceRefused(district, findings)


def check_contents(
    events: Sequence[ReferenceAdopted],
    contents: Mapping[str, bytes],
    district: str,
    in_force: InForce,
) -> list[Finding]:
    """Return the findings of contents that are adopted in this order.

    Refused is what does not fit what comes before it. Reported is what is missing at the end.
    """
    decoded = [
        (event.kind, decode_content(contents, event.digest, CONTENT_TYPES[event.kind]))
        for event in events
        if event.kind in CONTENT_TYPES
    ]
    findings = [
        finding._replace(part=f"decider: {finding.part}")
        for event in events
        if event.kind == "decider"
        for finding in check_decider(event.name)
    ]
    for kind, content in decoded:
        findings += findings_of(kind, content, district, in_force, "refused")
        in_force = in_force.with_content(content)
    reported: dict[str, Finding] = {}  # By its sentence: a map and its roster lack the same people.
    for kind, content in decoded:
        for finding in findings_of(kind, content, district, in_force, "reported"):
            reported.setdefault(finding.what, finding)
    return [*findings, *reported.values()]


def findings_of(
    kind: ReferenceKind, content: Content, district: str, in_force: InForce, severity: str
) -> list[Finding]:
    """Return the findings of one severity, each with the kind of its content."""
    return [
        finding._replace(part=f"{kind}: {finding.part}")
        for finding in check_content(content, district, in_force)
        if finding.severity == severity
    ]


async def contents_in_force(
    store: IntakeStore, newest: Mapping[ReferenceKind, ReferenceAdopted]
) -> InForce:
    """Return the contents of the newest adoption of each kind."""
    digests = [event.digest for kind, event in newest.items() if kind in CONTENT_TYPES]
    contents = await store.contents(digests)
    in_force = InForce()
    for kind, event in newest.items():
        if kind in CONTENT_TYPES and event.digest in contents:
            content = decode_content(contents, event.digest, CONTENT_TYPES[kind])
            in_force = in_force.with_content(content)
    return in_force

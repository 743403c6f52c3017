"""The reference data of escalation: deadline policies, and the receivers of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from events.catalogue import Adopted, OnCall, PoliciesAdopted, ReferenceAdopted, RosterAdopted
from events.instants import Instant


@dataclass(frozen=True, slots=True)
class Reference:
    """The policies in force, and the receiver of calls of each unit."""

    policies: PoliciesAdopted | None = None
    receivers: Mapping[str, OnCall] = field(default_factory=dict)

    def receiver_of(self, unit: str) -> OnCall:
        """Return who takes the calls of a unit; nobody by name if no roster says."""
        return self.receivers.get(unit, OnCall(unit, None, None))

    def answer_due(self, raised: Instant) -> Instant | None:
        """Return when a call that is raised then must be answered; None if calls have no limit."""
        within = self.policies.answer_within if self.policies else None
        return None if within is None else raised + within


def decide_reference(event: Adopted) -> Sequence[Adopted]:
    """Record what later decisions need."""
    match event:
        case PoliciesAdopted() | RosterAdopted():
            return [event]
        case ReferenceAdopted():
            return decide_content(event)
        case unreachable:
            assert_never(unreachable)


def decide_content(event: ReferenceAdopted) -> Sequence[Adopted]:
    """Record a decider version; the other contents are routing's own."""
    match event.kind:
        case "decider":
            return [event]
        case "map" | "names" | "admission" | "roster" | "policies":
            return []
        case unreachable:
            assert_never(unreachable)


def evolve_reference(reference: Reference, event: Adopted) -> Reference:
    """Return the reference data after an adoption."""
    match event:
        case PoliciesAdopted():
            return replace(reference, policies=event)
        case RosterAdopted(receivers=receivers):
            by_unit = {receiver.unit: receiver for receiver in receivers}
            return replace(reference, receivers=by_unit)
        case ReferenceAdopted():
            return reference
        case unreachable:
            assert_never(unreachable)

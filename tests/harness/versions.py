"""A catalogue in which `CaseVisited` has two versions, and stages with two decider versions.

The catalogue of today takes the part of the newer one. An earlier version of the event and of
routing's decider are declared beside it, for as long as a block or a test lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from assessment.core.decider import Assessment
from escalation.core.decider import Escalation
from eventlog.codec import data_decoder
from eventlog.core.decider import Following, Input
from events.catalogue import Assignment, CaseVisited, ClosingAsked, ReferenceAdopted, VisitMade
from events.registry import CATALOGUE, TYPE_OF, UPCASTERS, upcaster, value
from events.topology import DECIDER_VERSION
from routing.core.case import Outcome, Reported
from routing.core.decider import Routing, RoutingView
from routing.core.refusals import refuse

BEFORE = "2026-10"
BY_POST = "Cases are closed by post."
VISITED_V1, VISITED_V2 = "gridcall.case-visited.v1", "gridcall.case-visited.v2"


@value(kw_only=True)
class CaseVisitedV1:
    """The holder of the case visited the place. Its `by` was called `visitor`."""

    case: str
    holder: Assignment
    visitor: str


def rename_visitor(event: CaseVisitedV1) -> CaseVisited:
    """Return a visit with its visitor as `by`."""
    return CaseVisited(case=event.case, holder=event.holder, by=event.visitor)


@contextmanager
def registry_of_its_own() -> Iterator[None]:
    """Let the block declare events, and forget them after it."""
    registries: tuple[dict[Any, Any], ...] = (CATALOGUE, TYPE_OF, UPCASTERS)
    before = [dict(each) for each in registries]
    data_decoder.cache_clear()
    try:
        yield
    finally:
        for each, entries in zip(registries, before, strict=True):
            each.clear()
            each.update(entries)
        data_decoder.cache_clear()


@value(kw_only=True)
class VisitMadeV1:
    """A post in its first version. Its `by` was called `visitor`."""

    action: str
    issue: str
    source: str
    visitor: str


def rename_poster(event: VisitMadeV1) -> VisitMade:
    """Return a post with its visitor as `by`."""
    return VisitMade(action=event.action, issue=event.issue, source=event.source, by=event.visitor)


@contextmanager
def two_versions_of_visits() -> Iterator[None]:
    """Let visits and their posts be version 2 in the block, and read version 1."""
    with registry_of_its_own():
        for newest, first in ((CaseVisited, CaseVisitedV1), (VisitMade, VisitMadeV1)):
            kind = TYPE_OF[newest]
            second = replace(kind, name=kind.name.replace(".v1", ".v2"), version=2)
            TYPE_OF[newest] = CATALOGUE[second.name] = second
            TYPE_OF[first] = CATALOGUE[kind.name] = replace(kind, cls=first)
        upcaster(rename_visitor)
        upcaster(rename_poster)
        yield


@value(kw_only=True)
class LampLit:
    """An event that a newer build writes."""

    lamp: str


LAMP_LIT = "gridcall.lamp-lit.v1"


@contextmanager
def newer_build_writes() -> Iterator[None]:
    """Let `LampLit` be written in the block, and be of an unknown type when it is read."""
    with registry_of_its_own():
        TYPE_OF[LampLit] = replace(TYPE_OF[VisitMade], name=LAMP_LIT, cls=LampLit)
        yield


class RoutingBefore(Routing):
    """The decider of the version before: it writes the first version of visits, and closes no case
    for a person.
    """

    def decide(self, input_: Input, view: RoutingView) -> Sequence[Outcome | Following]:
        event, state = input_.event, view.state(input_.subject)
        if isinstance(event, ClosingAsked) and isinstance(state, Reported):
            return refuse(event, state, BY_POST)
        return [in_first_version(each) for each in super().decide(input_, view)]


def in_first_version(event: Any) -> Any:
    """Return an event as the earlier decider wrote it."""
    match event:
        case Following(cause=cause, event=inner):
            return Following(cause, in_first_version(inner))
        case CaseVisited(case=case, holder=holder, by=by):
            return CaseVisitedV1(case=case, holder=holder, visitor=by)
        case other:
            return other


def have_two_deciders(patch: pytest.MonkeyPatch) -> None:
    """Let stages begin with the version before, and have that of today, too."""
    patch.setattr("routing.stage.DECIDERS", {BEFORE: RoutingBefore, DECIDER_VERSION: Routing})
    patch.setattr("escalation.stage.DECIDERS", {BEFORE: Escalation, DECIDER_VERSION: Escalation})
    patch.setattr("assessment.stage.DECIDERS", {BEFORE: Assessment, DECIDER_VERSION: Assessment})


def have_decider_before(patch: pytest.MonkeyPatch) -> None:
    """Let stages be those of an older build, which has the version before alone."""
    patch.setattr("routing.stage.DECIDERS", {BEFORE: RoutingBefore})
    patch.setattr("escalation.stage.DECIDERS", {BEFORE: Escalation})
    patch.setattr("assessment.stage.DECIDERS", {BEFORE: Assessment})


def adoption_of(version: str) -> ReferenceAdopted:
    """Return the adoption of a decider version."""
    return ReferenceAdopted(kind="decider", name=version, digest="")

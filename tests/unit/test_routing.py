"""Routing: reference data are passed on."""

from __future__ import annotations

import pytest

from eventlog.testing.sentences import given
from events import catalogue as e
from events.errors import Halted
from tests.harness.city import (
    ADMISSION_ADOPTED,
    MAP_ADOPTED,
    POLICIES_ADOPTED,
    POLICIES_SENT,
    ROSTER_ADOPTED,
    ROSTER_SENT,
    routing,
)


def test_reference_data_is_passed_on_with_what_later_stages_need() -> None:
    case = given(routing)
    case.when(MAP_ADOPTED).then(MAP_ADOPTED)
    case.when(ROSTER_SENT).then(ROSTER_ADOPTED)
    case.when(POLICIES_SENT).then(POLICIES_ADOPTED)
    case.when(ADMISSION_ADOPTED).then(ADMISSION_ADOPTED)
    case.when(e.ReferenceAdopted(kind="decider", name="2026-11", digest="")).then(
        e.ReferenceAdopted(kind="decider", name="2026-11", digest="")
    )


def test_content_that_is_not_here_stops_the_shard() -> None:
    with pytest.raises(Halted, match="load it again"):
        given(routing).when(e.ReferenceAdopted(kind="policies", name="lost", digest="0" * 64))

"""Routing's stage: its decider, with compiled reference data and a locator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventlog.checkpoints import Fetch
from eventlog.core.stage import Stage
from eventlog.runner import nothing_to_fetch
from eventlog.stages import Stages, versioned_stage
from routing.core.decider import Routing
from routing.reference_store import ContentLibrary
from routing.spatial.locator import GridIndexes, Locator

DECIDERS = {"2026-11": Routing}  # By version, the oldest first.


def routing_stages(contents: Mapping[str, bytes], fetch: Fetch = nothing_to_fetch) -> Stages:
    """Return the stages of all districts, which share compiled maps.

    `fetch` adds to `contents` what the next rows adopt.
    """
    library = ContentLibrary(contents)
    indexes = GridIndexes(library)

    def make(district: str) -> Stage[Any, Any]:
        versions = {version: decider(district, library) for version, decider in DECIDERS.items()}
        return versioned_stage(versions, district, Locator(indexes))

    return Stages(make=make, sources=("intake",), sink="cases", fetch=fetch)

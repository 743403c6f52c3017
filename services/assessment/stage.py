"""Assessment's stage, and the projection of facts that runs before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assessment.core.decider import Assessment
from assessment.processor import AssessmentProcessor
from assessment.store import FactStore
from eventlog.core.stage import Stage
from eventlog.stages import Stages, versioned_stage

DECIDERS = {"2026-11": Assessment}  # By version, the oldest first.


def assessment_stages() -> Stages:
    """Return the stages of all districts. Reference data are adopted as `cases` has them."""

    def make(district: str) -> Stage[Any, Any]:
        versions = {version: decider() for version, decider in DECIDERS.items()}
        return versioned_stage(versions, district, adopts_from="cases")

    return Stages(make=make, sources=("cases", "calls"), sink="evaluations")


class AssessmentProcessors:
    """The stages of all districts, each behind the facts of its district, which `store` has."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self._stages = assessment_stages()
        self.sources = self._stages.sources
        self.sink = self._stages.sink

    def processor(self, shard: str, logs: Mapping[str, Any]) -> AssessmentProcessor:
        """Return a fresh processor of a district."""
        return AssessmentProcessor(shard, logs, self._stages, self._store)

"""Escalation's stage."""

from __future__ import annotations

from typing import Any

from escalation.core.decider import Escalation
from eventlog.core.stage import Stage
from eventlog.stages import Stages, versioned_stage

DECIDERS = {"2026-11": Escalation}  # By version, the oldest first.


def escalation_stages() -> Stages:
    """Return the stages of all districts."""

    def make(district: str) -> Stage[Any, Any]:
        versions = {version: decider() for version, decider in DECIDERS.items()}
        return versioned_stage(versions, district)

    return Stages(make=make, sources=("cases",), sink="calls")

"""Assessment's stage: a projection of two logs into facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assessment.fact_projection import FactProjection

MERGED_ROWS = 4_000  # At once: the more rows, the fewer facts are written again.


class AssessmentStages:
    """The projections of all districts."""

    sources = ("cases", "calls")
    sink = "evaluations"

    def processor(self, district: str, logs: Mapping[str, Any]) -> FactProjection:
        """Return a fresh projection of a district."""
        return FactProjection(district, logs["cases"], logs["calls"], logs[self.sink], MERGED_ROWS)

"""Findings of the map check, and changes of `map mend`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from events.reference_data import GridMap

Place = tuple[float, float]  # (lon, lat) in degrees.


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of the map. `refused` ones must be mended. `place` is (lon, lat) in degrees."""

    severity: Literal["refused", "reported"]
    kind: str
    feature: str
    place: Place | None
    area_m2: float | None
    what: str

    def __str__(self) -> str:
        where = f" at {self.place[0]:.6f}, {self.place[1]:.6f}" if self.place else ""
        return f"{self.severity}: {self.feature}{where}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckedMap:
    """The findings, refusals first, and the map if none of them refuses it."""

    findings: tuple[Finding, ...]
    grids: GridMap | None

    @property
    def refusals(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == "refused"]

    def kinds(self) -> Counter[str]:
        """Return the number of findings by kind."""
        return Counter(finding.kind for finding in self.findings)


def refusal(
    kind: str,
    feature: str,
    what: str,
    place: Place | None = None,
    area_m2: float | None = None,
) -> Finding:
    """Return a finding that must be mended."""
    return Finding("refused", kind, feature, place, area_m2, what)


def has_refusal(findings: Sequence[Finding]) -> bool:
    """Return True if a finding refuses the map."""
    return any(finding.severity == "refused" for finding in findings)


def refusals_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings in their order, those that refuse the map before all others."""
    return tuple(sorted(findings, key=lambda finding: finding.severity != "refused"))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of `map mend`, or the reason why it cannot be made. Areas are in m²."""

    severity: Literal["refused", "left_out", "mended"]
    kind: str
    feature: str
    what: str
    area_before_m2: float | None = None
    area_after_m2: float | None = None

    def __str__(self) -> str:
        return f"{self.severity.replace('_', ' ')}: {self.feature}: {self.what}{self._areas()}"

    def _areas(self) -> str:
        before, after = self.area_before_m2, self.area_after_m2
        if before is None or after is None:
            return ""
        return f" ({before:,.0f} m² → {after:,.0f} m²: {after - before:+,.3f} m²)"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

"""The table that a benchmark prints: each figure beside its peer, and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One figure beside its peer, and the ratio to reach. Without a peer the goal is a maximum."""

    name: str
    ours: float
    peer: float | None
    goal: float | None
    digits: int = 0

    def __str__(self) -> str:
        peer = "" if self.peer is None else f"{self.peer:,.{self.digits}f}"
        ratio = "" if self.peer is None else f"{self.ours / self.peer:.2f}"
        ours = f"{self.ours:,.{self.digits}f}"
        return f"{self.name:58}{ours:>12}{peer:>12}{ratio:>8}  {self._verdict()}".rstrip()

    def is_reached(self) -> bool | None:
        """Tell if the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        if self.peer is None:
            return self.ours <= self.goal
        return self.ours >= self.goal * self.peer

    def to_fields(self) -> dict[str, Any]:
        """Return the figure for JSON."""
        return {**self._asdict(), "reached": self.is_reached()}

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        sign = "≤" if self.peer is None else "≥"
        return f"{sign} {self.goal:<6g} {'reached' if self.is_reached() else 'MISSED'}"


def print_lines(lines: Sequence[Line]) -> None:
    """Print the figures as a table."""
    print(f"\n{'':58}{'gridcall':>12}{'peer':>12}{'ratio':>8}  goal")
    print("\n".join(map(str, lines)), flush=True)

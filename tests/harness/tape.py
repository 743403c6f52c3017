"""Rows that are written by hand, and a stage of escalation that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from escalation.core.decider import Escalation
from eventlog.core.decider import REFERENCE
from eventlog.core.row import Row
from eventlog.core.stage import Stage
from events import catalogue as e
from tests.harness.city import (
    ANN,
    POLICIES_ADOPTED,
    ROSTER_ADOPTED,
    USED,
)


class Tape:
    """Writes the rows of a log by hand."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.rows: list[Row] = []

    def write(self, time: int, subject: str, *events: e.Event) -> list[Row]:
        """One decision."""
        start = len(self.rows)
        for n, event in enumerate(events, 1):
            position = len(self.rows) + 1
            self.rows.append(
                Row(self.log, "city", position, time, position, n, subject, n, "", event)
            )
        return self.rows[start:]


def report(case: str, time: int, due: int | None) -> tuple[e.Event, e.Event]:
    matter = e.CaseFacts(
        line="hotline", category="Rubbish", urgency="normal", reported=time, due=due
    )
    return (
        e.CaseReported(
            case=case, issue=case, reference=f"ref-{case}", matter=matter, claims=(), rules=()
        ),
        e.CaseRouted(case=case, matter=matter, holder=ANN, located_by="point", rules=(), used=USED),
    )


def escalation_stage() -> tuple[Tape, Stage[Any, Any]]:
    tape, stage = Tape("cases"), Stage(Escalation(), "city")
    stage.apply(tape.write(0, REFERENCE, POLICIES_ADOPTED, ROSTER_ADOPTED))
    return tape, stage


def summary_of(rows: Sequence[Row]) -> list[tuple[int, str, str]]:
    return [(row.time, row.subject, type(row.event).__name__) for row in rows]

"""The violations of guarantees that a check has found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

SHOWN = 20  # Of each kind.
KINDS = {  # Each kind of violation, and the guarantee that it violates.
    "identity": 1,  # An id is not the digest of what it names.
    "lost": 1,  # Accepted, and not in the log.
    "twice": 1,  # In the log more than once.
    "position": 1,  # The clients got another position.
    "refused": 1,  # Refused, and in the log.
    "outcome": 1,  # An input has none, or two.
    "expiry": 1,  # An action that waited expired too early, too late, or not at all.
    "case": 1,  # An issue has no case, or two; or a case has no issue.
    "holder": 2,  # A case has another holder than its grid, or its last event, says.
    "state": 2,  # A case is nowhere, or in two places.
    "gap": 3,  # Positions do not follow each other.
    "head": 3,  # The shard's row tells of another last position than its log.
    "time": 3,  # Time goes back, or is not the cause's.
    "sequence": 3,  # A subject's rows are not numbered 1 to n.
    "step": 3,  # The rows of a decision do not belong together.
    "input": 3,  # The input applied goes back, or is not there.
    "cause": 3,  # A cause is not there.
    "subject": 3,  # A row is filed under another subject than it tells of.
    "unreadable": 3,  # A row lacks what its type has, or has a type that is not known here.
    "month": 4,  # Not finished, twice, at another time, or in another order of the inputs.
    "deadline": 5,  # Missed too early, too late, or not at all.
    "clock": 5,  # It was not started, or not stopped.
    "call": 5,  # Not one call at the level of a missed deadline, or one that nothing raised.
    "silence": 5,  # Not one call where a street was silent, or one where it was not.
    "ending": 5,  # A call ended by something else, twice, or not at all.
    "lag": 8,  # A stage has not applied all that it reads.
    "ahead": 8,  # A stage is further in time than what it reads.
}


class Violation(NamedTuple):
    """A guarantee that does not hold: its kind, and a sentence with ids."""

    kind: str
    sentence: str


@dataclass(slots=True)
class Report:
    """The numbers of receipts and rows that were read, and the violations."""

    receipts: int = 0
    rows: int = 0
    violations: list[Violation] = field(default_factory=list)

    def say(self, kind: str, sentence: str) -> None:
        assert kind in KINDS
        self.violations.append(Violation(kind, sentence))


def sentences(report: Report) -> Iterator[str]:
    """Return the first violations of each kind and the number of the others."""
    if not report.violations:
        read = f"{report.receipts} receipts, {report.rows} rows"
        yield f"{read}: nothing lost, nothing twice, nothing wrong"
    for kind, count in Counter(violation.kind for violation in report.violations).items():
        for violation in islice((v for v in report.violations if v.kind == kind), SHOWN):
            yield f"{kind} (guarantee {KINDS[kind]}): {violation.sentence}"
        if count > SHOWN:
            yield f"{kind} (guarantee {KINDS[kind]}): and {count - SHOWN} more"


def as_json(report: Report) -> str:
    """Return the report as one JSON object."""
    counts = Counter(violation.kind for violation in report.violations)
    shown = [
        v._asdict()
        for kind in counts
        for v in islice((v for v in report.violations if v.kind == kind), SHOWN)
    ]
    return json.dumps(
        {"receipts": report.receipts, "rows": report.rows, "counts": counts, "violations": shown}
    )

"""The screen's projection: it equals a fresh fold of the logs, and keeps what is worth showing."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.core.log import MemoryLog
from eventlog.core.row import Draft, Row
from eventlog.notifier import Notifier
from events import catalogue as e
from screen.core.projection import LOGS, CaseFile, DistrictProjection
from screen.follower import Follower
from screen.payloads import case_file_payload, detail_payload, district_payload
from tests.harness.city import ANN, DAY
from tests.harness.histories import END, drafts_of, histories, run

FACTS = e.CaseFacts(line="hotline", category="Noise", urgency="normal", reported=0, due=None)


def payload(projection: DistrictProjection) -> dict[str, Any]:
    """Return all that a projection shows."""
    cases = {name: case_file_payload(file) for name, file in projection.files.items()}
    return {**district_payload(projection, -1), "cases": cases}


def fresh_fold(rows: list[Row]) -> DistrictProjection:
    """Return the projection of whole logs, one after the other."""
    projection = DistrictProjection()
    for log in LOGS:
        projection.apply([row for row in rows if row.log == log])
    return projection


def projection_of(rows: list[Row]) -> DistrictProjection:
    """Return the projection after each row of `cases` and then its effects in `calls`."""
    projection, calls = DistrictProjection(), [row for row in rows if row.log == "calls"]
    for row in rows:
        if row.log == "cases":
            projection.apply([row])
            projection.apply([call for call in calls if call.input == row.position])
    return projection


@given(histories, st.randoms(use_true_random=False))
def test_the_projection_equals_a_fresh_fold_in_whatever_order_its_logs_are_read(
    history: list[Any], chance: random.Random
) -> None:
    rows = run(drafts_of(history, strict=False))
    left = {log: [row for row in rows if row.log == log] for log in LOGS}
    projection = DistrictProjection()
    while any(left.values()):
        log = chance.choice([log for log, more in left.items() if more])
        count = chance.randint(1, 5)
        projection.apply(left[log][:count])
        del left[log][:count]
    assert payload(projection) == payload(fresh_fold(rows))


@given(histories)
def test_the_counts_are_the_number_of_cases_there(history: list[Any]) -> None:
    projection = fresh_fold(run(drafts_of(history, strict=False)))
    files = [file for file in projection.files.values() if file.counted]
    calls = sum(len(file.calls) for file in files)
    assert sum(len(deadlines) for deadlines in projection.called.values()) == calls
    assert len(projection.overdue) == projection.totals["overdue"]
    for name in ("open", "overdue", "calling"):
        in_grids = sum(counts[name] for counts in projection.grids.values())
        nowhere = sum(is_counted(file, name) for file in files if file.case.grid is None)
        in_lines = sum(counts[name] for counts in projection.lines.values())
        total = sum(is_counted(file, name) for file in files)
        assert in_grids + nowhere == projection.totals[name] == in_lines == total


def is_counted(file: CaseFile, name: str) -> bool:
    """Return True for a case that is counted under this name."""
    calling = bool(file.calls)
    return {"open": file.case.open, "overdue": file.case.overdue, "calling": calling}[name]


class Tape:
    """A writer of rows of `cases` by hand."""

    def __init__(self) -> None:
        self.position = 0

    def row(self, case: str, event: e.Event) -> Row:
        """Return the next row, which is the only one of its decision."""
        self.position += 1
        at = self.position
        return Row("cases", "city", at, at, at, 1, case, 1, f"intake/city/{at}", event)

    def life(self, case: str) -> list[Row]:
        """Return the rows of a case that is reported and closed."""
        reported = e.CaseReported(case=case, issue=case, reference=case, matter=FACTS, rules=())
        return [self.row(case, reported), self.row(case, closing(case))]


def closing(case: str) -> e.CaseClosed:
    """Return the event that closes a case."""
    return e.CaseClosed(case=case, holder=ANN, by="eve")


DECLINED = e.InputDeclined(case="A", input_id="x", because="over")
REOPENED = e.CaseReopened(case="A", matter=FACTS, holder=ANN, because="recurrence")


@pytest.mark.parametrize("late", [DECLINED, REOPENED], ids=["declined", "reopened"])
def test_the_oldest_ended_case_is_kept_if_it_changes_again_in_the_same_batch(
    late: e.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screen.core.projection.ENDED_MAX", 3)
    tape, projection = Tape(), DistrictProjection()
    for case in "ABC":
        projection.apply(tape.life(case))
    projection.apply([*tape.life("D"), tape.row("A", late)])
    assert "A" in projection.files
    assert "B" not in projection.files or late == REOPENED
    for case in "EFGH":
        projection.apply(tape.life(case))
        district_payload(projection, -1)
    projection.apply([tape.row("A", closing("A"))])
    assert (projection.totals["open"], len(projection.running)) == (0, 0)


def drafts_of_ended(*names: str) -> list[Draft]:
    """Return inputs by which these cases are reported and end."""
    claims = (e.PlaceClaim(by="grid", code="0101"),)
    reports = [
        e.IssueReported(
            issue=name, source="s", line="hotline", reference=name, category="Rubbish",
            urgency="normal", due=9 * DAY, claims=claims, rules=(),
        )
        for name in names
    ]  # fmt: skip
    ends = [
        e.EndedAtSource(action=f"{name}#", issue=name, outcome="closed", rules=()) for name in names
    ]
    inputs: list[Any] = [*reports, *ends]
    reference_data = drafts_of([], strict=False)
    return [
        *reference_data,
        *(Draft(DAY, str(number), event) for number, event in enumerate(inputs)),
    ]


def test_an_ended_case_that_is_gone_is_still_counted_and_comes_back_when_it_reopens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("screen.core.projection.ENDED_MAX", 1)
    drafts = drafts_of_ended("a", "b", "c")
    before = projection_of(run(drafts))
    assert (list(before.files), before.totals["ended"], before.totals["open"]) == (["c"], 3, 0)
    again = e.ReopeningAsked(action="again", issue="a", because="recurrence")
    after = projection_of(run([*drafts, Draft(2 * DAY, "again", again)]))
    assert (set(after.files), after.totals["ended"], after.totals["open"]) == ({"a", "c"}, 2, 1)


def test_the_detail_of_an_event_names_nobody() -> None:
    resolved = e.CaseResolved(case="A", holder=ANN, by="ann", root_cause="worn_out")
    called = e.CallRaised(
        case="A", holder=ANN, call="A/1", from_level="grid", to_level="street",
        receiver=e.OnCall("01", "olga", "otto"), because="deadline", answer_due=None,
    )  # fmt: skip
    details = [detail_payload(Tape().row("A", event)) for event in (resolved, called)]
    assert details[0] == {"root_cause": "worn_out", "level": "grid"}
    assert (details[1]["unit"], details[1]["because"]) == ("01", "deadline")
    assert not {"ann", "olga", "otto"} & {str(value) for value in details[1].values()}


def test_a_follower_applies_causes_before_their_effects_and_nothing_is_late() -> None:
    rows = run(drafts_of_ended("a", "b"))

    async def follow() -> Follower:
        logs = {name: MemoryLog(name) for name in LOGS}
        for name in ("cases", "calls"):
            await logs[name].commit("city", [row for row in rows if row.log == name])
        await logs["intake"].append("city", drafts_of_ended("a", "b"))
        for log in logs.values():
            await log.announce("city", END)
        follower = Follower("city", logs, Notifier(), 60.0)
        while await follower.apply_batch():
            pass
        await follower.read_watermarks()
        return follower

    follower = asyncio.run(follow())
    assert payload(follower.projection)["totals"] == payload(fresh_fold(rows))["totals"]
    assert follower.lag() == {"cases": 0, "calls": 0, "rows": 0, "seconds": 0}
    assert follower.now == END

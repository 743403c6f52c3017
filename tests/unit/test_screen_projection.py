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
from events.errors import Unavailable
from screen.core.deadlines import Deadlines
from screen.core.projection import LOGS, CaseFile, DistrictProjection
from screen.follower import Follower
from screen.payloads import case_file_payload, detail_payload, district_payload
from screen.tracking import ScreenTracker
from tests.harness.city import ANN, DAY
from tests.harness.histories import CASES, END, drafts_of, histories, run

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


def test_what_has_no_deadline_is_listed_last_and_in_one_order() -> None:
    lists = [Deadlines(), Deadlines()]
    for deadlines, names in zip(lists, ("abc", "cba"), strict=True):
        for name in names:
            deadlines.add(DAY if name == "b" else None, name)
    assert [deadlines.first(9) for deadlines in lists] == [["b", "a", "c"]] * 2


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
        reported = e.CaseReported(
            case=case, issue=case, reference=case, matter=FACTS, claims=(), rules=()
        )
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


@given(histories)
def test_the_public_view_of_a_case_is_the_same_when_its_file_is_gone(history: list[Any]) -> None:
    rows = run(drafts_of(history, strict=False))
    whole = projection_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("screen.core.projection.ENDED_MAX", 0)
        gone = projection_of(rows)
    assert not set(gone.files) & set(gone.settled)
    assert {name: gone.public_case(name) for name in CASES} == {
        name: whole.public_case(name) for name in CASES
    }


def test_a_late_row_about_a_case_whose_file_is_gone_opens_no_other_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("screen.core.projection.ENDED_MAX", 0)
    tape, projection = Tape(), DistrictProjection()
    projection.apply(tape.life("A"))
    before = projection.public_case("A")
    projection.apply([tape.row("A", DECLINED)])
    assert (projection.files, projection.public_case("A")) == ({}, before)
    assert before is not None
    assert before.stage == "closed"


def test_declined_actions_for_an_issue_that_never_comes_leave_nothing() -> None:
    tape, projection = Tape(), DistrictProjection()
    projection.apply([tape.row("A", DECLINED) for _ in range(100)])
    assert (projection.files, projection.public_case("A")) == ({}, None)


@pytest.fixture
def rows_of_a() -> list[Row]:
    """Return the rows of a district in which the case a is reported and ends."""
    return run(drafts_of_ended("a"))


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
    assert follower.now == follower.as_of == END


async def test_the_projection_is_as_of_the_log_that_is_furthest_behind(
    rows_of_a: list[Row],
) -> None:
    logs = {name: MemoryLog(name) for name in LOGS}
    await logs["intake"].append("city", drafts_of_ended("a"))
    await logs["cases"].commit("city", [row for row in rows_of_a if row.log == "cases"])
    for log in logs.values():
        await log.announce("city", END)
    follower = Follower("city", logs, Notifier(), 1.0)
    assert follower.as_of < 0
    while await follower.apply_batch():
        pass
    assert follower.as_of < 0, "nothing was read of `calls`, and it may have rows"
    await follower.read_watermarks()
    assert follower.as_of == END


async def test_rows_that_came_after_the_last_look_are_not_claimed_to_be_read() -> None:
    logs = {name: MemoryLog(name) for name in LOGS}
    follower = Follower("city", logs, Notifier(), 1.0)
    for log in logs.values():
        await log.announce("city", DAY)
    await follower.read_watermarks()
    await logs["intake"].append("city", drafts_of_ended("a"))
    for log in logs.values():
        await log.announce("city", END)
    await follower.read_watermarks()
    assert follower.as_of == DAY


# ── What intake asks ─────────────────────────────────────────────────────────────────────────────


async def unread_follower(rows: list[Row]) -> Follower:
    """Return a follower of a district whose case a has ended, before it has read anything."""
    logs = {name: MemoryLog(name) for name in LOGS}
    await logs["intake"].append("city", drafts_of_ended("a"))
    for name in ("cases", "calls"):
        await logs[name].commit("city", [row for row in rows if row.log == name])
    for log in logs.values():
        await log.announce("city", END)
    return Follower("city", logs, Notifier(), 1.0)


async def test_while_the_logs_are_read_for_the_first_time_no_stage_is_shown(
    rows_of_a: list[Row],
) -> None:
    tracker = ScreenTracker({"city": await unread_follower(rows_of_a)})
    with pytest.raises(Unavailable, match="still reading"):
        await tracker.find("city", "a", DAY, 0)
    with pytest.raises(Unavailable, match="does not follow"):
        await tracker.find("elsewhere", "a", DAY, 0)


async def test_a_case_is_shown_as_of_an_instant_and_a_client_may_wait_for_it(
    rows_of_a: list[Row],
) -> None:
    follower = await unread_follower(rows_of_a)
    tracker = ScreenTracker({"city": follower})
    following = asyncio.create_task(follower.run())
    tracked = await tracker.find("city", "a", 2 * DAY, 10)
    assert tracked.case is not None
    assert (tracked.case.stage, tracked.as_of) == ("closed", END)
    assert (await tracker.find("city", "b", 2 * DAY, 0)).case is None
    later = await tracker.find("city", "a", END, 0)
    assert later == tracked, "nobody waits who did not ask for it"
    following.cancel()

"""The fold of the screen: any order of its logs gives the same files, counts and events."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventlog.core.row import Row
from events import catalogue as e
from events.instants import LATEST
from screen.core.case_file import GRID_FIGURES, LOGS, CaseFile, Tally
from screen.core.fold import concerned_case
from screen.core.lists import CaseList, Place, parse_place
from screen.folded_model import FoldedModel
from screen.payloads import detail_payload
from screen.store.packing import pack_file, unpack_file
from tests.harness.city import ANN, DAY
from tests.harness.histories import drafts_of, histories, run

FACTS = e.CaseFacts(line="hotline", category="Noise", urgency="normal", reported=0, due=None)


def files_of(model: FoldedModel) -> dict[str, CaseFile]:
    """Return all files of a model."""
    return {name: unpack_file(data) for name, data in model.files.items()}


def fresh_fold(rows: list[Row]) -> FoldedModel:
    """Return the fold of whole logs, one after the other."""
    folded = FoldedModel()
    for log in LOGS:
        folded.apply([row for row in rows if row.log == log])
    return folded


@given(histories, st.randoms(use_true_random=False))
def test_batches_of_any_size_in_whatever_order_of_the_logs_give_one_model(
    history: list[Any], chance: random.Random
) -> None:
    rows = run(drafts_of(history, strict=False))
    left = {log: [row for row in rows if row.log == log] for log in LOGS}
    folded = FoldedModel()
    while any(left.values()):
        log = chance.choice([log for log, more in left.items() if more])
        count = chance.randint(1, 5)
        folded.apply(left[log][:count])
        del left[log][:count]
    assert dict(folded.rows()) == dict(fresh_fold(rows).rows())


@given(histories)
def test_the_counts_are_the_numbers_of_cases_in_the_lists(history: list[Any]) -> None:
    folded = fresh_fold(run(drafts_of(history, strict=False)))
    keys = [file.keys() for file in files_of(folded).values()]
    for figure in ("open", "overdue", "calling", "queued", "parked"):
        counts = [n for name, n in folded.tallies.items() if name[::2] == ("line", figure)]
        assert sum(counts) == sum(getattr(each, figure) for each in keys)
    for figure in ("ended", "accepted"):
        counts = [n for name, n in folded.tallies.items() if name[::2] == ("line", figure)]
        assert sum(counts) == sum(getattr(each, figure) is not None for each in keys)
    for grid in {each.grid for each in keys if each.grid is not None}:
        for figure in GRID_FIGURES:
            listed = sum(getattr(each, figure) for each in keys if each.grid == grid)
            assert folded.tallies[Tally("grid", grid, figure)] == listed


@given(histories)
def test_an_open_case_is_either_running_or_overdue_and_never_ended(history: list[Any]) -> None:
    for file in files_of(fresh_fold(run(drafts_of(history, strict=False)))).values():
        keys = file.keys()
        assert keys.open == (keys.running + keys.overdue == 1)
        assert keys.line == "" or keys.open == (keys.ended is None)
        assert keys.due == LATEST or keys.due == file.case.due


@given(histories)
def test_a_packed_file_is_the_file(history: list[Any]) -> None:
    folded = fresh_fold(run(drafts_of(history, strict=False)))
    for data in folded.files.values():
        assert pack_file(unpack_file(data)) == data
        assert unpack_file(data) == unpack_file(pack_file(unpack_file(data)))


@given(histories)
def test_the_life_of_a_case_has_each_row_about_it_in_order(history: list[Any]) -> None:
    """But for actions that were declined before routing opened it."""
    rows = run(drafts_of(history, strict=False))
    for name, file in files_of(fresh_fold(rows)).items():
        opened = next(
            (r.position for r in rows if r.subject == name and isinstance(r.event, e.CaseReported)),
            0,
        )
        about = [row for row in rows if concerned_case(row) == name]
        for log in ("cases", "calls"):
            assert file.life.get(log, []) == [
                row.position
                for row in about
                if row.log == log
                and (
                    not isinstance(row.event, e.InputDeclined)
                    or (log != "cases" or row.position > opened > 0)
                )
            ]


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────


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
        closed = e.CaseClosed(case=case, holder=ANN, by="eve")
        return [self.row(case, reported), self.row(case, closed)]


DECLINED = e.InputDeclined(case="A", input_id="x", because="over")


def test_declined_actions_for_an_issue_that_never_comes_leave_nothing() -> None:
    tape, folded = Tape(), FoldedModel()
    folded.apply([tape.row("A", DECLINED) for _ in range(100)])
    assert list(folded.rows()) == [("progress of cases", (100, 100, 100)), ("settings", ())]


def test_a_case_that_changes_several_times_in_a_batch_is_counted_once() -> None:
    tape, folded = Tape(), FoldedModel()
    fold = folded.apply([*tape.life("A"), *tape.life("B"), tape.row("A", DECLINED)])
    assert fold.changed.keys() == {"A", "B"}
    assert folded.tallies[Tally("line", "hotline", "ended")] == 2
    assert folded.tallies[Tally("line", "hotline", "open")] == 0


def test_only_the_latest_events_are_listed() -> None:
    tape, folded = Tape(), FoldedModel()
    for number in range(100):
        folded.apply(tape.life(f"c{number}"))
    assert [event.case for event in folded.events] == [f"c{n}" for n in range(99, 39, -1)]


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


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────


def test_a_place_in_a_list_is_read_as_it_was_written() -> None:
    for place in (Place(9 * DAY, "a,b"), Place(-1, ""), CaseList("open").start):
        assert parse_place(str(place)) == place
    for text in ("", "1", "x,y", "9" * 40 + ",a"):
        try:
            parse_place(text)
        except ValueError:
            continue
        raise AssertionError(text)


def test_every_list_is_of_something_and_nothing_else_is_a_list() -> None:
    assert CaseList("open").is_known
    assert CaseList("accepted", "line", "hotline").is_known
    assert not CaseList("accepted").is_known
    assert not CaseList("open", "person", "x").is_known

"""simulate on the made-up city: every kind of dirt, and the same bytes in any kind of run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from eventlog.codec import Entry
from events.errors import Halted
from gridcall.simulation.city.local_time import LocalClock
from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from gridcall.simulation.driver import first_adoptions, simulate
from gridcall.simulation.feed import Feed, read_feed
from gridcall.simulation.pipelines.memory import MemoryPipeline
from gridcall.simulation.report_worker import start_report_worker
from gridcall.simulation.reports.cases import case_rows
from gridcall.simulation.reports.evaluations import round_half_even
from gridcall.simulation.reports.files import write_csv
from gridcall.simulation.reports.reader import ReportReader
from gridcall.simulation.results import compare_verdicts
from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL
from tests.harness.paths import ROOT
from tests.harness.simulation import run, table, watermarks
from tools.reference_model.files import expected_files

FILES = ("cases.csv", "calls.csv", "evaluations.csv", "rejected.csv", "summary.json")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run(tmp_path_factory.mktemp("city") / "out")


@pytest.fixture(scope="module")
def cases(files: dict[str, bytes]) -> dict[str, dict[str, str]]:
    return {row["reference"]: row for row in table(files["cases.csv"])}


# ── Against the contract, read by another program ────────────────────────────────────────────────


def test_another_program_that_reads_the_contract_gets_the_same_tables(
    files: dict[str, bytes],
) -> None:
    expected = expected_files(PROFILE, CITY, INPUTS, UNTIL)
    for name in ("cases.csv", "calls.csv", "evaluations.csv"):
        assert files[name].decode() == expected[name]
    assert rejections(files["rejected.csv"]) == rejections(expected["rejected.csv"].encode())
    summary = json.loads(files["summary.json"])
    del summary["log"]
    assert summary == json.loads(expected["summary.json"])


def rejections(content: bytes) -> list[list[str]]:
    """Return the rejections without their reasons, which are free words.

    A row with a wrong number of cells is rejected as a whole.
    """
    keys = ("file", "line", "reference", "column", "value")
    return [[row[key] for key in (keys if row["column"] else keys[:4])] for row in table(content)]


# ── By hand ──────────────────────────────────────────────────────────────────────────────────────


def test_every_kind_of_dirt_has_its_rule_and_none_is_dropped(files: dict[str, bytes]) -> None:
    summary = json.loads(files["summary.json"])
    assert all(count > 0 for count in summary["rules"].values())
    assert all(count > 0 for count in summary["located_by"].values())
    assert all(count > 0 for count in summary["verdicts"].values())
    assert all(count > 0 for count in summary["lines"].values())
    assert (
        summary["rows"]
        == 66
        == sum(summary[key] for key in ("accepted", "rejected", "duplicates", "after_until"))
    )
    assert summary["accepted"] == sum(summary["issues"].values())


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            "E-004",
            {
                "line": "petition",
                "reported": "2019-01-04T10:00:00Z",
                "due": "2019-03-05T23:59:59.999999Z",
                "ended": "",
            },
        ),
        (
            "E-006",
            {"located_by": "none", "grid": "", "verdict": "none", "rules": "no_due;no_point"},
        ),
        ("E-007", {"verdict": "running", "state": "open"}),
        (
            "E-008",
            {
                "verdict": "on_time",
                "due": "2019-01-10T23:59:59.999999Z",
                "ended": "2019-01-10T23:59:59.999999Z",
            },
        ),
        ("E-009", {"verdict": "overdue", "ended": "2019-01-11T00:00:00Z"}),
        ("E-010", {"verdict": "overdue", "rules": ""}),
        (
            "E-011",
            {
                "verdict": "on_time",
                "ended": "2019-01-08T08:00:00Z",
                "rules": "ended_before_reported",
            },
        ),
        ("E-013", {"verdict": "on_time", "rules": ""}),
        ("E-014", {"state": "open", "verdict": "overdue", "rules": "closed_without_time"}),
        ("E-016", {"state": "withdrawn", "verdict": "on_time"}),
        ("E-017", {"state": "closed"}),
        ("E-020", {"grid": "0201", "rules": "in_two_grids"}),
        ("E-021", {"grid": "0102", "rules": "in_two_grids"}),
        ("E-022", {"located_by": "grid", "grid": "0201", "rules": "outside_map"}),
        ("E-023", {"located_by": "street", "grid": "", "street": "02"}),
        ("E-024", {"located_by": "none", "street": "", "district": "exampleville"}),
        ("E-030", {"reported": "2019-03-31T01:30:00Z", "rules": "gap_time"}),
        ("E-031", {"reported": "2019-10-27T00:30:00Z", "rules": "overlap_time"}),
        ("E-041", {"verdict": "overdue", "ended": "2019-02-01T08:00:00Z", "rules": ""}),
        ("E-037", {"category": 'Quotes " and, commas'}),
        ("E-038", {"category": "=SUM(A1)"}),
        ("E-039", {"category": "Trimmed"}),
        ("F-002", {"ended": "", "state": "open", "verdict": "overdue"}),
    ],
)
def test_a_row_by_hand(
    cases: dict[str, dict[str, str]], reference: str, expected: dict[str, str]
) -> None:
    assert {key: cases[reference][key] for key in expected} == expected


def test_rows_after_the_end_and_rejected_ones_are_no_cases(
    cases: dict[str, dict[str, str]],
) -> None:
    assert not {"F-003", "F-004", "F-006", "F-019"} & cases.keys()


def test_a_case_due_before_its_report_calls_at_its_report(files: dict[str, bytes]) -> None:
    calls = [row for row in table(files["calls.csv"]) if row["reference"] == "E-010"]
    assert [(row["raised"], row["to"], row["because"], row["outcome"]) for row in calls] == [
        ("2019-01-08T08:00:00Z", "street", "deadline", "withdrawn"),
        ("2019-01-09T08:00:00Z", "district", "silence", "withdrawn"),
    ]


def test_only_verdicts_of_the_source_that_are_not_ours_differ() -> None:
    ours = {"A", "B", "E"}
    feed = Feed(accepted=5, published={"A": True, "B": False, "C": True, "D": False})
    assert compare_verdicts(ours, feed, has_column=True) == {"compared": 4, "differ": 2, "blank": 1}
    assert compare_verdicts(ours, Feed(accepted=5), has_column=False) == {
        "compared": 0,
        "differ": 0,
        "blank": 0,
    }


def test_a_repeat_changes_nothing_and_other_content_is_rejected_whatever_the_file(
    files: dict[str, bytes],
) -> None:
    rejected = {(row["file"], row["line"]): row for row in table(files["rejected.csv"])}
    assert rejected["requests-1.csv", "45"]["reason"].endswith("in requests-1.csv line 3")
    assert rejected["requests-2.csv", "7"]["reference"] == "E-003"
    assert ("requests-1.csv", "44") not in rejected


# ── The same bytes ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_any_batch_size_writes_the_same_bytes(
    tmp_path: Path, files: dict[str, bytes], batch: int
) -> None:
    assert run(tmp_path / "out", batch=batch) == files


def test_input_files_in_any_order_write_the_same_bytes(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    assert run(tmp_path / "out", inputs=INPUTS[::-1]) == files


@pytest.mark.parametrize("seed", range(5))
def test_watermarks_at_random_places_write_the_same_bytes(
    tmp_path: Path, files: dict[str, bytes], seed: int
) -> None:
    assert run(tmp_path / "out", batch=3, mark=watermarks(seed)) == files


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_hash_seed_writes_the_same_bytes(
    tmp_path: Path, files: dict[str, bytes], hash_seed: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "gridcall",
        "simulate",
        "--profile",
        str(PROFILE),
        "--map",
        str(CITY),
    ]
    command += [
        "--input",
        *map(str, INPUTS),
        "--until",
        UNTIL,
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    paths = os.pathsep.join(str(ROOT / part) for part in ("libs", "services", "."))
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == files["summary.json"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


# ── Poison ───────────────────────────────────────────────────────────────────────────────────────


def test_a_parked_case_is_open_counted_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, lines = load_profile(PROFILE)
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    until = LocalClock(profile.zone).instant(datetime.fromisoformat(UNTIL))[0]
    feed = read_feed(profile, lines, INPUTS, until)
    tables = ReportReader()
    pipeline = MemoryPipeline("exampleville", tables)
    decide = pipeline.runners[0].stage.decider.decide

    def fail(input_: Any, view: Any) -> Any:
        if getattr(input_.event, "reference", "") == "E-001":
            raise ZeroDivisionError("poison")
        return decide(input_, view)

    monkeypatch.setattr(pipeline.runners[0].stage.decider, "decide", fail)
    done = asyncio.run(simulate(profile, grids, feed, until, tmp_path, tables, pipeline))
    assert done.summary["issues"]["parked"] == 1
    assert sum(done.summary["issues"].values()) == done.summary["accepted"]
    assert "1 cases are parked" in done.failed[0]
    row = next(
        row for row in case_rows(tables.cases.values(), "exampleville", 1) if row[0] == "E-001"
    )
    assert row[-3:-1] == ("open", "none")


def test_a_fault_in_the_process_of_the_reports_ends_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gap = Entry(2, 0, 0, 1, "s", 1, "", "gridcall.visit-made.v1", b"{}")
    with start_report_worker() as tables:
        tables.read("intake", "city", [gap])
        with pytest.raises(Halted, match="reports' process ended"):
            tables.conclude(tmp_path, "city", 0, 1)
    assert "a gap, or a repeat" in capfd.readouterr().err


def test_the_reference_data_come_first_in_the_log() -> None:
    profile, _ = load_profile(PROFILE)
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    drafts, contents = first_adoptions(profile, grids, 7)
    assert [(draft.at, draft.event.kind) for draft in drafts] == [
        (7, "map"),
        (7, "roster"),
        (7, "policies"),
        (7, "decider"),
    ]
    assert len(contents) == 3


# ── Files ────────────────────────────────────────────────────────────────────────────────────────


def test_a_cell_is_quoted_only_if_it_must_be(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_csv(
        path,
        ["a", "b"],
        [["x", " y"], ["1,2", 'say "no"'], ["a\rb", "c\nd"], ["", "=1+1"], ["e\r\n", ";'"]],
    )
    assert (
        path.read_bytes() == b'a,b\nx, y\n"1,2","say ""no"""\n"a\rb","c\nd"\n,=1+1\n"e\r\n",;\'\n'
    )


@pytest.mark.parametrize(
    ("a", "b", "half_even"), [(5, 2, 2), (7, 2, 4), (20000, 3, 6667), (10000, 3, 3333), (0, 9, 0)]
)
def test_shares_are_rounded_half_to_even(a: int, b: int, half_even: int) -> None:
    assert round_half_even(a, b) == half_even


def test_a_case_parked_before_its_report_is_counted_in_any_batch_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, lines = load_profile(PROFILE)
    grids = check_map(CITY, profile.map).grids
    assert grids is not None
    until = LocalClock(profile.zone).instant(datetime.fromisoformat(UNTIL))[0]

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("poison")

    monkeypatch.setattr("routing.core.steps.defer.expiry", fail)
    for batch in (1, 1000):
        feed = read_feed(profile, lines, INPUTS, until)
        tables = ReportReader()
        pipeline = MemoryPipeline("exampleville", tables, batch)
        done = asyncio.run(simulate(profile, grids, feed, until, tmp_path, tables, pipeline, batch))
        assert done.summary["issues"]["parked"] == 2


def test_calls_that_may_not_wait_at_all_name_the_street_before_the_district(tmp_path: Path) -> None:
    hasty = tmp_path / "hasty.yaml"
    hasty.write_text(PROFILE.read_text(encoding="utf-8").replace("PT24H", "PT0S"), encoding="utf-8")
    files = run(tmp_path / "out", hasty)
    assert files["calls.csv"].decode() == expected_files(hasty, CITY, INPUTS, UNTIL)["calls.csv"]
    levels = [row["to"] for row in table(files["calls.csv"]) if row["reference"] == "E-002"]
    assert levels == ["street", "district"]


# ── Far times ────────────────────────────────────────────────────────────────────────────────────


def test_a_first_report_at_the_beginning_of_1970_keeps_its_time(tmp_path: Path) -> None:
    header, row = INPUTS[0].read_text(encoding="utf-8").splitlines()[:2]
    path = tmp_path / "old.csv"
    old = row.replace("2019-01-02T09:15:00", "1970-01-01T00:00:00Z")
    path.write_text(f"{header}\n{old}\n", encoding="utf-8")
    files = run(tmp_path / "out", inputs=[path])
    assert [row["reported"] for row in table(files["cases.csv"])] == ["1970-01-01T00:00:00Z"]


def test_times_of_other_centuries_are_times_like_any(tmp_path: Path) -> None:
    header, *rows = INPUTS[0].read_text(encoding="utf-8").splitlines()[:2]
    old = (
        rows[0]
        .replace("E-001", "O-1")
        .replace("2019-01-02T09:15:00", "1890-06-01T12:00:00")
        .replace("09/01/2019", "03/06/1890")
    )
    old = old.replace("2019-01-05T10:00:00", "")
    sentinel = rows[0].replace("E-001", "O-2").replace("09/01/2019", "31/12/9999")
    first = rows[0].replace("E-001", "O-3").replace("2019-01-02T09:15:00", "0001-01-01T00:00:00Z")
    path = tmp_path / "old.csv"
    path.write_text("\n".join([header, old, sentinel, first]) + "\n", encoding="utf-8")
    files = run(tmp_path / "out", inputs=[path])
    by_reference = {row["reference"]: row for row in table(files["cases.csv"])}
    assert [row["reference"] for row in table(files["cases.csv"])] == ["O-3", "O-1", "O-2"]
    assert (by_reference["O-1"]["reported"], by_reference["O-1"]["verdict"]) == (
        "1890-06-01T12:25:21Z",
        "overdue",
    )
    assert by_reference["O-2"]["due"] == "9999-12-31T23:59:59.999999Z"
    assert table(files["calls.csv"])[0]["raised"].startswith("1890-06-0")
    assert {row["period"] for row in table(files["evaluations.csv"])} >= {
        "0001-01",
        "1890-06",
        "2019-01",
    }

"""The files of format 2: their columns, and the same answers as in format 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL
from tests.harness.simulation import run, table
from tests.harness.small_city import format_2, simulate
from tools.reference_model.files import expected_files


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the profile of Exampleville in format 2."""
    keys = yaml.load(PROFILE.read_text(encoding="utf-8"), yaml.BaseLoader)
    path = tmp_path_factory.mktemp("profile") / "profile.yaml"
    path.write_text(yaml.safe_dump(keys | {"format": "2"}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, profile: Path) -> dict[str, bytes]:
    return run(tmp_path_factory.mktemp("city") / "out", profile)


NEW = {
    "cases.csv": {"origin": "opened"},
    "calls.csv": {"repeat": "0", "joined": "0"},
    "evaluations.csv": {"recurred": "0"},
}


@pytest.mark.parametrize("name", NEW)
def test_a_file_has_its_new_columns_and_the_rest_of_format_1(
    tmp_path: Path, files: dict[str, bytes], name: str
) -> None:
    new = NEW[name]
    rows = table(files[name])
    assert rows
    assert {tuple(row[column] for column in new) for row in rows} == {tuple(new.values())}
    rest = [{key: cell for key, cell in row.items() if key not in new} for row in rows]
    assert rest == table(run(tmp_path / "out")[name])


HEADERS = {
    "cases.csv": "reference,line,category,case,origin,located_by,grid,street,district,reported,due,"
    "ended,state,verdict,rules",
    "calls.csv": "raised,reference,case,from,to,receiver,because,repeat,joined,answer_due,"
    "acknowledged,answered,ended,outcome",
    "evaluations.csv": "period,worker,grid,street,reported,ended,due,in_time,missed,on_time_bp,"
    "recurred,open_at_end,overdue_at_end,calls_raised,calls_answered",
    "rejected.csv": "file,line,reference,column,value,reason",
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_columns_of_a_file(files: dict[str, bytes], name: str) -> None:
    assert files[name].decode().splitlines()[0] == HEADERS[name]


def test_the_summary_counts_origins_and_joined_reasons(files: dict[str, bytes]) -> None:
    summary = json.loads(files["summary.json"])
    assert summary["format"] == 2
    assert summary["origins"] == {"opened": summary["cases"], "joined": 0, "recurrence": 0}
    assert [summary["calls"][level]["joined"] for level in ("street", "district")] == [0, 0]
    assert len(summary["rules"]) == 11
    assert summary["rules"]["no_calendar"] == 0


def test_another_program_that_reads_the_contract_gets_the_same_files(
    files: dict[str, bytes], profile: Path
) -> None:
    expected = expected_files(profile, CITY, INPUTS, UNTIL)
    for name in NEW:
        assert files[name].decode() == expected[name]
    summary = json.loads(files["summary.json"])
    del summary["log"]
    assert summary == json.loads(expected["summary.json"])


def test_the_references_of_rejected_rows(tmp_path: Path) -> None:
    rows = [["A", "Lamp", "yesterday", "", "", "07"], ["B", "Lamp"]]
    for name, reference, expected in (
        ("row", {"row": True}, ["rows.csv:2", "rows.csv:3"]),
        ("columns", {"columns": ["id", "area"], "join": "/"}, ["A/07", ""]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        path = format_2(folder, reference=reference)
        rejected = table(simulate(folder, rows, path)["rejected.csv"])
        assert [row["reference"] for row in rejected] == expected

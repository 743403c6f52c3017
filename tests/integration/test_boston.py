"""A year of a real city: every answer is checked against something that is not gridcall."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import shapely
import yaml

from gridcall.simulation.city.map_validation import check_map
from gridcall.simulation.city.profile_loader import load_profile
from tests.harness.paths import ROOT
from tests.harness.simulation import run, table, watermarks
from tools.reference_model.files import expected_files

PROFILE = ROOT / "profiles" / "boston311_2015.yaml"
UNTIL = "2016-01-13"  # As the README has it.


def inputs(data: Path, months: str = "*") -> list[Path]:
    return sorted((data / "boston311_2015").glob(f"boston311_2015_{months}.csv.gz"))


def the_map(data: Path) -> Path:
    return data / "boston_geo" / "wgs84"


@pytest.fixture(scope="module")
def year(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run(
        tmp_path_factory.mktemp("boston") / "out", PROFILE, the_map(data), inputs(data), UNTIL
    )


@pytest.fixture(scope="module")
def january(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run(
        tmp_path_factory.mktemp("january") / "out",
        PROFILE,
        the_map(data),
        inputs(data, "01"),
        UNTIL,
    )


def test_the_map_is_accepted_and_all_of_its_dirt_is_named(data: Path) -> None:
    profile, _ = load_profile(PROFILE)
    checked = check_map(the_map(data), profile.map)
    assert not checked.refusals
    kinds = checked.kinds()
    assert (kinds["overlap"], kinds["hole"], kinds["crs"]) == (57, 68, 1)
    assert kinds["winding"] > 250
    assert checked.grids is not None
    assert len(checked.grids.grids) == 255


def test_the_map_in_feet_is_refused(data: Path) -> None:
    profile, _ = load_profile(PROFILE)
    grids = profile.map.grids.model_copy(update={"file": "Precincts.geojson"})
    refused = check_map(
        data / "boston_geo" / "raw", profile.map.model_copy(update={"grids": grids})
    ).refusals
    assert refused
    assert "degrees" in refused[0].what or "not a grid" in refused[0].what


def test_every_row_is_accepted(year: dict[str, bytes]) -> None:
    summary = json.loads(year["summary.json"])
    assert (summary["rows"], summary["accepted"], summary["rejected"]) == (121_145, 121_145, 0)
    assert (
        summary["accepted"] == sum(summary["issues"].values()) == sum(summary["verdicts"].values())
    )
    assert year["rejected.csv"].count(b"\n") == 1
    assert summary["rules"] == {
        "closed_without_time": 0,
        "ended_before_reported": 197,
        "gap_time": 0,
        "in_two_grids": 5,
        "no_due": 26_991,
        "no_point": 0,
        "outside_map": 23,
        "overlap_time": 1,
        "unknown_code": 0,
        "unknown_point": 17_070,
    }


def test_the_verdicts_are_those_that_the_city_published(year: dict[str, bytes]) -> None:
    assert json.loads(year["summary.json"])["published"] == {
        "compared": 120_992,
        "differ": 0,
        "blank": 153,
    }


def test_every_point_is_in_its_grid(data: Path, year: dict[str, bytes]) -> None:
    features = json.loads((the_map(data) / "precincts.geojson").read_bytes())["features"]
    shapes = {
        f["properties"]["ward_precinct"]: shapely.geometry.shape(f["geometry"]) for f in features
    }
    shapely.prepare(list(shapes.values()))
    grid_of = {
        row["reference"]: row["grid"]
        for row in table(year["cases.csv"])
        if row["located_by"] == "point"
    }
    assert len(grid_of) > 100_000
    points = defaultdict(list)
    for path in inputs(data):
        for row in rows_of(path):
            if row["CASE_ENQUIRY_ID"] in grid_of:
                points[row["LATITUDE"], row["LONGITUDE"]].append(grid_of[row["CASE_ENQUIRY_ID"]])
    for (lat, lon), grids in points.items():
        point = shapely.Point(float(lon), float(lat))
        expected = min(code for code, outline in shapes.items() if outline.intersects(point))
        assert set(grids) == {expected}, (lat, lon)


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_every_missed_deadline_has_its_calls_and_nothing_else_has(year: dict[str, bytes]) -> None:
    until, day = when("2016-01-13T05:00:00Z"), timedelta(hours=24)
    calls = defaultdict(list)
    for row in table(year["calls.csv"]):
        calls[row["case"]].append(
            (
                when(row["raised"]),
                row["from"],
                row["to"],
                row["because"],
                row["outcome"],
                row["ended"],
            )
        )
    for case in table(year["cases.csv"]):
        expected = []
        if case["verdict"] == "overdue":
            raised = max(when(case["due"]), when(case["reported"]))
            level = "grid" if case["grid"] else "street" if case["street"] else "district"
            end = ("withdrawn", case["ended"]) if case["ended"] else ("open", "")
            expected = [
                (raised, level, "street" if level == "grid" else "district", "deadline", *end)
            ]
            if level == "grid" and raised + day < (when(case["ended"]) if case["ended"] else until):
                expected.append((raised + day, "street", "district", "silence", *end))
        assert calls.pop(case["case"], []) == expected, case
    assert calls == {}


def test_another_program_that_reads_the_contract_gets_the_same_january(
    data: Path, january: dict[str, bytes]
) -> None:
    expected = expected_files(PROFILE, the_map(data), inputs(data, "01"), UNTIL)
    for name in ("cases.csv", "calls.csv", "evaluations.csv"):
        assert january[name].decode() == expected[name]
    summary = json.loads(january["summary.json"])
    del summary["log"]
    assert summary == json.loads(expected["summary.json"])


def test_without_endings_exactly_the_rows_with_a_due_before_the_end_are_overdue(
    data: Path, tmp_path: Path
) -> None:
    profile = yaml.load(PROFILE.read_text(encoding="utf-8"), yaml.BaseLoader)
    del profile["ended"]
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.dump(profile), encoding="utf-8")
    files = run(tmp_path / "out", path, the_map(data), inputs(data, "01"), UNTIL)
    overdue = {row["reference"] for row in table(files["cases.csv"]) if row["verdict"] == "overdue"}
    end = when("2016-01-13T05:00:00Z")
    due = {
        row["reference"]
        for row in table(files["cases.csv"])
        if row["due"] and when(row["due"]) < end
    }
    assert overdue == due
    assert len(due) > 5_000


@pytest.mark.parametrize("batch", [1, 7])
def test_any_batch_size_with_watermarks_at_random_places(
    data: Path, tmp_path: Path, january: dict[str, bytes], batch: int
) -> None:
    files = run(
        tmp_path / "out",
        PROFILE,
        the_map(data),
        inputs(data, "01"),
        UNTIL,
        batch,
        watermarks(batch),
    )
    assert files == january


@pytest.mark.long
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_the_whole_year_in_any_batch_size_with_watermarks_and_files_in_reverse(
    data: Path, tmp_path: Path, year: dict[str, bytes], batch: int
) -> None:
    mark = watermarks(batch)
    assert (
        run(tmp_path / "out", PROFILE, the_map(data), inputs(data)[::-1], UNTIL, batch, mark)
        == year
    )


@pytest.mark.long
def test_another_program_that_reads_the_contract_gets_the_same_year(
    data: Path, year: dict[str, bytes]
) -> None:
    expected = expected_files(PROFILE, the_map(data), inputs(data), UNTIL)
    for name in ("cases.csv", "calls.csv", "evaluations.csv"):
        assert year[name].decode() == expected[name]


def test_no_city_is_named_in_the_code() -> None:
    command = ["git", "grep", "-il", "boston", "--", "services", "libs", "gridcall"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 1), done.stderr

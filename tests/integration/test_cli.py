"""The command line: no needless imports, `map check`, and options that are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.broker import SCRIPT
from tests.harness.commands import environment, run_gridcall
from tests.harness.exampleville import CITY, PROFILE, changed_profile
from tests.harness.paths import ROOT

NEEDLESS = ("aiokafka", "alembic", "fastapi", "sqlalchemy")
NO_NEEDLESS_IMPORT = f"""
import sys, gridcall.cli.main, gridcall.cli.simulate, gridcall.simulation.pipelines.memory
sys.exit(str([name for name in {NEEDLESS} if name in sys.modules] or ""))
"""


def test_simulate_imports_no_web_framework_and_migrates_nothing_in_memory() -> None:
    command = [sys.executable, "-c", NO_NEEDLESS_IMPORT]
    done = subprocess.run(command, env=environment(), cwd=ROOT, stderr=subprocess.PIPE, check=False)
    assert done.stderr.strip() == b""


@pytest.mark.parametrize("code", ["two words", "a/b", "a\nb", ""])
def test_an_invalid_district_code_is_refused(code: str) -> None:
    done = run_gridcall("key", "add", "--district", code, "--source", "12345", "--line", "hotline")
    assert done.returncode == 2
    assert "is no district code" in done.stderr


def test_map_check_names_every_finding() -> None:
    done = run_gridcall("map", "check", CITY, "--profile", PROFILE)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "reported: areas.geojson: a crs member (CRS84): RFC 7946 has none; it is left out",
        "reported: grid 0102 at -6.290000, 53.330000: ring runs clockwise: "
        "RFC 7946 wants the other way; it is turned",
        "reported: grids 0201 and 0202 at -6.270250, 53.335000: "
        "overlap of 36915.934 m², tolerated; taken: 0201, the lowest code",
        "reported: hole between grids 0302 at -6.280000, 53.345000: "
        "hole of 295258.230 m², tolerated; a point in it lies outside the map",
    ]
    assert "6 grids; found: 1 crs, 1 winding, 1 overlap, 1 hole" in done.stderr


def test_map_check_refuses_what_is_larger_than_tolerated(tmp_path: Path) -> None:
    strict = changed_profile(
        tmp_path, "overlap: {take: lowest_code, tolerate_m2: any}", "overlap: {tolerate_m2: 36915}"
    )
    done = run_gridcall("map", "check", CITY, "--profile", strict, "--json")
    assert done.returncode == 2
    refused = [finding for finding in json.loads(done.stdout) if finding["severity"] == "refused"]
    assert [(finding["kind"], round(finding["area_m2"])) for finding in refused] == [
        ("overlap", 36916)
    ]


ANTIMERIDIAN: list[list[float]] = [[179, -18], [-179, -18], [-179, -16], [179, -16], [179, -18]]
CROSSED = [[-6.3, 53.3], [-6.2, 53.4], [-6.2, 53.3], [-6.3, 53.4], [-6.3, 53.3]]


def write_map(path: Path, *rings: list[list[float]], **members: Any) -> Path:
    """Write a map with a grid for each ring, as Exampleville's profile names its properties."""
    features = [
        {
            "type": "Feature",
            "properties": {"area_id": 16.0 + number, "ward_no": 1},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for number, ring in enumerate(rings)
    ]
    document = {"type": "FeatureCollection", "features": features, **members}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_map_check_refuses_an_outline_that_is_not_cut_at_180_degrees(tmp_path: Path) -> None:
    content = write_map(tmp_path / "areas.geojson", ANTIMERIDIAN).read_text().replace("16.0", "16")
    (tmp_path / "areas.geojson").write_text(content)
    done = run_gridcall("map", "check", tmp_path, "--profile", PROFILE)
    assert done.returncode == 2
    assert "cut it at 180° into a MultiPolygon" in done.stdout


def test_map_mend_writes_a_map_that_can_be_loaded_and_prints_each_change(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:4326"}}
    source, target = (
        write_map(tmp_path / "in.geojson", CROSSED, crs=crs),
        tmp_path / "areas.geojson",
    )
    words = ("map", "mend", source, target, "--profile", PROFILE)
    done = run_gridcall(*words)
    assert (done.returncode, done.stderr) == (0, f"{target}: 1 feature\n")
    assert done.stdout.splitlines() == [
        "mended: file: the crs member 'EPSG:4326' is left out, because RFC 7946 has none",
        "mended: file: area_id is written without .0, as a code, in 1 feature",
        "mended: grid 16: self-intersection: made valid (0 m² → 36,902,946 m²: +36,902,945.833 m²)",
    ]
    assert run_gridcall("map", "check", tmp_path, "--profile", PROFILE).returncode == 0
    again = run_gridcall(*words)
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr


def test_map_mend_writes_nothing_if_something_needs_a_decision(tmp_path: Path) -> None:
    source, target = write_map(tmp_path / "in.geojson", ANTIMERIDIAN), tmp_path / "out.geojson"
    done = run_gridcall("map", "mend", source, target, "--code", "area_id", "--json")
    assert done.returncode == 2
    (refused, *_) = json.loads(done.stdout)
    assert (refused["severity"], refused["kind"]) == ("refused", "antimeridian")
    assert "cut it at 180°" in refused["what"]
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("name", ["nowhere.shp", "broken.shp", "broken.csv", "text.geojson"])
def test_map_mend_says_why_a_file_is_no_map(tmp_path: Path, name: str) -> None:
    if name != "nowhere.shp":
        (tmp_path / name).write_text("code,street\n1,2\n")
    done = run_gridcall("map", "mend", tmp_path / name, tmp_path / "out.geojson")
    assert done.returncode == 2
    assert done.stderr.startswith(f"gridcall: {tmp_path / name}: ")
    assert "Traceback" not in done.stderr


def test_a_full_stdout_is_reported() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [
            sys.executable,
            "-m",
            "gridcall",
            "map",
            "check",
            str(CITY),
            "--profile",
            str(PROFILE),
        ]
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr == "gridcall: stdout: No space left on device; make room, then run again\n"


def test_the_broker_names_what_it_lacks_if_apt_fails(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "id"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    (tmp_path / "apt-get").write_text("#!/bin/bash\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    done = subprocess.run(
        ["bash", SCRIPT, "install"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Java 17 and Maven: apt-get install" in done.stderr

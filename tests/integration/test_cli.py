"""The command line: no needless imports, `map check`, and options that are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.broker import SCRIPT
from tests.harness.commands import environment, run_gridcall
from tests.harness.exampleville import CITY, PROFILE, changed_profile
from tests.harness.paths import ROOT

NO_WEB_FRAMEWORK = """
import sys, gridcall.cli.main, gridcall.cli.simulate
sys.exit('fastapi' in sys.modules)
"""


def test_simulate_imports_no_web_framework() -> None:
    command = [sys.executable, "-c", NO_WEB_FRAMEWORK]
    done = subprocess.run(command, env=environment(), cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0


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

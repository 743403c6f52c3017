"""Random cities through simulate, and through another program that reads the same contract."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.random_city import CityMaker
from tests.harness.simulation import run, table
from tools.reference_model.files import expected_files

EXAMPLES = min(settings().max_examples, 150)  # A run takes some 40 ms.
KEYS = ("file", "line", "reference", "column", "value")


def rejections(content: bytes) -> list[list[str]]:
    """Return the rejections without their reasons, and without the value of a whole row."""
    return [[row[key] for key in (KEYS if row["column"] else KEYS[:4])] for row in table(content)]


@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES)
def test_another_program_gets_the_same_files_of_any_city(seed: int) -> None:
    city = CityMaker(seed).make()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile, inputs = city.write(folder)
        files = run(folder / "out", profile, folder, inputs, city.until)
        expected = expected_files(profile, folder, inputs, city.until)
    for table_name in ("cases.csv", "calls.csv", "evaluations.csv"):
        assert files[table_name].decode() == expected[table_name]
    assert rejections(files["rejected.csv"]) == rejections(expected["rejected.csv"].encode())
    summary = json.loads(files["summary.json"])
    del summary["log"]
    assert summary == json.loads(expected["summary.json"])


def test_random_cities_have_every_kind_of_dirt(tmp_path: Path) -> None:
    """Check that the comparison above compares something."""
    met: set[str] = set()
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        city = CityMaker(seed).make()
        profile, inputs = city.write(folder)
        summary = json.loads(expected_files(profile, folder, inputs, city.until)["summary.json"])
        for name in ("rules", "located_by", "lines", "verdicts", "issues"):
            met |= {f"{name} {key}" for key, count in summary[name].items() if count}
        met |= {name for name in ("rejected", "duplicates", "after_until") if summary[name]}
        met |= {f"format {summary['format']}"}
    unmet = everything_counted(summary) - met
    assert unmet <= {"rules no_calendar", "issues parked"}


def everything_counted(summary: dict[str, dict[str, int]]) -> set[str]:
    counts = {
        f"{name} {key}"
        for name in ("rules", "located_by", "lines", "verdicts", "issues")
        for key in summary[name]
    }
    return counts | {"rejected", "duplicates", "after_until", "format 1", "format 2"}

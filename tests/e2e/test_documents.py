"""The transcripts of README and docs are what happens."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml

from gridcall.simulation.city.profile_loader import load_profile
from tests.harness.paths import GRIDCALL_SCRIPT, PATHS, ROOT

TRANSCRIPT = re.compile(r"```console\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it, with gridcall on the path."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "bin").mkdir()
    (folder / "bin" / "gridcall").write_text(GRIDCALL_SCRIPT, encoding="utf-8")
    (folder / "bin" / "gridcall").chmod(0o755)
    command = "gridcall simulate --profile profiles/exampleville.yaml --map profiles/exampleville"
    command += " --input profiles/exampleville/*.csv --until 2020-01-01 --out out/exampleville"
    assert shell(command, folder).returncode == 1
    return folder


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ, "PATH": path, "PYTHONPATH": PATHS, "LC_ALL": "C.UTF-8", **variables,
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "docs/simulate.md"])
def test_every_transcript_is_what_happens(document: str, clone: Path) -> None:
    for command, shown in steps_of(document):
        assert shell(command, clone).stdout == shown, command


def test_every_transcript_about_reference_data_is_what_happens(clone: Path, database: str) -> None:
    for command, shown in steps_of("docs/reference-data.md"):
        assert shell(command, clone, GRIDCALL_DATABASE_URL=database).stdout == shown, command


def steps_of(document: str) -> list[tuple[str, str]]:
    """Return the commands of a document's transcripts, each with what it is said to print."""
    transcripts = TRANSCRIPT.findall((ROOT / document).read_text(encoding="utf-8"))
    assert transcripts
    steps = [
        step.partition("\n")
        for transcript in transcripts
        for step in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]
    ]
    return [(command, shown) for command, _, shown in steps]


def test_the_profile_that_the_page_explains_is_the_one_that_runs() -> None:
    page = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    real = (ROOT / "profiles" / "exampleville.yaml").read_text(encoding="utf-8")
    assert yaml.load(shown, yaml.BaseLoader) == yaml.load(real, yaml.BaseLoader)


@pytest.fixture
def calls(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Return the calls of the made-up city, in whose folder the test works."""
    shutil.copytree(clone / "out" / "exampleville", tmp_path / "out" / "city")
    monkeypatch.chdir(tmp_path)
    with Path("out/city/calls.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def code_on_the_page(language: str) -> str:
    """Return the one block of a language in docs/simulate.md."""
    page = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(code)


def test_the_query_on_the_page_reads_columns_that_sql_reserves(
    calls: list[dict[str, str]],
) -> None:
    cases = defaultdict(list)
    for call in calls:
        cases[call["from"], call["to"]].append(call["case"])
    expected = [(*levels, len(of), len(set(of))) for levels, of in sorted(cases.items())]
    assert len(expected) > 2
    assert duckdb.execute(code_on_the_page("sql")).fetchall() == expected


@pytest.mark.parametrize("name", ["cases", "calls", "evaluations", "rejected"])
def test_duckdb_and_pandas_read_every_cell_as_it_is(calls: list[dict[str, str]], name: str) -> None:
    assert calls
    path = f"out/city/{name}.csv"
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    read = duckdb.execute(f"FROM read_csv('{path}', all_varchar = true, header = true)").fetchall()
    assert [tuple(cell or "" for cell in row) for row in read] == rows
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert list(frame.itertuples(index=False, name=None)) == rows


def test_the_notebook_on_the_page_counts_the_open_calls(calls: list[dict[str, str]]) -> None:
    names: dict[str, Any] = {}
    exec(code_on_the_page("python"), names)
    counts = Counter((call["from"], call["to"]) for call in calls if call["outcome"] == "open")
    assert counts
    assert names["open_calls"].to_dict() == counts
    assert list(names["calls"]["receiver"]) == [call["receiver"] for call in calls]


def test_the_profile_of_format_2_on_the_page_is_a_profile(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
    path = tmp_path / "profile.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
    profile, _ = load_profile(path)
    assert profile.format == "2"


def test_every_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), (
                f"{page}: {target}"
            )


def test_every_target_of_make_that_the_readme_names_is_there() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"`?make ([a-z-]+)`?", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"run", "test"} <= named <= {line.split()[0] for line in printed.splitlines()} | {"one"}

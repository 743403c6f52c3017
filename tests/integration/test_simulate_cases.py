"""The smallest records that were once read wrongly, each with the right value and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from gridcall.simulation.city.profile_loader import ProfileError, load_profile
from tests.harness.city import square
from tests.harness.commands import run_gridcall
from tests.harness.simulation import table
from tests.harness.small_city import (
    HEADER,
    feature,
    simulate,
    write_map,
    write_profile,
    write_rows,
)
from tools.reference_model.files import expected_files


def cases_by_reference(files: dict[str, bytes]) -> dict[str, dict[str, str]]:
    return {row["reference"]: row for row in table(files["cases.csv"])}


def rules(files: dict[str, bytes]) -> dict[str, int]:
    counts: dict[str, int] = json.loads(files["summary.json"])["rules"]
    return counts


# ── The end of a day whose last hour comes twice ─────────────────────────────────────────────────


def test_a_day_ends_with_the_second_of_two_last_hours(tmp_path: Path) -> None:
    """In Santiago the clock goes back at 24:00 of 3 April 2027, so that 23 h comes twice."""
    rows = [
        ["first hour", "Lamp", "2027-04-02 08:00", "03.04.2027", "2027-04-03T23:10:00-03:00", "07"],
        ["second hour", "Bin", "2027-04-02 08:00", "03.04.2027", "2027-04-03T23:50:00-04:00", "07"],
        ["next day", "Lamp", "2027-04-02 08:00", "03.04.2027", "2027-04-04T00:00:00-04:00", "07"],
    ]  # fmt: skip
    files = simulate(tmp_path, rows, write_profile(tmp_path, zone="America/Santiago"))
    assert [
        (row["reference"], row["due"], row["verdict"]) for row in table(files["cases.csv"])
    ] == [
        ("first hour", "2027-04-04T03:59:59.999999Z", "on_time"),
        ("next day", "2027-04-04T03:59:59.999999Z", "overdue"),
        ("second hour", "2027-04-04T03:59:59.999999Z", "on_time"),
    ]
    assert rules(files)["overlap_time"] == 0


# ── Equal words in several forms of Unicode ──────────────────────────────────────────────────────


def decompose(text: str) -> str:
    """Return a text as files from some systems have it."""
    return normalize("NFD", text)


def test_a_cell_in_another_form_of_unicode_finds_its_grid(tmp_path: Path) -> None:
    rows = [
        ["composed", "Lamp", "2023-05-01", "", "", "ŁĄKA"],
        ["decomposed", "Lamp", "2023-05-01", "", "", decompose("ŁĄKA")],
    ]
    cases = cases_by_reference(simulate(tmp_path, rows))
    assert {case["grid"] for case in cases.values()} == {"ŁĄKA"}


def test_a_reference_in_another_form_of_unicode_is_the_same_reference(tmp_path: Path) -> None:
    rows = [
        ["ź-1", "Lamp", "2023-05-01", "", "", "07"],
        [decompose("ź-1"), "Lamp", "2023-05-01", "", "", "07"],
    ]
    files = simulate(tmp_path, rows)
    assert json.loads(files["summary.json"])["duplicates"] == 1
    assert list(cases_by_reference(files)) == ["ź-1"]


def test_a_map_in_another_form_of_unicode_has_the_same_grids(tmp_path: Path) -> None:
    code, street = decompose("ŁĄKA"), decompose("Źródło")
    write_map(tmp_path, feature(code, street, square(20, 50, 0.01)))
    files = simulate(tmp_path, [["A", "Lamp", "2023-05-01", "", "", "ŁĄKA"]])
    assert [(row["grid"], row["street"]) for row in table(files["cases.csv"])] == [
        ("ŁĄKA", "Źródło")
    ]


def test_a_profile_in_another_form_of_unicode_means_the_same(tmp_path: Path) -> None:
    header = ["id", "kind", "zgłoszono", "target", "done", "area"]
    profile = write_profile(
        tmp_path,
        reported={"column": decompose("zgłoszono")},
        line={"column": "kind", "values": {decompose("Głos"): "petition"}},
    )
    rows = [["A", "Głos", "2023-05-01", "", "", "07"]]
    files = simulate(tmp_path, rows, profile, header)
    assert cases_by_reference(files)["A"]["line"] == "petition"


def test_a_key_that_is_there_in_two_forms_of_unicode_is_there_twice(tmp_path: Path) -> None:
    values = {"Ź": "petition", decompose("Ź"): "hotline"}
    path = write_profile(tmp_path, line={"column": "kind", "values": values})
    with pytest.raises(ProfileError, match="this key is here twice"):
        load_profile(path)


# ── A declared code that the map does not have ───────────────────────────────────────────────────


def test_an_unknown_code_has_a_rule_and_an_empty_cell_has_none(tmp_path: Path) -> None:
    rows = [
        ["known", "Lamp", "2023-05-01", "", "", "07"],
        ["without its zero", "Lamp", "2023-05-01", "", "", "7"],
        ["nothing declared", "Lamp", "2023-05-01"],
    ]
    files = simulate(tmp_path, rows)
    cases = cases_by_reference(files)
    assert {name: (case["located_by"], case["rules"]) for name, case in cases.items()} == {
        "known": ("grid", "no_due"),
        "without its zero": ("none", "no_due;unknown_code"),
        "nothing declared": ("none", "no_due"),
    }
    assert rules(files)["unknown_code"] == 1


def test_a_cell_of_which_nothing_is_kept_declares_no_code(tmp_path: Path) -> None:
    place = [{"grid": {"column": "area", "keep": r"^area (\d+)$"}}]
    rows = [
        ["kept and known", "Lamp", "2023-05-01", "", "", "area 07"],
        ["kept and unknown", "Lamp", "2023-05-01", "", "", "area 99"],
        ["nothing kept", "Lamp", "2023-05-01", "", "", "07"],
    ]
    cases = cases_by_reference(simulate(tmp_path, rows, write_profile(tmp_path, place=place)))
    assert {name: case["rules"] for name, case in cases.items()} == {
        "kept and known": "no_due",
        "kept and unknown": "no_due;unknown_code",
        "nothing kept": "no_due",
    }


# ── Formats that read every time wrongly ─────────────────────────────────────────────────────────

REFUSED = {
    "a time without a date": ("%H:%M", "has no year, month and day"),
    "a word": ("ISO", "did you mean 'iso'?"),
    "a word of format 2": ("epoch", "epoch is new in format 2"),
    "a literal zone": ("%Y-%m-%dT%H:%M:%SZ", "the literal zone 'Z'"),
    "a literal offset": ("%Y/%m/%d %H:%M:%S+00", "the literal zone '+00'"),
    "a name of a zone": ("%Y/%m/%d %H:%M:%S %Z", "reads a name but no offset"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_format_that_reads_every_time_wrongly_is_refused_before_anything_runs(
    tmp_path: Path, kind: str
) -> None:
    form, says = REFUSED[kind]
    profile = write_profile(tmp_path, reported={"column": "seen", "formats": ["iso", form]})
    rows = write_rows(tmp_path, [["A", "Lamp", "13:45", "", "", "07"]])
    done = run_gridcall(
        "simulate", "--profile", profile, "--map", write_map(tmp_path), "--input", rows,
        "--until", "2030-01-01", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 2
    assert "profile.yaml:15: reported.formats.1:" in done.stderr
    assert says in done.stderr
    assert done.stderr.count("profile.yaml:") == 1
    assert not (tmp_path / "out").exists()


def test_the_offset_that_such_a_format_left_out_is_read(tmp_path: Path) -> None:
    profile = write_profile(
        tmp_path,
        zone="America/New_York",
        reported={"column": "seen", "formats": ["%Y/%m/%d %H:%M:%S%z", "%Y-%m-%d %H:%M %z"]},
    )
    rows = [
        ["+00", "Lamp", "2021/07/02 13:45:59+00", "", "", "07"],
        ["Z", "Lamp", "2021/07/02 13:45:59Z", "", "", "07"],
        ["UTC", "Lamp", "2021-07-02 13:45 UTC", "", "", "07"],
    ]
    cases = cases_by_reference(simulate(tmp_path, rows, profile))
    assert {name: case["reported"] for name, case in cases.items()} == {
        "+00": "2021-07-02T13:45:59Z",
        "Z": "2021-07-02T13:45:59Z",
        "UTC": "2021-07-02T13:45:00Z",
    }


# ── The other program ────────────────────────────────────────────────────────────────────────────


def test_another_program_reads_all_of_it_alike(tmp_path: Path) -> None:
    rows: list[Any] = [
        ["a", "Lamp", "2027-04-02 08:00", "03.04.2027", "2027-04-03T23:10:00-03:00", "07"],
        ["b", "Lamp", "2027-04-02 08:00", "03.04.2027", "2027-04-04T00:00:00-04:00", "7"],
        ["ź", "Lamp", "2027-04-02 08:00", "04.09.2027", "", decompose("ŁĄKA")],
        [decompose("ź"), "Lamp", "2027-04-02 08:00", "04.09.2027", "", "ŁĄKA"],
    ]
    profile = write_profile(tmp_path, zone="America/Santiago", calls={"answer_within": "PT24H"})
    files = simulate(tmp_path, rows, profile)
    path = write_rows(tmp_path, rows, HEADER)
    expected = expected_files(profile, tmp_path, [path], "2030-01-01")
    for name in ("cases.csv", "calls.csv", "evaluations.csv"):
        assert files[name].decode() == expected[name]

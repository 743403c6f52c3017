"""`gridcall simulate` from the command line: statuses and messages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.harness.exampleville import CITY, PROFILE, changed_profile
from tests.harness.simulate_command import GOOD, HEADER, simulate, write_rows
from tests.harness.simulation import table

# ── Statuses ──────────────────────────────────────────────────────────────────────────────────────


def test_status_0_says_that_every_row_was_accepted(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out", inputs=write_rows(tmp_path, HEADER + GOOD))
    assert (done.returncode, done.stderr.count("rejected")) == (0, 0)
    assert "accepted" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "calls.csv",
        "cases.csv",
        "evaluations.csv",
        "rejected.csv",
        "summary.json",
    ]


def test_status_1_comes_with_the_place_of_the_rejected_rows(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out")
    assert done.returncode == 1
    assert f"17 rows were rejected: {tmp_path / 'out' / 'rejected.csv'} says why" in done.stderr


def test_json_prints_the_bytes_of_summary_json_and_nothing_else(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out", "--json")
    assert done.stdout == (tmp_path / "out" / "summary.json").read_text(encoding="utf-8")
    assert (
        done.stdout
        == json.dumps(json.loads(done.stdout), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )


def test_an_empty_file_of_rows_is_a_run_without_cases(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out", "--json", inputs=write_rows(tmp_path, HEADER))
    assert done.returncode == 0
    assert json.loads(done.stdout)["log"]["intake"]["positions"] == 4


def test_an_out_that_is_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert simulate(tmp_path / "out", inputs=write_rows(tmp_path, HEADER + GOOD)).returncode == 0


# ── 2: nothing ran ────────────────────────────────────────────────────────────────────────────────


def test_a_missing_column_names_file_line_key_nearest_name_and_what_to_do(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out", inputs=write_rows(tmp_path, "id;Channel\nR;Phone\n"))
    assert done.returncode == 2
    assert (
        f"{tmp_path / 'rows.csv'}:1: no column 'channel', which line.column names ({PROFILE}:8); "
        "the nearest is 'Channel'\n"
    ) in done.stderr
    assert "no column 'type', which category.column names" in done.stderr
    assert "rows.csv:1: correct the profile: the file has id, Channel\n" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_missing_columns_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    rows = [
        *write_rows(tmp_path, HEADER + GOOD, "whole.csv"),
        *write_rows(tmp_path, HEADER.replace("ward", "Ward"), "case.csv"),
        *write_rows(tmp_path, HEADER.replace("status", "state"), "other.csv"),
        tmp_path / "nowhere.csv",
    ]
    done = simulate(tmp_path / "out", inputs=rows)
    assert done.returncode == 2
    assert "case.csv:1: no column 'ward', which place.2.street.column names" in done.stderr
    assert "; the nearest is 'Ward'" in done.stderr
    assert "other.csv:1: no column 'status', which ended.state.column names" in done.stderr
    assert "; the nearest is 'state'" in done.stderr
    assert "nowhere.csv: cannot be read: [Errno 2] No such file or directory" in done.stderr
    assert "whole.csv" not in done.stderr


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-16", "read as utf-8: the header is not text; name the file's encoding in csv."),
        ("cp037", "read as utf-8: the header is not text; name the file's encoding in csv."),
    ],
)
def test_a_header_in_another_encoding_names_the_encoding(
    tmp_path: Path, encoding: str, says: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((HEADER + GOOD).encode(encoding))
    done = simulate(tmp_path / "out", inputs=[path])
    assert done.returncode == 2
    assert says in done.stderr


def test_a_file_that_cannot_be_decoded_names_the_encoding(tmp_path: Path) -> None:
    profile = changed_profile(tmp_path, "encoding: utf-8", "encoding: utf-16")
    done = simulate(tmp_path / "out", inputs=write_rows(tmp_path, HEADER + GOOD), profile=profile)
    assert done.returncode == 2
    assert "rows.csv: cannot be read as utf-16: " in done.stderr
    assert "name the file's own encoding in csv.encoding of the profile" in done.stderr


def test_bytes_in_another_encoding_reject_their_row_and_name_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes((HEADER + GOOD.replace("Noise", "Lärm")).encode("latin-1"))
    assert simulate(tmp_path / "out", inputs=[path]).returncode == 1
    (rejected,) = table((tmp_path / "out" / "rejected.csv").read_bytes())
    assert (rejected["column"], rejected["value"]) == ("type", r"L\udce4rm")
    assert rejected["reason"] == "not text in utf-8; see csv.encoding"


def test_what_a_terminal_would_obey_is_escaped(tmp_path: Path) -> None:
    rows = write_rows(tmp_path, HEADER.replace("ward", "wa\x1b[2J\u202erd"))
    done = simulate(tmp_path / "out", inputs=rows)
    assert done.returncode == 2
    assert r"the nearest is 'wa\x1b[2J\u202erd'" in done.stderr
    assert (
        r"the file has id, channel, type, opened, target, closed, status, area, wa\u001b[2J\u202erd"
        in (done.stderr)
    )


def test_a_header_of_one_cell_names_the_likely_delimiter(tmp_path: Path) -> None:
    commas = write_rows(tmp_path, HEADER.replace(";", ","))
    done = simulate(tmp_path / "out", inputs=commas)
    assert done.returncode == 2
    assert "the header is one cell; is csv.delimiter ','?" in done.stderr


def test_an_unknown_profile_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out", profile=changed_profile(tmp_path, "category:", "categroy:"))
    assert done.returncode == 2
    assert "profile.yaml:11: categroy: unknown key; did you mean 'category'?" in done.stderr


def test_an_out_that_is_not_empty_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine", encoding="utf-8")
    done = simulate(tmp_path)
    assert done.returncode == 2
    assert f"--out {tmp_path} is not empty; nothing is overwritten" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


def test_a_map_in_feet_is_refused(tmp_path: Path) -> None:
    feet = json.loads((CITY / "areas.geojson").read_bytes())
    feet["features"][0]["geometry"]["coordinates"][0][0] = [774321.5, 2956001.2]
    (tmp_path / "areas.geojson").write_text(json.dumps(feet), encoding="utf-8")
    done = simulate(tmp_path / "out", city=tmp_path)
    assert done.returncode == 2
    assert (
        "grid 0101: ring: [774321.5, 2956001.2] is not a longitude and latitude in degrees"
        in done.stderr
    )
    assert "gridcall map check" in done.stderr


def test_an_open_ring_is_refused(tmp_path: Path) -> None:
    opened = json.loads((CITY / "areas.geojson").read_bytes())
    opened["features"][0]["geometry"]["coordinates"][0].pop()
    (tmp_path / "areas.geojson").write_text(json.dumps(opened), encoding="utf-8")
    done = simulate(tmp_path / "out", city=tmp_path)
    assert done.returncode == 2
    assert "grid 0101 at -6.300000, 53.330000: ring is open: end it where it starts" in done.stderr


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"until": "tomorrow"},
            "--until 'tomorrow' is not an ISO 8601 time; write for example 2016-01-01T00:00:00",
        ),
        (
            {"profile": Path("nowhere.yaml")},
            "nowhere.yaml: cannot be read: No such file or directory",
        ),
        (
            {"city": Path("nowhere")},
            "nowhere/areas.geojson: cannot be read: No such file or directory",
        ),
        ({"inputs": [Path("nowhere.csv")]}, "nowhere.csv: cannot be read"),
    ],
)
def test_an_argument_that_cannot_be_read_is_named(
    tmp_path: Path, changed: dict[str, Path], says: str
) -> None:
    done = simulate(tmp_path / "out", **changed)  # type: ignore[arg-type]
    assert done.returncode == 2
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_is_in_the_header_twice_is_named(tmp_path: Path) -> None:
    rows = write_rows(tmp_path, HEADER.replace("\n", ";id\n") + GOOD)
    done = simulate(tmp_path / "out", inputs=rows)
    assert done.returncode == 2
    assert "rows.csv:1: column 'id' is in the header twice; leave one of them" in done.stderr


def test_the_name_of_a_file_that_is_no_text_is_written_escaped(tmp_path: Path) -> None:
    path = tmp_path / "l\udce4rm.csv"
    path.write_text(HEADER + GOOD + "too short\n", encoding="utf-8")
    assert simulate(tmp_path / "out", inputs=[path]).returncode == 1
    (rejected,) = table((tmp_path / "out" / "rejected.csv").read_bytes())
    assert rejected["file"] == r"l\udce4rm.csv"


@pytest.mark.parametrize(
    "packed", [b"\x1f\x8b\x08\x00\x00\x00", gzip.compress(HEADER.encode() * 99)[:40] + b"x" * 40]
)
def test_a_broken_compressed_file_is_named(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "rows.csv.gz").write_bytes(packed)
    done = simulate(tmp_path / "out", inputs=[tmp_path / "rows.csv.gz"])
    assert done.returncode == 2
    assert "rows.csv.gz: cannot be read" in done.stderr

"""`gridcall simulate` from the command line: statuses, messages, and no partial results."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.commands import environment, run_gridcall
from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL, changed_profile
from tests.harness.requirements import require
from tests.harness.simulation import table

HEADER = "id;channel;type;opened;target;closed;status;area;ward;latitude;longitude;verdict\n"
GOOD = (
    "R;Phone;Noise;2019-06-03T09:00:00;07/06/2019;2019-06-05T09:00:00;Done;102;Ward 1;"
    "53.3350;-6.2850;OK\n"
)


def simulate(
    out: Path,
    *more: object,
    profile: Path = PROFILE,
    city: Path = CITY,
    inputs: list[Path] | None = None,
    until: str = UNTIL,
) -> subprocess.CompletedProcess[str]:
    files = INPUTS if inputs is None else inputs
    options = ("--profile", profile, "--map", city, "--until", until, "--out", out)
    return run_gridcall("simulate", *options, "--input", *files, *more)


def write_rows(folder: Path, text: str, name: str = "rows.csv") -> list[Path]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [path]


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


# ── 3 and 130 ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounts = os.geteuid() == 0 and shutil.which("mount") is not None
    require(mounts, "a full disk needs root to mount one")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_reported_and_leaves_nothing(full_disk: Path) -> None:
    done = simulate(full_disk / "out")
    assert done.returncode == 3
    assert "No space left on device; make room or name another --out, then run again" in done.stderr
    assert list(full_disk.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = simulate(tmp_path / "file" / "out", inputs=write_rows(tmp_path, HEADER + GOOD))
    assert done.returncode == 3
    assert "Not a directory" in done.stderr or "File exists" in done.stderr


def test_a_full_stdout_is_reported(tmp_path: Path) -> None:
    options = f"--profile {PROFILE} --map {CITY} --input {INPUTS[0]} --until {UNTIL}"
    command = f"{sys.executable} -m gridcall simulate {options}"
    for then, status in ((">/dev/full", 3), (">&-", 1), ("| true; exit ${PIPESTATUS[0]}", 1)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        words = ["bash", "-c", f"{command} --out {tmp_path / 'out'} --json {then}"]
        done = subprocess.run(
            words, env=environment(), stderr=subprocess.PIPE, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
        assert (tmp_path / "out" / "summary.json").exists()


def test_an_out_that_is_a_link_or_this_very_folder_is_filled(tmp_path: Path) -> None:
    rows = write_rows(tmp_path, HEADER + GOOD)
    for target in ("empty", "absent"):
        (tmp_path / f"to-{target}").symlink_to(tmp_path / target)
    (tmp_path / "empty").mkdir(mode=0o700)
    assert simulate(tmp_path / "to-empty", inputs=rows).returncode == 0
    assert simulate(tmp_path / "to-absent", inputs=rows).returncode == 0
    assert (
        len(list((tmp_path / "empty").iterdir())) == len(list((tmp_path / "absent").iterdir())) == 5
    )
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o700


def test_a_run_that_fails_leaves_no_folder_that_it_made(tmp_path: Path) -> None:
    rows = write_rows(tmp_path, "id;channel\nR;Phone\n")
    assert simulate(tmp_path / "a" / "b" / "out", inputs=rows).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_ctrl_c_ends_a_run_while_it_is_feeding(tmp_path: Path) -> None:
    rows = write_rows(
        tmp_path, HEADER + "".join(GOOD.replace("R;", f"R{i};", 1) for i in range(30_000))
    )
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
    command += ["--input", str(rows[0]), "--until", UNTIL, "--out", str(tmp_path / "out")]
    lead, follow = pty.openpty()
    with subprocess.Popen(
        command, env={**environment(), "TERM": "xterm"}, stdout=subprocess.DEVNULL, stderr=follow
    ) as running:
        os.close(follow)
        seen = b""
        while b"Feeding" not in seen:
            seen += os.read(lead, 4096)
        running.send_signal(signal.SIGINT)
        with suppress(OSError):  # The terminal is gone with the process.
            while part := os.read(lead, 4096):
                seen += part
    os.close(lead)
    assert running.returncode == 130
    assert b"60000/60000" not in seen
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("files", [1, 2] if len(os.sched_getaffinity(0)) > 1 else [1])
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    tmp_path: Path, blow: signal.Signals, files: int
) -> None:
    pipes = [tmp_path / f"rows-{i}.csv" for i in range(files)]
    for pipe in pipes:
        os.mkfifo(pipe)
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
    command += ["--input", *map(str, pipes), "--until", UNTIL, "--out", str(tmp_path / "out")]
    running = subprocess.Popen(
        command,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with pipes[0].open(
        "w", encoding="utf-8"
    ) as rows:  # Opens when the other side reads: it is at work.
        rows.write(HEADER + GOOD)
        rows.flush()
        os.killpg(
            running.pid, blow
        )  # Nobody writes to the other files: who waits for them is ended too.
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted; nothing was written" in said
    assert "Traceback" not in said
    assert [path.name for path in sorted(tmp_path.iterdir())] == [pipe.name for pipe in pipes]


# ── With and without a terminal ───────────────────────────────────────────────────────────────────


def run_on_terminal(*words: object) -> str:
    """Return what a person sees on stderr."""
    lead, follow = pty.openpty()
    command = [sys.executable, "-m", "gridcall", *map(str, words)]
    with subprocess.Popen(
        command, env={**environment(), "TERM": "xterm"}, stdout=subprocess.DEVNULL, stderr=follow
    ) as running:
        os.close(follow)
        seen = b""
        with suppress(OSError):  # The terminal is gone with the process.
            while part := os.read(lead, 4096):
                seen += part
        running.wait(timeout=60)
    os.close(lead)
    return seen.decode()


def test_a_person_sees_a_bar_with_rows_per_second_and_time_left(tmp_path: Path) -> None:
    seen = run_on_terminal(
        "simulate",
        *("--profile", PROFILE, "--map", CITY, "--until", UNTIL, "--out", tmp_path / "out"),
        *("--input", *INPUTS),
    )
    assert "Feeding" in seen
    assert re.search(r"79/79", seen)
    assert "inputs/s" in seen


def test_without_a_terminal_there_is_no_bar_and_no_escape(tmp_path: Path) -> None:
    done = simulate(tmp_path / "out")
    assert "Feeding" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout

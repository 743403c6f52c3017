"""`gridcall simulate` that cannot write, is interrupted, or has a terminal: no partial results."""

from __future__ import annotations

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

from tests.harness.commands import environment
from tests.harness.exampleville import CITY, INPUTS, PROFILE, UNTIL
from tests.harness.requirements import require
from tests.harness.simulate_command import GOOD, HEADER, simulate, write_rows

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

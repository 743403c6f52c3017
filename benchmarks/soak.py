"""Run the demo for a long time: is memory flat, is the lag zero, is any exception logged?

    python -m benchmarks.soak SECONDS [SPEED]

It starts `gridcall up --demo` as `make run` does, in a folder of its own. It samples every ten
seconds, ends the demo, and verifies its database.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import httpx

LOOK_SECONDS = 10.0
SHOWN_SECONDS = 300.0
UP = re.compile(r"gridcall is up on (http://\S+)")
ROOT = Path(__file__).parent.parent


class Sample(NamedTuple):
    """A sample. `gridcall_mib` is the PSS of its process; `all_mib` adds the lines and Postgres."""

    seconds: float
    gridcall_mib: float
    all_mib: float
    lag_rows: int
    lag_seconds: float
    open: int
    ended: int
    calling: int


def pss_mib(pid: int) -> float:
    """Return the memory of a process, with its part of shared pages."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]


def family(pid: int, folder: Path) -> list[int]:
    """Return the processes that name the demo's folder, and their descendants."""
    parents, mine = {}, {pid}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(") ")[2].split()[1]
            )
            if str(folder) in (entry / "cmdline").read_text():
                mine.add(int(entry.name))
        except OSError:
            continue
    while more := {child for child, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sorted(mine)


def first_message(url: str) -> dict[str, Any]:
    """Return the first message of the live page."""
    with httpx.stream("GET", f"{url}/screen/370112/live", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                message: dict[str, Any] = json.loads(line[6:])
                return message
    raise RuntimeError("the live page ended")


def take_sample(started: float, url: str, pid: int, folder: Path) -> Sample:
    """Take one sample."""
    said = first_message(url)
    lag, totals = said["lag"], said["totals"]
    everything = sum(pss_mib(each) for each in family(pid, folder))
    waiting = int(lag["cases"] + lag["calls"] + lag["rows"])
    seconds = time.monotonic() - started
    return Sample(
        seconds,
        pss_mib(pid),
        everything,
        waiting,
        lag["seconds"],
        totals["open"],
        totals["ended"],
        totals["calling"],
    )


def line_of(seen: Sample) -> str:
    """Return a sample as a line."""
    return (
        f"{seen.seconds:6,.0f} s  {seen.gridcall_mib:6.0f} MiB  {seen.all_mib:6.0f} MiB with all  "
        f"{seen.lag_rows:4} rows and {seen.lag_seconds:4.1f} s late  "
        f"{seen.open:5,} open  {seen.calling:4,} calling  {seen.ended:6,} ended"
    )


def quarter(samples: list[Sample], number: int) -> float:
    """Return the mean memory of a quarter of the time."""
    part = samples[len(samples) * number // 4 : len(samples) * (number + 1) // 4]
    return mean(each.gridcall_mib for each in part)


def soak(seconds: float, speed: float, folder: Path) -> int:
    """Run, sample, end and verify the demo. Return the exit status."""
    environment = {**os.environ, "GRIDCALL_HOME": str(folder / "home")}
    environment.pop("GRIDCALL_DATABASE_URL", None)
    said = (folder / "said").open("w+")
    words = [sys.executable, "-m", "gridcall", "up", "--demo", "--port", "0", "--speed", str(speed)]
    running = subprocess.Popen(words, env=environment, cwd=ROOT, stderr=said, text=True)
    url, samples, started = "", list[Sample](), time.monotonic()
    while not url and running.poll() is None:
        time.sleep(0.2)
        url = (UP.search((folder / "said").read_text()) or ["", ""])[1]
    while running.poll() is None and time.monotonic() - started < seconds:
        samples.append(take_sample(started, url, running.pid, folder))
        if samples[-1].seconds // SHOWN_SECONDS != (
            samples[-2].seconds // SHOWN_SECONDS if samples[1:] else -1
        ):
            print(line_of(samples[-1]), flush=True)
        time.sleep(LOOK_SECONDS)
    ended_by_itself = running.poll() is not None
    running.terminate()
    status = running.wait(timeout=60)
    verified = subprocess.run(
        [sys.executable, "-m", "gridcall", "verify"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return conclude(samples, (folder / "said").read_text(), verified, status, ended_by_itself)


def conclude(
    samples: list[Sample],
    said: str,
    verified: subprocess.CompletedProcess[str],
    status: int,
    ended: bool,
) -> int:
    """Print the result. Return the exit status."""
    behind = [each for each in samples if each.lag_rows]
    unanswered = [
        line
        for line in said.splitlines()
        if "Traceback" in line or "ERROR" in line or "CRITICAL" in line
    ]
    quarters = [f"{quarter(samples, number):.0f}" for number in range(4)]
    print(
        f"memory of gridcall by quarters: {', '.join(quarters)} MiB of PSS",
    )
    print(
        f"{len(samples)} samples, {len(behind)} of them with waiting rows,",
        f"at most {max(each.lag_rows for each in samples)}",
    )
    print(
        f"exit status {status}{' by itself' if ended else ''};",
        f"{len(unanswered)} exceptions in its log",
    )
    print("\n".join(unanswered[:5]))
    print(f"verify: {verified.stdout.strip() or verified.stderr.strip()}")
    return 1 if ended or status or unanswered or verified.returncode not in (0, 4) else 0


def main() -> None:
    """Run the soak of the command line."""
    seconds, speed = float(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 60.0
    with tempfile.TemporaryDirectory(prefix="gridcall-soak-") as folder:
        sys.exit(soak(seconds, speed, Path(folder)))


if __name__ == "__main__":
    main()

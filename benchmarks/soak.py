"""The demo for a long time: is memory flat, is the lag zero, is anything said that nobody answered?

    python benchmarks/soak.py SECONDS [SPEED]

It starts `gridcall up --demo` as `make run` does, in a folder of its own, looks every ten seconds, ends it, and verifies it.
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


class Look(NamedTuple):
    """What was seen at once. `gridcall_mib` and `all_mib` are PSS: of its process, and with the lines and Postgres."""

    seconds: float
    gridcall_mib: float
    all_mib: float
    lag_rows: int
    lag_seconds: float
    open: int
    ended: int
    calling: int


def pss_mib(pid: int) -> float:
    """What a process uses, with its share of what it shares."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]


def family(pid: int, folder: Path) -> list[int]:
    """Processes that belong to the demo: those that name its folder or come from one that does."""
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


def told(url: str) -> dict[str, Any]:
    """The first message of the live page."""
    with httpx.stream("GET", f"{url}/screen/370112/live", timeout=30) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                message: dict[str, Any] = json.loads(line[6:])
                return message
    raise RuntimeError("the live page ended")


def look(started: float, url: str, pid: int, folder: Path) -> Look:
    """Look once."""
    said = told(url)
    lag, totals = said["lag"], said["totals"]
    everything = sum(pss_mib(each) for each in family(pid, folder))
    waiting = int(lag["cases"] + lag["calls"] + lag["rows"])
    seconds = time.monotonic() - started
    return Look(
        seconds,
        pss_mib(pid),
        everything,
        waiting,
        lag["seconds"],
        totals["open"],
        totals["ended"],
        totals["calling"],
    )


def shown(seen: Look) -> str:
    """A look in a line."""
    return (
        f"{seen.seconds:6,.0f} s  {seen.gridcall_mib:6.0f} MiB  {seen.all_mib:6.0f} MiB with all  {seen.lag_rows:4} rows and "
        f"{seen.lag_seconds:4.1f} s late  {seen.open:5,} open  {seen.calling:4,} calling  {seen.ended:6,} ended"
    )


def quarter(looks: list[Look], number: int) -> float:
    """The mean memory of a quarter of the time."""
    part = looks[len(looks) * number // 4 : len(looks) * (number + 1) // 4]
    return mean(each.gridcall_mib for each in part)


def soaked(seconds: float, speed: float, folder: Path) -> int:
    """Run, look, end, verify; the exit status."""
    environment = {**os.environ, "GRIDCALL_HOME": str(folder / "home")}
    environment.pop("GRIDCALL_DATABASE_URL", None)
    said = (folder / "said").open("w+")
    words = [sys.executable, "-m", "gridcall", "up", "--demo", "--port", "0", "--speed", str(speed)]
    running = subprocess.Popen(words, env=environment, cwd=ROOT, stderr=said, text=True)
    url, looks, started = "", list[Look](), time.monotonic()
    while not url and running.poll() is None:
        time.sleep(0.2)
        url = (UP.search((folder / "said").read_text()) or ["", ""])[1]
    while running.poll() is None and time.monotonic() - started < seconds:
        looks.append(look(started, url, running.pid, folder))
        if looks[-1].seconds // SHOWN_SECONDS != (
            looks[-2].seconds // SHOWN_SECONDS if looks[1:] else -1
        ):
            print(shown(looks[-1]), flush=True)
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
    return judged(looks, (folder / "said").read_text(), verified, status, ended_by_itself)


def judged(
    looks: list[Look],
    said: str,
    verified: subprocess.CompletedProcess[str],
    status: int,
    ended: bool,
) -> int:
    """Say what was seen."""
    behind = [each for each in looks if each.lag_rows]
    unanswered = [
        line
        for line in said.splitlines()
        if "Traceback" in line or "ERROR" in line or "CRITICAL" in line
    ]
    print(
        f"memory of gridcall by quarters: {', '.join(f'{quarter(looks, n):.0f}' for n in range(4))} MiB of PSS"
    )
    print(
        f"{len(looks)} looks, {len(behind)} of them found rows waiting, at most {max(each.lag_rows for each in looks)}"
    )
    print(
        f"exit status {status}{' by itself' if ended else ''}; {len(unanswered)} exceptions in what it said"
    )
    print("\n".join(unanswered[:5]))
    print(f"verify: {verified.stdout.strip() or verified.stderr.strip()}")
    return 1 if ended or status or unanswered or verified.returncode else 0


def main() -> None:
    """Print it."""
    seconds, speed = float(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 60.0
    with tempfile.TemporaryDirectory(prefix="gridcall-soak-") as folder:
        sys.exit(soaked(seconds, speed, Path(folder)))


if __name__ == "__main__":
    main()

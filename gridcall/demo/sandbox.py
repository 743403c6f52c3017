"""A gridcall of its own for a few minutes: a folder, its Postgres, one process of all services, and a shell beside them.

It disturbs nothing: no port, database or folder of another gridcall is used, and at its end nothing of it is left.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.server import lives, started
from eventlog.postgres.pool import connected
from events.errors import GridcallError
from events.instants import Instant
from gridcall.demo.live import made_ready, set_clock
from gridcall.demo.signals import LOOK_SECONDS, pause
from gridcall.host.migrations import prepare

UP = re.compile(r"gridcall is up on (http://\S+)")
UP_SECONDS, END_SECONDS, COMMAND_SECONDS = 60, 15, 120
SOURCE = "hotline-12345"
NOT_OURS = ("GRIDCALL_DATABASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class StepFailed(GridcallError):
    """Something else happened than what is told. The sentence says what."""


class Sandbox:
    """What runs while the story is told. `environment` is what the reader's shell has."""

    def __init__(self, folder: Path, speed: float) -> None:
        self.folder = folder
        self.speed = speed
        self.environment = {
            name: value for name, value in os.environ.items() if name not in NOT_OURS
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._at, self._known = 0, 0.0

    def furnish(self, url: str) -> None:
        """The demo's district, its keys, and the programs that are typed."""
        self._url = url
        asyncio.run(prepare(url))
        asyncio.run(made_ready(url, self.folder / "demo", self.speed))
        keys = json.loads((self.folder / "demo" / "keys.json").read_text())
        programs = self.folder / "bin"
        programs.mkdir()
        self._program(programs / "gridcall", "gridcall")
        if shutil.which("curl") is None:
            self._program(programs / "curl", "gridcall.demo.curl")
        path = os.pathsep.join((str(programs), self.environment.get("PATH", os.defpath)))
        self.environment |= {"GRIDCALL_HOME": str(self.folder), "PATH": path}
        self.environment |= {
            "KEY": keys["platforms"][SOURCE],
            "PEOPLE": keys["people"],
            "READER": keys["reader"],
        }

    def _program(self, path: Path, module: str) -> None:
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        path.chmod(0o755)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def let_time_run(self, speed: float) -> None:
        """From now on the district's time runs so much faster than ours."""
        self._at, self._known, self.speed = asyncio.run(self._set(speed)), time.monotonic(), speed

    async def _set(self, speed: float) -> Instant:
        async with connected(self._url, size=1) as database:
            now: Instant = (await database.fetch("SELECT intake.clock()"))[0][0]
            await set_clock(database, now, speed)
        return now

    def left(self, due: Instant) -> float:
        """How many seconds of ours are left until an instant of the district."""
        return max(0.0, (due - self._at) / 1e6 / self.speed - (time.monotonic() - self._known))

    # ── The process of all services ──────────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        """Of the process that runs all services."""
        assert self._process is not None
        return self._process.pid

    def open(self) -> None:
        """Start `gridcall up`, and wait until it says where it is. What it says is kept in `up.log`."""
        log = self.folder / "up.log"
        with log.open("wb") as said:
            words = [sys.executable, "-m", "gridcall", "up", "--port", "0"]
            self._process = subprocess.Popen(  # noqa: S603
                words,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        until = time.monotonic() + UP_SECONDS
        while not (found := UP.search(log.read_text())):
            if self._process.poll() is not None or time.monotonic() > until:
                raise StepFailed(
                    f"gridcall up did not start: {log.read_text().strip() or 'it said nothing'}"
                )
            pause()
        self.environment["DOOR"] = found[1]

    def kill(self) -> None:
        """`kill -9`: it has no time to say goodbye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, as Ctrl-C would."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    # ── The shell ────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, command: str, meanwhile: Callable[[], None] = lambda: None) -> str:
        """What a command says on stdout; `meanwhile` is called while it runs. Raises StepFailed where it fails."""
        with self.began(command) as process:
            until = time.monotonic() + COMMAND_SECONDS
            while True:
                try:
                    said, wrong = process.communicate(timeout=LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    pause(0)
                    if time.monotonic() > until:
                        raise StepFailed(
                            f"this did not end within {COMMAND_SECONDS} s: {command}"
                        ) from None
                    meanwhile()
        if process.returncode:
            raise StepFailed(
                f"this ended with status {process.returncode}: {command}\n{(wrong or said).decode().strip()}"
            )
        return said.decode()

    @contextmanager
    def began(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command that runs; it ends with the block at the latest."""
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def house(speed: float) -> Iterator[Sandbox]:
    """A furnished house whose door is open. However the block ends, its processes end, and its folder goes."""
    folder = Path(tempfile.mkdtemp(prefix="gridcall-demo-"))
    made = Sandbox(folder, speed)
    try:
        with postgres(folder) as url:
            try:
                made.furnish(url)
                made.open()
                yield made
            finally:
                made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """An embedded server in this folder; the URL of gridcall's database on it. It ends also where its start was interrupted."""
    try:
        yield str(started(folder).get_uri("gridcall"))
    finally:
        end_server(folder / "postgres")


def end_server(data: Path) -> None:
    """End the server of a data folder, whoever else is said to use it: the folder goes."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)  # Postgres's word for: now, but properly.
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return
    until = time.monotonic() + END_SECONDS
    while lives(pid) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)

"""A gridcall of its own for a few minutes: a folder, a Postgres, all services, a shell.

It uses no port, database or folder of another gridcall, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
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

from embedded.server import start_server, wait_for_end
from eventlog.postgres.pool import open_database
from events.errors import GridcallError
from events.instants import Instant
from gridcall.demo.keys import load_keys
from gridcall.demo.live import prepare_demo
from gridcall.demo.signals import POLL_SECONDS, pause
from gridcall.host.migrations import prepare
from intake.store import IntakeStore

UP = re.compile(r"gridcall is up on (http://\S+)")
UP_SECONDS, END_SECONDS, COMMAND_SECONDS = 60, 15, 120
SOURCE = "hotline-12345"
REMOVED_VARIABLES = ("GRIDCALL_DATABASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class StepFailed(GridcallError):
    """A step of the walk-through showed something else than it should. The sentence says what."""


class Sandbox:
    """The gridcall of a walk-through. `environment` is that of the reader's shell."""

    def __init__(self, folder: Path, speed: float) -> None:
        self.folder = folder
        self.speed = speed
        self.environment = {
            name: value for name, value in os.environ.items() if name not in REMOVED_VARIABLES
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""
        self._district_time, self._read_at = 0, 0.0

    def prepare(self, url: str) -> None:
        """Prepare the demo's district and its keys, and put `gridcall` on the PATH."""
        self._url = url
        asyncio.run(prepare(url))
        asyncio.run(prepare_demo(url, self.folder / "demo", self.speed, history_us=0))
        keys = load_keys(self.folder / "demo")
        programs = self.folder / "bin"
        programs.mkdir()
        program = programs / "gridcall"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gridcall "$@"\n')
        program.chmod(0o755)
        path = os.pathsep.join((str(programs), self.environment.get("PATH", os.defpath)))
        self.environment |= {
            "GRIDCALL_HOME": str(self.folder),
            "PATH": path,
            "KEY": keys.secret_of(SOURCE),
            "PEOPLE": keys.people,
            "READER": keys.reader,
        }

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────

    def set_speed(self, speed: float) -> None:
        """Set the speed of the district's time in relation to the wall clock."""
        self._district_time, self._read_at = asyncio.run(self._scale(speed)), time.monotonic()
        self.speed = speed

    async def _scale(self, speed: float) -> Instant:
        async with open_database(self._url, size=1) as database:
            store = IntakeStore(database)
            now = await store.clock()
            await store.scale_clock(now, speed)
        return now

    def seconds_until(self, due: Instant) -> float:
        """Return the wall clock's seconds until an instant of the district."""
        elapsed = time.monotonic() - self._read_at
        return max(0.0, (due - self._district_time) / 1e6 / self.speed - elapsed)

    # ── The process of all services ──────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start `gridcall up`, and wait until it prints its address. Its output is in `up.log`."""
        log = self.folder / "up.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gridcall", "up", "--port", "0"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + UP_SECONDS
        while not (address := UP.search(log.read_text())):
            if self._process.poll() is not None or time.monotonic() > end:
                output_text = log.read_text().strip() or "it printed nothing"
                raise StepFailed(f"gridcall up did not start: {output_text}")
            pause()
        self.environment["URL"] = address[1]

    def kill(self) -> None:
        """Kill it with SIGKILL, which it cannot handle."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    # ── The shell ────────────────────────────────────────────────────────────────────────────────

    def run(self, command: str, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Return a command's stdout. `meanwhile` is called while it runs.

        Raises StepFailed if it fails or does not end.
        """
        with self.start_command(command) as process:
            end = time.monotonic() + COMMAND_SECONDS
            while True:
                try:
                    output, errors = process.communicate(timeout=POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    pause(0)
                    if time.monotonic() > end:
                        raise StepFailed(
                            f"this did not end within {COMMAND_SECONDS} s: {command}"
                        ) from None
                    meanwhile()
        if process.returncode:
            text = (errors or output).decode().strip()
            raise StepFailed(f"this ended with status {process.returncode}: {command}\n{text}")
        return output.decode()

    @contextmanager
    def start_command(self, command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command. It ends with the block at the latest, with all its children."""
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
def open_sandbox(speed: float) -> Iterator[Sandbox]:
    """Open a running sandbox. At the end its processes are stopped and its folder is deleted."""
    folder = Path(tempfile.mkdtemp(prefix="gridcall-demo-"))
    sandbox = Sandbox(folder, speed)
    try:
        with postgres_in(folder) as url:
            try:
                sandbox.prepare(url)
                sandbox.start()
                yield sandbox
            finally:
                sandbox.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_in(folder: Path) -> Iterator[str]:
    """Open an embedded server in a folder, and yield the URL of gridcall's database.

    At the end it has stopped, so that the folder can be deleted.
    """
    try:
        server = start_server(folder)
        try:
            yield server.get_uri("gridcall")
        finally:
            server.cleanup()
    finally:
        wait_for_end(folder, END_SECONDS)

"""A running gridcall for tests: `gridcall up` as its users start it, on a database of its own."""

from __future__ import annotations

import atexit
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import httpx

from tests.harness.commands import database_environment, read_output
from tests.harness.exampleville import CITY, PROFILE
from tests.harness.paths import ROOT

UP = re.compile(r"gridcall is up on (http://\S+)")


class Process:
    """One process of gridcall."""

    def __init__(
        self,
        database: str,
        *options: object,
        program: Sequence[str] = ("-m", "gridcall"),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.database = database
        words = [sys.executable, *program, "up", "--port", "0", *map(str, options)]
        environment = {**database_environment(database), **variables}
        self.running = subprocess.Popen(
            words, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        atexit.register(self.running.kill)  # A test that fails ends nothing.
        self.output: list[str] = []
        self.url = self._read_url()

    def _read_url(self) -> str:
        """Return its address as soon as it prints one."""
        assert self.running.stderr is not None
        for line in self.running.stderr:
            self.output.append(line)
            if match := UP.search(line):
                return match[1]
        raise AssertionError("gridcall ended: " + "".join(self.output))

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and wait until the process has ended."""
        if self.running.poll() is None:
            self.running.send_signal(sent)
        return self.running.wait(timeout=30)


def adopt_exampleville(database: str) -> str:
    """Add the made-up city with its map, and return a key for its lines and its logs.

    No loop may run in this thread, because the commands run in this process.
    """
    words = ("exampleville", "--map", CITY, "--profile", PROFILE)
    read_output(database, "district", "add", *words)
    return add_key(database, "grid", "sentiment", "hotline", "petition", "log")


def add_key(
    database: str, *lines: str, district: str = "exampleville", source: str = "test"
) -> str:
    """Add a key of a source for lines, and return it."""
    options = [word for line in lines for word in ("--line", line)]
    return read_output(
        database, "key", "add", "--district", district, "--source", source, *options
    ).strip()


@contextmanager
def client(url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made

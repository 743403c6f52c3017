"""A running gridcall for tests: `gridcall up` as its users start it, on a database of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from tests.harness.commands import asked, on
from tests.harness.exampleville import CITY, PROFILE
from tests.harness.paths import ROOT

UP = re.compile(r"gridcall is up on (http://\S+)")


class Process:
    """One process of gridcall."""

    def __init__(
        self, database: str, *options: object, program: Sequence[str] = ("-m", "gridcall")
    ) -> None:
        self.database = database
        words = [sys.executable, *program, "up", "--port", "0", *map(str, options)]
        self.running = subprocess.Popen(
            words, env=on(database), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        self.said: list[str] = []
        self.url = self._heard()

    def _heard(self) -> str:
        """Where it is, as soon as it says so."""
        assert self.running.stderr is not None
        for line in self.running.stderr:
            self.said.append(line)
            if found := UP.search(line):
                return found[1]
        raise AssertionError("it ended: " + "".join(self.said))

    def end(self, blow: signal.Signals = signal.SIGTERM) -> int:
        """End it, and wait for it."""
        if self.running.poll() is None:
            self.running.send_signal(blow)
        return self.running.wait(timeout=30)


def made_up_city(database: str) -> str:
    """Adopt the made-up city; a key for all its lines, and for reading logs."""
    asked(database, "map", "load", CITY, "--profile", PROFILE)
    lines = ("grid", "sentiment", "hotline", "petition", "log")
    options = (word for line in lines for word in ("--line", line))
    return asked(
        database, "key", "add", "--district", "exampleville", "--source", "test", *options
    ).strip()


@contextmanager
def client(url: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as made:
        yield made

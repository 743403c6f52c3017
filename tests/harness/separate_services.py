"""Each service in a process and on a database of its own, over a real broker."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from eventlog.kafka.topics import apply, wanted
from gridcall.simulation.local_cluster import free_ports
from tests.harness.broker import Broker, running_broker
from tests.harness.commands import on
from tests.harness.paths import ROOT
from tests.harness.postgres import execute
from tests.harness.waiting import soon

SERVICES = ("intake", "routing", "escalation", "assessment", "screen")


class Apart:
    """The processes, the broker that they share, and a database each."""

    def __init__(self, postgres: str, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.key = secrets.token_hex(16)
        self.urls = {
            service: postgres.replace("/postgres?", f"/apart_{service}?") for service in SERVICES
        }
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *services: str) -> None:
        """Start them, and wait until each is ready."""
        addresses = {
            f"GRIDCALL_{name.upper()}_URL": f"http://127.0.0.1:{port}"
            for name, port in self.ports.items()
        }
        more = {
            **addresses,
            "GRIDCALL_KAFKA": self.broker.address,
            "GRIDCALL_SERVICE_KEY": self.key,
        }
        for service in services:
            words = [sys.executable, "-m", "gridcall", service, "--port", str(self.ports[service])]
            with (self.folder / f"{service}.log").open("ab") as said:
                self.processes[service] = subprocess.Popen(
                    words,
                    env={**on(self.urls[service]), **more, "GRIDCALL_HOME": str(self.folder)},
                    cwd=ROOT,
                    stderr=said,
                )
        for service in services:
            soon(lambda service=service: self.asked(service, "/readyz").status_code == 200)  # type: ignore[misc]

    def asked(self, service: str, path: str) -> httpx.Response:
        """An answer; 503 where nobody answers."""
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            return httpx.get(
                f"http://127.0.0.1:{self.ports[service]}{path}", headers=headers, trust_env=False
            )
        except httpx.HTTPError:
            return httpx.Response(503)

    def lag(self) -> int:
        """Rows that wait anywhere; -1 where somebody does not answer."""
        total = 0
        for service in SERVICES[:-1]:
            answer = self.asked(service, "/lag")
            if answer.status_code != 200:
                return -1
            lag = answer.json()["lag"]
            if service != "intake" and not lag["unread"]:
                return -1
            total += sum(lag["unpublished"].values()) + sum(lag["unread"].values())
        return total

    def kill(self, service: str) -> None:
        """It has no time to say goodbye."""
        self.processes[service].kill()
        self.processes[service].wait()

    def said(self) -> str:
        return "".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))


@contextmanager
def apart(postgres: str, folder: Path) -> Iterator[Apart]:
    with running_broker(folder / "kafka") as broker:
        asyncio.run(apply(broker.cluster, wanted(broker.cluster, 2)))
        system = Apart(postgres, broker, folder)
        try:
            yield system
        except BaseException:
            sys.stderr.write(system.said())
            raise
        finally:
            for process in system.processes.values():
                process.kill()
                process.wait()
            for service in SERVICES:
                name = f"apart_{service}"
                asyncio.run(execute(postgres, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

"""Each service in a process and on a database of its own, over a real broker."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from eventlog.kafka.administration import apply
from eventlog.postgres.migrate import create_database
from gridcall.host.topics import system_topics
from httpedge.ports import free_ports
from tests.harness.broker import Broker, running_broker
from tests.harness.commands import database_environment
from tests.harness.paths import ROOT
from tests.harness.postgres import execute
from tests.harness.waiting import wait_until

SERVICES = ("intake", "routing", "escalation", "assessment", "screen")


class SeparateServices:
    """Processes of the services, the broker that they share, and a database of each."""

    def __init__(self, postgres: str, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.key = secrets.token_hex(16)
        self.urls = {
            service: postgres.replace("/postgres?", f"/separate_{service}?") for service in SERVICES
        }
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self) -> dict[str, str]:
        """Return the variables by which services, and doctor, reach each other."""
        addresses = {
            f"GRIDCALL_{name.upper()}_URL": f"http://127.0.0.1:{port}"
            for name, port in self.ports.items()
        }
        return {
            **addresses,
            "GRIDCALL_KAFKA": self.broker.address,
            "GRIDCALL_SERVICE_KEY": self.key,
        }

    def start(self, *services: str) -> None:
        """Start services, and wait until each is ready."""
        for service in services:
            self.processes[service] = self.spawn(service, self.folder)
        for service in services:
            wait_until(partial(self.is_ready, service))

    def spawn(self, service: str, home: Path) -> subprocess.Popen[bytes]:
        """Start the process of a service with a data folder."""
        own = {"GRIDCALL_HOME": str(home), "GRIDCALL_PORT": str(self.ports[service])}
        with (self.folder / f"{service}.log").open("ab") as log_file:
            return subprocess.Popen(
                [sys.executable, "-m", service],
                env={
                    **database_environment(self.urls[service]),
                    **self.environment(),
                    **own,
                    **self.access(service),
                },
                cwd=ROOT,
                stderr=log_file,
            )

    def access(self, service: str) -> dict[str, str]:
        """Return the variables by which a service reaches a broker that asks who it is."""
        return {}

    def lose_inputs(self, count: int) -> None:
        """Take the last inputs from intake's database, as a restored backup lacks them."""
        lose = f"""
            DELETE FROM intake.log WHERE pos > (SELECT pos - {count} FROM intake.shard);
            UPDATE intake.shard SET pos = pos - {count}"""
        asyncio.run(execute(self.urls["intake"], lose))

    def is_ready(self, service: str) -> bool:
        return self.get(service, "/readyz").status_code == 200

    def get(self, service: str, path: str) -> httpx.Response:
        """Return the answer of a service, or 503 if it does not answer."""
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            return httpx.get(
                f"http://127.0.0.1:{self.ports[service]}{path}", headers=headers, trust_env=False
            )
        except httpx.HTTPError:
            return httpx.Response(503)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of gridcall as an operator would, beside the services."""
        return subprocess.run(
            [sys.executable, "-m", "gridcall", *words],
            env={
                **database_environment(""),
                **self.environment(),
                "GRIDCALL_HOME": str(self.folder),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def lag(self) -> int:
        """Return the number of rows that wait anywhere, or -1 if a service does not answer."""
        total = 0
        for service in SERVICES[:-1]:
            answer = self.get(service, "/lag")
            if answer.status_code != 200:
                return -1
            lag = answer.json()["lag"]
            if service != "intake" and not lag["unread"]:
                return -1
            total += sum(lag["unpublished"].values()) + sum(lag["unread"].values())
        return total

    def kill(self, service: str) -> None:
        """Kill a service and wait for its end."""
        self.processes[service].kill()
        self.processes[service].wait()

    def log_tails(self) -> str:
        """Return the end of each service's log."""
        return "".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))


@contextmanager
def separate_services(postgres: str, folder: Path) -> Iterator[SeparateServices]:
    with running_broker(folder / "kafka") as broker:
        asyncio.run(apply(broker.cluster, system_topics(broker.cluster, 2)))
        system = SeparateServices(postgres, broker, folder)
        for url in system.urls.values():
            asyncio.run(create_database(url))
        try:
            yield system
        except BaseException:
            sys.stderr.write(system.log_tails())
            raise
        finally:
            for process in system.processes.values():
                process.kill()
                process.wait()
            for service in SERVICES:
                name = f"separate_{service}"
                asyncio.run(execute(postgres, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

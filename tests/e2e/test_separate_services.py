"""Each service in a process and on a database of its own, over a real broker; processes are killed on the way."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from eventlog.kafka.topics import apply, wanted
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import connected
from gridcall.simulation.local_cluster import free_ports
from gridcall.verify import verify
from tests.conftest import ROOT, execute
from tests.harness.broker import Broker, running_broker
from tests.harness.live import client, gridcall_on, made_up_city, on
from tests.integration.test_acceptor import issue

PATIENCE_SECONDS = 60
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


def soon(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.05)


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


def post(door: httpx.Client, numbers: Iterator[int]) -> None:
    """Twenty issues, which are accepted whoever is away."""
    for _ in range(20):
        assert door.post("/issues/hotline", json=issue(f"r{next(numbers)}")).status_code == 202


async def passed(url: str, log: str) -> tuple[int, int]:
    """How far a service has read, and written."""
    async with connected(url, size=1) as database:
        kept = PostgresLog(log, database, Notifier())
        return (await kept.passed("exampleville")).input, (
            await kept.watermark("exampleville")
        ).position


@pytest.mark.usefixtures("broker")
def test_services_apart_are_the_same_function(postgres: str, tmp_path: Path) -> None:
    with apart(postgres, tmp_path) as system:
        asyncio.run(execute(postgres, "CREATE DATABASE apart_intake"))
        key = made_up_city(system.urls["intake"])
        system.start(*SERVICES)
        url = f"http://127.0.0.1:{system.ports['intake']}"
        with client(url, key) as door:
            answer = door.post("/issues/hotline", json=issue("r0"), headers={"Prefer": "wait=20"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["outcome"], "its writer is asked for the outcome"
            numbers = iter(range(1, 1000))
            for hurt in ("routing", "escalation", "assessment", "broker", "intake"):
                post(door, numbers)
                if hurt == "broker":
                    system.broker.do("kill")
                else:
                    system.kill(hurt)
                if hurt != "intake":
                    post(door, numbers)
                if hurt == "broker":
                    system.broker.do("start")
                else:
                    system.start(hurt)
            soon(lambda: system.lag() == 0)
            repeated = door.post("/issues/hotline", json=issue("r1"))
            assert repeated.status_code == 200
        (_, reported), (heard, decided), (followed, _) = (
            asyncio.run(passed(system.urls[service], log))
            for service, log in (
                ("intake", "intake"),
                ("routing", "cases"),
                ("escalation", "calls"),
            )
        )
        assert (heard, followed) == (reported, decided)
        others = {service: system.urls[service] for service in SERVICES[1:-1]}
        (found,) = asyncio.run(verify(system.urls["intake"], apart=others))
        assert found.difference is None
        assert found.inputs > 180
        assert found.facts > 150
        words = ("sheet", "w:0102", "--apart", f"assessment={system.urls['assessment']}")
        soon(lambda: "\nreported " in gridcall_on(system.urls["intake"], *words).stdout)
        page = httpx.get(
            f"http://127.0.0.1:{system.ports['screen']}/",
            auth=("any", system.key),
            trust_env=False,
            follow_redirects=True,
        )
        assert page.status_code == 200, page.text
        assert system.asked("routing", "/log/exampleville").status_code == 200
        anybody = httpx.get(
            f"http://127.0.0.1:{system.ports['routing']}/log/exampleville", trust_env=False
        )
        assert anybody.status_code == 401
        for service, process in system.processes.items():
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) in (0, -signal.SIGTERM), service
        assert "Traceback" not in system.said(), json.dumps(system.said())

"""The containers of deploy/image/compose.yaml, as one machine runs them."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from events.topology import SERVICES
from httpedge.ports import free_ports
from tests.harness.image.podman import SECONDS_MAX, Podman
from tests.harness.paths import ROOT
from tests.harness.waiting import wait_until

COMPOSE = ROOT / "deploy" / "image" / "compose.yaml"
PROJECT = "gridcall-trial"
START_SECONDS_MAX = 240  # Eight containers start at once, and two databases make their files.
NAMES = tuple(service.name for service in SERVICES)


class System:
    """Postgres, Kafka and the services, each in a container."""

    def __init__(self, podman: Podman, tools: Path) -> None:
        self.podman = podman
        self.key, self.password = secrets.token_hex(24), secrets.token_hex(24)
        self.ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        self._compose = [tools / "bin" / "python", "-m", "podman_compose", "-p", PROJECT]

    def compose(self, *words: str) -> None:
        """Run a command of compose."""
        ports = {f"{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        secret = {"GRIDCALL_SERVICE_KEY": self.key, "POSTGRES_PASSWORD": self.password}
        done = subprocess.run(
            [*map(str, self._compose), "-f", str(COMPOSE), *words],
            env={**self.podman.environment, **ports, **secret},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
        )
        assert done.returncode == 0, f"compose {' '.join(words)}: {done.stdout}{done.stderr}"

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{PROJECT}_{service}_1"

    def run(self, *words: object) -> str:
        """Run a command of gridcall in intake's container, as an operator does."""
        return self.podman.do("exec", self.container("intake"), "gridcall", *words)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def get(self, service: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer of a service, or 503 if it does not answer."""
        try:
            return httpx.get(f"{self.url(service)}{path}", trust_env=False, timeout=30, **options)
        except httpx.HTTPError:
            return httpx.Response(503)

    def is_ready(self, service: str) -> bool:
        return self.get(service, "/readyz").status_code == 200

    def wait_until_ready(self) -> None:
        """Wait until each service is ready, seen from outside."""
        for name in NAMES:
            wait_until(partial(self.is_ready, name), START_SECONDS_MAX)

    def is_healthy(self, service: str) -> bool:
        """Run the check of health that the image or compose.yaml declares."""
        done = self.podman.finish("healthcheck", "run", self.container(service))
        return done.returncode == 0

    def stop(self, service: str, grace_seconds: int) -> tuple[int, float]:
        """Send SIGTERM, and SIGKILL after the grace. Return the status, and the seconds it took."""
        container, began = self.container(service), time.monotonic()
        self.podman.do("stop", "--time", grace_seconds, container)
        seconds = time.monotonic() - began
        state = self.podman.read("inspect", "--type=container", container)[0]["State"]
        return state["ExitCode"], seconds

    def print_logs(self) -> None:
        """Print the last lines of each container, for a trial that failed."""
        for name in ("postgres", "kafka", "topics", *NAMES):
            done = self.podman.finish("logs", "--tail=15", self.container(name))
            sys.stderr.write(f"--- {name}\n{done.stdout}{done.stderr}\n")

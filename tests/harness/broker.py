"""A Kafka broker of deploy/kafka. A test may kill it and start it again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from eventlog.kafka.topics import Cluster
from httpedge.ports import free_ports

SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka" / "broker"


def missing_programs() -> list[str]:
    """Return the programs that a broker needs and that this machine lacks."""
    return [program for program in ("java", "mvn") if shutil.which(program) is None]


def broker_port(*taken: int) -> int:
    """Return a free port whose successor, the controller's port, is free, too."""
    while True:
        port = free_ports(1)[0]
        with socket.socket() as second, suppress(OSError):
            second.bind(("127.0.0.1", port + 1))
            if not {port, port + 1} & {*taken}:
                return port


@dataclass(frozen=True)
class Broker:
    """A broker on a port of loopback. Clients reach it by the port `proxy`, if there is one."""

    port: int
    folder: Path
    proxy: int | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.proxy or self.port}"

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.address)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment by which the script finds the broker."""
        advertised = str(self.proxy or self.port)
        return {
            **os.environ,
            "KAFKA_PORT": str(self.port),
            "KAFKA_FOLDER": str(self.folder),
            "KAFKA_ADVERTISED": advertised,
        }

    def do(self, *words: str) -> str:
        """Run the script with these words, and return its output."""
        command = [str(SCRIPT), *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """Start a broker that ends with the block."""
    broker = Broker(broker_port(), folder)
    broker.do("start")
    try:
        yield broker
    finally:
        broker.do("kill")

"""Separate services over a broker, each with a database of its own, for benchmarks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import own_server, server_settings
from embedded.server import PostgresServer
from eventlog.kafka.administration import apply, remove
from gridcall.host.migrations import prepare
from gridcall.host.topics import system_topics
from tests.harness.broker import Broker, running_broker
from tests.harness.live import adopt_exampleville
from tests.harness.separate_services import SeparateServices

DISTRICT = "exampleville"
# The broker stamps records, because a peer may pass on the time of its input.
STAMPED = {"message.timestamp.type": "LogAppendTime"}


class ServiceHost(SeparateServices):
    """Separate services, each with a database of its own, on topics of their own."""

    def __init__(self, server: PostgresServer, broker: Broker, folder: Path) -> None:
        super().__init__(server.get_uri("postgres"), broker, folder)
        self.server = server
        self.secret = ""

    def prepare(self) -> None:
        """Make fresh databases with the made-up city, and fresh topics."""
        for path in self.folder.glob("announced-*"):
            path.unlink()
        asyncio.run(prepare(self.urls["intake"], forget=True))
        for service in ("routing", "escalation", "assessment"):
            asyncio.run(prepare(self.urls[service], services=[service], forget=True))
        self.secret = adopt_exampleville(self.urls["intake"])
        topics = [
            topic._replace(settings=topic.settings | STAMPED)
            for topic in system_topics(self.broker.cluster, 1)
        ]
        asyncio.run(remove(self.broker.cluster, topics))
        asyncio.run(apply(self.broker.cluster, topics))

    def end(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.terminate()
            process.wait()
        self.processes.clear()


@contextmanager
def service_host() -> Iterator[ServiceHost]:
    """Run a Postgres and a broker, and end all services at the end."""
    with (
        own_server() as server,
        tempfile.TemporaryDirectory() as folder,
        running_broker(Path(folder) / "kafka") as broker,
    ):
        print(asyncio.run(server_settings(server)), flush=True)
        system = ServiceHost(server, broker, Path(folder))
        try:
            yield system
        finally:
            system.end()

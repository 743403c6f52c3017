"""Services as processes of this machine, for simulate over Kafka: who is killed is started again."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from embedded.server import data_folder
from eventlog.kafka.topics import Cluster
from events.errors import Halted
from events.topology import WRITER

END_SECONDS = 20
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
QUOTED_BYTES = 2000


class Tasks:
    """Work that goes on beside other work, until the end of a block."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it go on."""
        self._tasks.add(asyncio.create_task(work))

    def check(self) -> None:
        """Raise what ended one of them."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Processes(Tasks):
    """As many processes of each service as there are replicas. A process that ends by itself is a fault."""

    def __init__(
        self, folder: Path, cluster: Cluster, urls: Mapping[str, str], replicas: int
    ) -> None:
        super().__init__()
        self.folder = folder
        common = {
            "GRIDCALL_HOME": str(folder),
            "GRIDCALL_KAFKA": f"{cluster.brokers}/{cluster.prefix}",
            "GRIDCALL_FED": "true",
        }
        common["GRIDCALL_SERVICE_KEY"] = secrets.token_urlsafe()
        drawn = iter(free_ports(replicas * len(WRITER)))
        for number in range(replicas):
            ports = {service: next(drawn) for service in WRITER.values()}
            addresses = {
                f"GRIDCALL_{service.upper()}_URL": f"http://127.0.0.1:{port}"
                for service, port in ports.items()
            }
            for service, port in ports.items():
                environment = {
                    **os.environ,
                    **common,
                    **addresses,
                    "GRIDCALL_DATABASE_URL": urls[service],
                    "GRIDCALL_PORT": str(port),
                }
                self.start(self._keep(service, folder / f"{service}-{number}.log", environment))

    async def _keep(self, service: str, errors: Path, environment: Mapping[str, str]) -> None:
        """Run a service, and start it again after it was killed. Raises Halted if it exits."""
        while True:
            with errors.open("ab") as file:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    service,
                    env=environment,
                    stderr=file,
                    preexec_fn=end_with_parent,
                )
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                await ended(process)
                raise
            if status >= 0:
                text = errors.read_text(errors="replace")[-QUOTED_BYTES:]
                raise Halted(f"{service} exited with {status}; {errors} says why:\n{text}")


def end_with_parent() -> None:
    """A run that is killed leaves no services behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a process: it drains first."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def folder_of(name: str, anew: bool) -> Path:
    """The data folder of a run's processes."""
    folder = data_folder() / name
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_ports(count: int) -> list[int]:
    """So many ports, no two the same. No client on loopback has one as its own: a process that starts again finds it free."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = 20_000 + secrets.randbelow(12_000)
            tried = held.enter_context(socket.socket())
            with suppress(OSError):
                tried.bind(("127.0.0.1", port))
                ports.append(port)
        return ports

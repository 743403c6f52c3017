"""Services as processes of this machine, for simulate over Kafka."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from embedded.server import data_folder
from eventlog.kafka.topics import Cluster
from events.errors import Halted
from events.topology import WRITER
from gridcall.simulation.background_tasks import BackgroundTasks
from httpedge.ports import free_ports

END_SECONDS = 20
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
QUOTED_BYTES = 2000


class LocalCluster(BackgroundTasks):
    """`replicas` processes of each service that has a log.

    A process that is killed is started again. One that exits by itself is a fault.
    """

    def __init__(
        self, folder: Path, cluster: Cluster, urls: Mapping[str, str], replicas: int
    ) -> None:
        super().__init__()
        self.folder = folder
        shared = shared_settings(folder, cluster)
        ports = iter(free_ports(replicas * len(WRITER)))
        for number in range(replicas):
            replica = {service: next(ports) for service in WRITER.values()}
            addresses = {
                f"GRIDCALL_{service.upper()}_URL": f"http://127.0.0.1:{port}"
                for service, port in replica.items()
            }
            for service, port in replica.items():
                own = {
                    "GRIDCALL_DATABASE_URL": urls[service],
                    "GRIDCALL_PORT": str(port),
                }
                errors = folder / f"{service}-{number}.log"
                self.start(self._keep(service, errors, {**shared, **addresses, **own}))

    async def _keep(self, service: str, errors: Path, settings: Mapping[str, str]) -> None:
        """Run a service, again after each kill. Raises Halted if it exits by itself."""
        while True:
            with errors.open("ab") as file:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    service,
                    env={**os.environ, **settings},
                    stderr=file,
                    preexec_fn=end_with_parent,
                )
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                await terminate(process)
                raise
            if status >= 0:
                text = errors.read_text(errors="replace")[-QUOTED_BYTES:]
                raise Halted(f"{service} exited with {status}; {errors} says why:\n{text}")


def shared_settings(folder: Path, cluster: Cluster) -> dict[str, str]:
    """Return the variables that all services of a run share. They listen on loopback alone."""
    return {
        "GRIDCALL_HOME": str(folder),
        "GRIDCALL_HOST": "127.0.0.1",
        "GRIDCALL_KAFKA": f"{cluster.brokers}/{cluster.prefix}",
        "GRIDCALL_SERVICE_KEY": secrets.token_urlsafe(),
        "GRIDCALL_FED": "true",
    }


def end_with_parent() -> None:
    """Let this process be killed when its parent dies, so that a killed run leaves no services."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def terminate(process: asyncio.subprocess.Process) -> None:
    """End a process, which drains first."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def cluster_folder(name: str, forget: bool) -> Path:
    """Return the data folder of a run's processes. With `forget`, it is empty."""
    folder = data_folder() / name
    if forget:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder

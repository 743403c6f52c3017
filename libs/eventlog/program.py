"""A service as a program: settings from the environment, migrations, HTTP, and the orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from embedded.server import data_folder, database_url
from eventlog.checkpoints import CADENCE
from eventlog.exits import NOTHING_RAN, TERMINATED, exit_of
from eventlog.health import check_ready, operator_routes, probe_routes
from eventlog.host import HostedService, ServiceHost
from eventlog.kafka.published import published_heads
from eventlog.lag import watch_lag
from eventlog.log_once import LogOnce
from eventlog.logs import LOGGER, configure_logging
from eventlog.peers import Directory, Peers
from eventlog.postgres.generation import DatabaseCheck, connection_check
from eventlog.postgres.migrate import check_database, create_database, migrate
from eventlog.postgres.pool import Database, open_database
from eventlog.replay_progress import log_replays, watch_replays
from eventlog.retry import retry
from eventlog.secret_files import load_secret_files
from eventlog.settings import (
    ServiceSettings,
    StageSettings,
    load_settings,
    variables,
)
from eventlog.tracing import open_tracing
from events.errors import GridcallError, Unavailable
from httpedge.ports import check_port
from httpedge.problems import Problem
from httpedge.responses import handle_problems
from httpedge.server import serve

CONNECTIONS = 12  # Intake needs two for each busy district, and some for look-ups.
PATIENCE_SECONDS = 60  # A database that starts beside its service is waited for.
REOPEN_SECONDS = 20  # A server that is starting hears SIGTERM only after that.
BROKER_SECONDS = 5  # A data folder that knows the database is enough to start.

log = logging.getLogger(LOGGER)
FAULT = Problem(500, "fault", "A fault of gridcall", "This is a fault of gridcall.")

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A service that can run alone.

    `writers` names the service of each log, and `directory` the one that lists the shards.
    `open_directory` is set for that one itself. `migrations` make the schema of the service.
    Without a database of its own it uses `embedded_database` of the embedded Postgres.
    """

    name: str
    settings: type[ServiceSettings]
    make: Callable[[ServiceHost, Any], HostedService]
    writers: Mapping[str, str]
    directory: str
    migrations: Path
    embedded_database: str = ""
    open_directory: Callable[[Database], Directory] | None = None
    make_app: Callable[[Lifespan], FastAPI] | None = None


# ── From the command line ────────────────────────────────────────────────────────────────────────


def main(program: Program) -> NoReturn:
    """Run a program, and exit with 2 for wrong settings or 3 for an unreachable database."""
    if len(sys.argv) > 1:
        sys.stdout.write(usage(program))
        sys.exit(0 if sys.argv[1] in ("-h", "--help") else NOTHING_RAN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    configure_logging(program.name)
    try:
        load_secret_files()
        run(program, load_settings(program.settings))
    except (GridcallError, OSError) as fault:
        ended = exit_of(fault)
        log.critical("%s", ended.sentence)
        sys.exit(ended.status)
    sys.exit(0)


def usage(program: Program) -> str:
    """Return the variables that a program reads, one a line."""
    rows = variables(program.settings)
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:{width}}  {meaning}\n" for name, meaning in rows]
    return f"python -m {program.name} is described by the environment:\n{''.join(lines)}"


def run(program: Program, settings: ServiceSettings) -> None:
    """Bring the schema up to date, then serve until SIGTERM or Ctrl-C."""
    configure_logging(program.name)
    url = settings.database_url or database_url(
        program.embedded_database or f"gridcall_{program.name}"
    )
    check = None
    if program.open_directory:
        check = asyncio.run(check_of_first_log(program, settings, url))
    migrations = {program.name: program.migrations}
    asyncio.run(prepare_database(url, migrations, check, create=not settings.database_url))
    check_port(settings.host, settings.port)
    app = service_app(program, settings, url, check)
    serve(app, settings.host, settings.port, settings.limits)


async def check_of_first_log(
    program: Program, settings: ServiceSettings, url: str
) -> DatabaseCheck:
    """Return the check of the first log's database, with what readers know of it from Kafka.

    A data folder that does not know the database is a new one, for example of a new pod. Then the
    broker is waited for. Raises Unavailable.
    """
    cluster = settings.cluster
    (log_name,) = (name for name, writer in program.writers.items() if writer == program.name)
    check = DatabaseCheck(data_folder(), url, program.name, {})
    waits = LogOnce(log)
    try:
        heads = await retry(
            lambda: published_heads(cluster, log_name),
            patience_seconds=BROKER_SECONDS if check.has_file else PATIENCE_SECONDS,
            on_fault=lambda fault: waits.warning(f"waiting for the broker: {fault}"),
        )
    except Unavailable:
        if check.has_file:
            return check
        raise
    finally:
        waits.clear()
    return DatabaseCheck(data_folder(), url, program.name, heads)


async def prepare_database(
    url: str,
    migrations: Mapping[str, Path],
    check: DatabaseCheck | None = None,
    *,
    create: bool = False,
) -> None:
    """Bring schemas up to date as soon as the database answers, and check that it is the same.

    Raises Unavailable after PATIENCE_SECONDS, and Unusable at once.
    """

    async def prepare() -> None:
        if create:
            await create_database(url)
        else:
            await check_database(url)
        for name, folder in migrations.items():
            await migrate(url, name, folder)
        async with open_database(url, size=1, check=connection_check(check)) as database:
            if check:
                check.begin(await database.on_connection(check.state))

    waits = LogOnce(log)
    await retry(prepare, patience_seconds=PATIENCE_SECONDS, on_fault=partial(log_wait, waits))
    waits.clear()


@asynccontextmanager
async def open_pool(url: str, check: DatabaseCheck | None) -> AsyncIterator[Database]:
    """Open the connections of a process, for the length of the block.

    A database that ended since it was prepared is waited for. Raises Unavailable after
    REOPEN_SECONDS.
    """
    async with AsyncExitStack() as stack:

        async def enter() -> Database:
            pool = open_database(url, size=CONNECTIONS, check=connection_check(check))
            return await stack.enter_async_context(pool)

        waits = LogOnce(log)
        database = await retry(
            enter, patience_seconds=REOPEN_SECONDS, on_fault=partial(log_wait, waits)
        )
        waits.clear()
        yield database


def log_wait(waits: LogOnce, fault: Unavailable) -> None:
    """Log why a process waits."""
    waits.warning(f"waiting for the database: {fault}")


# ── Over HTTP ────────────────────────────────────────────────────────────────────────────────────


def service_app(
    program: Program, settings: ServiceSettings, url: str, check: DatabaseCheck | None
) -> FastAPI:
    """Return the application of a service that runs alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # It logs every single retry.
        async with AsyncExitStack() as stack:
            host = await stack.enter_async_context(open_host(program, settings, url, check))
            service = program.make(host, settings)
            key = settings.service_key.get_secret_value()
            service.include_routes(app, key)
            app.include_router(probe_routes(host, key))
            app.include_router(operator_routes(host, key))
            app.state.close = host.close
            app.state.check_ready = partial(check_ready, host, key)
            await stack.enter_async_context(host.run(service))
            host.start(watch_lag(host))
            host.start(watch_replays(host, log_replays()))
            yield

    make_app = program.make_app or (lambda lifespan: plain_app(program.name, lifespan))
    return make_app(lifespan)


def plain_app(name: str, lifespan: Lifespan) -> FastAPI:
    """Return an application without a public API."""
    app = FastAPI(title=f"gridcall {name}", lifespan=lifespan, docs_url=None, redoc_url=None)
    handle_problems(app, (Problem, Unavailable, ClientDisconnect), to_problem, FAULT)
    return app


def to_problem(fault: Exception) -> Problem:
    """Return the problem that a reader gets for a fault of a service that runs alone."""
    if isinstance(fault, Problem):
        return fault
    return Problem(503, "away", "Unavailable", f"{fault}. Try again.")


@asynccontextmanager
async def open_host(
    program: Program, settings: ServiceSettings, url: str, check: DatabaseCheck | None
) -> AsyncIterator[ServiceHost]:
    """Connect a service to its database and to its peers, for the length of the block."""
    peers = Peers(
        cluster=settings.cluster,
        key=settings.service_key.get_secret_value(),
        urls=settings.peer_urls,
        writers=program.writers,
        directory=program.directory,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(peers.connect())
        database = await stack.enter_async_context(open_pool(url, check))
        directory = program.open_directory(database) if program.open_directory else peers
        tracing = await stack.enter_async_context(open_tracing(f"gridcall-{program.name}"))
        yield ServiceHost(
            url=url,
            database=database,
            check=check,
            directory=directory,
            writers=program.writers,
            peers=peers,
            service=program.name,
            cadence=settings.cadence if isinstance(settings, StageSettings) else CADENCE,
            tracing=tracing,
        )

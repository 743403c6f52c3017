"""Fixtures of every tier. A server starts when a test asks for it: unit tests wait for none."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from embedded.server import start_server
from gridcall.host.migrations import prepare
from tests.harness.broker import Broker, missing_programs, running_broker
from tests.harness.kafka import PARTITIONS, PARTITIONS_MAX, Topics, make_topics
from tests.harness.paths import ROOT
from tests.harness.postgres import execute
from tests.harness.requirements import require

DATA = Path(os.environ.get("GRIDCALL_DATA", ROOT.parent / "shared" / "data"))

# pytest closes /tmp/pytest-of-USER to others whenever it starts. A server of another run, whose
# Postgres has a user of its own, would lose its files, so that each run has a root of its own.
# Its name is short, because the path of a Unix socket has at most 107 bytes.
TEMPORARY = Path(tempfile.mkdtemp(prefix="g"))
TEMPORARY.chmod(0o755)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(TEMPORARY))
atexit.register(shutil.rmtree, TEMPORARY, ignore_errors=True)

# Profiles of hypothesis: few examples while one works, many with --hypothesis-profile=thorough.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile("quick")

# A shell starts a background job with SIGINT ignored, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop on which async tests and fixtures run."""
    return "asyncio"


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real data. GRIDCALL_DATA=none skips its tests, also in CI."""
    if os.environ.get("GRIDCALL_DATA") == "none":
        pytest.skip("GRIDCALL_DATA is none")
    require(
        (DATA / "boston311_2015").is_dir(),
        f"no real data in {DATA}: set GRIDCALL_DATA to the folder that has boston311_2015",
    )
    return DATA


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Start a Postgres server and return its URL. Its database `empty` has every schema and no row.

    Commands that tests run use this server, too, because they inherit the environment.
    """
    server = start_server(tmp_path_factory.mktemp("home"))
    asyncio.run(prepare(server.get_uri("empty")))
    os.environ["GRIDCALL_HOME"] = str(tmp_path_factory.mktemp("folder"))
    os.environ["GRIDCALL_DATABASE_URL"] = server.get_uri("postgres")
    return str(server.get_uri("postgres"))


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """Return the URL of a new database that has every schema."""
    with new_database(postgres, "empty") as url:
        yield url


@pytest.fixture
def bare_database(postgres: str) -> Iterator[str]:
    """Return the URL of a new database without a schema of gridcall."""
    with new_database(postgres, "template1") as url:
        yield url


@contextmanager
def new_database(postgres: str, template: str) -> Iterator[str]:
    """Make a database, and drop it in the end."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield postgres.replace("/postgres?", f"/{name}?")
    finally:
        asyncio.run(execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start a Kafka broker."""
    programs = " and ".join(missing_programs())
    require(
        not programs,
        f"no Kafka broker without {programs}: apt-get install default-jdk-headless maven",
    )
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        asyncio.run(make_topics(broker.cluster, PARTITIONS_MAX))
        yield broker


@pytest.fixture
def topics(broker: Broker) -> Topics:
    """Return the broker and a partition that no other test uses. All tests share the topics."""
    return Topics(broker, next(PARTITIONS))

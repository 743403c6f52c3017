"""Where real data lies, and what happens where it does not."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from embedded.server import started
from gridcall.host.migrations import prepare
from tests.harness.broker import Broker, missing, running_broker
from tests.harness.kafka import PARTITIONS, PARTITIONS_MAX, Topics, make_topics

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("GRIDCALL_DATA", ROOT.parent / "shared" / "data"))

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # A background job ignores it, and so would all that it starts.


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data. Without it a test is skipped by name, and fails where CI is set."""
    if not (DATA / "boston311_2015").is_dir():
        sentence = (
            f"no real data in {DATA}: set GRIDCALL_DATA to the folder that has boston311_2015"
        )
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    return DATA


@pytest.fixture(scope="session", autouse=True)
def postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a server of its own, which every command that is tried uses; its database `empty` has every schema, no row."""
    server = started(tmp_path_factory.mktemp("home"))
    asyncio.run(prepare(server.get_uri("empty")))
    os.environ["GRIDCALL_HOME"] = str(tmp_path_factory.mktemp("folder"))
    os.environ["GRIDCALL_DATABASE_URL"] = server.get_uri("postgres")
    return str(server.get_uri("postgres"))


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of a database of its own with every schema."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(execute(postgres, f"CREATE DATABASE {name} TEMPLATE empty"))
    yield postgres.replace("/postgres?", f"/{name}?")
    asyncio.run(execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Kafka broker. Without Java or Maven a test is skipped by name, and fails where CI is set."""
    if lacks := missing():
        sentence = f"no Kafka broker without {' and '.join(lacks)}: apt-get install default-jdk-headless maven"
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        asyncio.run(make_topics(broker.cluster, PARTITIONS_MAX))
        yield broker


@pytest.fixture
def topics(broker: Broker) -> Topics:
    """Partitions that no other test uses: the same topics serve all."""
    return Topics(broker, next(PARTITIONS))


# What a connection raises while databases are made, dropped, cut or crashed.
HURT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


async def execute(url: str, sql: str) -> None:
    """One statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()

"""The supervisor of an embedded Postgres that does not start: its users wait for no more."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from embedded.supervisor import Supervisor


class NeverReady(Supervisor):
    """A supervisor whose server takes very long to start."""

    async def _start(self) -> asyncio.subprocess.Process:
        await asyncio.Event().wait()
        raise AssertionError


class Faulty(Supervisor):
    """A supervisor that meets a fault of its own."""

    async def _start(self) -> asyncio.subprocess.Process:
        raise RuntimeError("no such luck")


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    return listener


async def test_it_ends_with_a_user_that_leaves_before_the_server_runs(
    tmp_path: Path, listener: socket.socket
) -> None:
    async with asyncio.timeout(20):
        running = asyncio.create_task(NeverReady(tmp_path).run(listener))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.close()
        await running
        assert await reader.read() == b""


async def test_its_users_learn_of_any_fault(tmp_path: Path, listener: socket.socket) -> None:
    async with asyncio.timeout(20):
        running = asyncio.create_task(Faulty(tmp_path).run(listener))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert json.loads(await reader.readline()) == {"fault": "no such luck"}
        writer.close()
        await running
    assert "no such luck" in (tmp_path / "postgres.log").read_text(encoding="utf-8")

"""A backup that ends: the log of Postgres is not archived any more, and doctor says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridcall.host.migrations import prepare
from tests.harness.commands import run_on_database
from tests.harness.debian_postgres import Server, require_debian_postgres
from tests.harness.postgres import execute, fetch_rows
from tests.harness.waiting import wait_until

ARCHIVED = "SELECT failed_count > 0, archived_count > 0 FROM pg_stat_archiver"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server that archives its log by a command."""
    require_debian_postgres()
    server = Server(tmp_path)
    server.options += " -c archive_mode=on"
    server.start()
    try:
        asyncio.run(prepare(server.url))
        yield server
    finally:
        server.stop()


def archive_by(server: Server, command: str) -> None:
    """Let Postgres archive a file of its log by a command, and wait until it has tried."""
    asyncio.run(execute(server.url, f"ALTER SYSTEM SET archive_command = '{command}'"))
    asyncio.run(execute(server.url, "SELECT pg_reload_conf()"))
    asyncio.run(execute(server.url, "SELECT pg_stat_reset_shared('archiver')"))
    asyncio.run(execute(server.url, "SELECT pg_logical_emit_message(false, 'a', 'b')"))
    asyncio.run(execute(server.url, "SELECT pg_switch_wal()"))
    tried = (True, False) if command == "/bin/false" else (False, True)
    wait_until(lambda: tuple(fetch_rows(server.url, ARCHIVED)[0]) == tried)


def test_a_log_that_is_archived_is_no_finding(server: Server) -> None:
    archive_by(server, "/bin/true")
    done = run_on_database(server.url, "doctor", "--database")
    assert done.returncode == 0, done.stdout


def test_a_log_that_is_not_archived_any_more_is_found(server: Server) -> None:
    archive_by(server, "/bin/false")
    done = run_on_database(server.url, "doctor", "--database")
    assert done.returncode == 3
    assert "the log of the database of intake is not archived since its start" in done.stdout

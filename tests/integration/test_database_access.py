"""A database that asks who its clients are, as CloudNativePG runs it: TLS, roles, passwords."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from events.topology import SERVICES
from gridcall.host.migrations import prepare
from httpedge.ports import free_ports
from tests.harness.certificates import Authority
from tests.harness.commands import database_environment
from tests.harness.debian_postgres import Server, require_debian_postgres
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.paths import ROOT
from tests.harness.postgres import execute, fetch_rows
from tools.manifests.databases import roles

PASSWORD = "7e1c0f"
HBA = """
local all all trust
hostnossl all all all reject
hostssl all all 127.0.0.0/8 scram-sha-256
"""
ROLES = roles()["spec"]["managed"]["roles"]


class TlsServer(NamedTuple):
    """A server with the roles and databases of the manifests, and the folder of a pod's secrets."""

    server: Server
    port: int
    authority: Path
    secrets: Path

    def url(self, database: str, role: str, ca: Path | None = None, host: str = "localhost") -> str:
        """Return an address like those of the manifests."""
        options = f"sslmode=verify-full&sslrootcert={ca or self.authority}"
        return f"postgresql://{role}@{host}:{self.port}/{database}?{options}"

    def run(self, url: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a pod does: its password is a file."""
        return subprocess.run(
            [sys.executable, "-m", "gridcall", *words],
            env={**database_environment(url), "GRIDCALL_SECRETS": str(self.secrets)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    require_debian_postgres()
    folder, certificates = tmp_path_factory.mktemp("tls"), tmp_path_factory.mktemp("ca")
    authority, (port,) = Authority(certificates), free_ports(1)
    server = Server(folder)
    files = authority.server()
    for file in (files.certificate, files.key):
        shutil.copy(file, server.data)
    (server.data / files.key.name).chmod(0o600)
    (server.data / "pg_hba.conf").write_text(HBA)
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write(
            f"port = {port}\nlisten_addresses = '127.0.0.1,127.0.0.2'\nssl = on\n"
            f"ssl_cert_file = '{files.certificate.name}'\nssl_key_file = '{files.key.name}'\n"
        )
    server.account.own(server.data / files.key.name)
    server.account.own(server.data / files.certificate.name)
    server.options = f"-k {folder}"
    server.start()
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "PGPASSWORD").write_text(PASSWORD)
    result = TlsServer(server, port, authority.certificate, secrets)
    try:
        asyncio.run(make_roles(administration(result, "postgres")))
        yield result
    finally:
        server.stop()


def administration(secure: TlsServer, database: str) -> str:
    """Return the address by which the operator of the server enters: its socket."""
    return f"postgresql://postgres:@/{database}?host={secure.server.folder}&port={secure.port}"


async def make_roles(url: str) -> None:
    """Make the roles and databases of the manifests."""
    for role in ROLES:
        groups = f" IN ROLE {', '.join(role['inRoles'])}" if "inRoles" in role else ""
        await execute(url, f"CREATE ROLE {role['name']} LOGIN PASSWORD '{PASSWORD}'{groups}")
    for service in SERVICES:
        made = f"TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' OWNER {service.name}"
        await execute(url, f"CREATE DATABASE {service.name} {made}")


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_a_migration_has_all_the_rights_that_it_needs_and_may_run_twice(
    service: str, secure: TlsServer
) -> None:
    url = secure.url(service, service)
    first, second = (secure.run(url, "migrate", service) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith(f"{service} is up to date: ")
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_the_verifier_reads_everything_and_writes_nothing(secure: TlsServer) -> None:
    owner = administration(secure, "whole")
    asyncio.run(prepare(owner))
    key = adopt_exampleville(owner)
    process = Process(owner)
    with client(process.url, key) as api:
        answer = api.post("/issues/hotline", json=issue("r0"), headers={"Prefer": "wait=20"})
        assert answer.status_code == 200, answer.text
    assert process.end() == 0
    verifier = secure.url("whole", "verifier")
    done = secure.run(verifier, "verify")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    assert "inputs folded again" in done.stdout
    ((number, revoked),) = fetch_rows(owner, "SELECT id, revoked FROM intake.key")
    refused = secure.run(verifier, "key", "revoke", number)
    assert "permission denied" in refused.stderr
    assert fetch_rows(owner, "SELECT id, revoked FROM intake.key") == [(number, revoked)]


def test_a_connection_without_tls_is_refused(secure: TlsServer) -> None:
    url = f"postgresql://routing@localhost:{secure.port}/routing?sslmode=disable"
    done = secure.run(url, "migrate", "routing")
    assert done.returncode == 3
    assert "no encryption" in done.stderr


def test_a_server_of_another_authority_gets_no_password(secure: TlsServer, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "a stranger").certificate
    done = secure.run(secure.url("routing", "routing", ca=stranger), "migrate", "routing")
    assert done.returncode == 3
    assert "certificate of the database is refused: unable to get local issuer" in done.stderr


def test_a_server_of_another_name_gets_no_password(secure: TlsServer) -> None:
    # The server listens there, too, but its certificate does not have that address.
    done = secure.run(secure.url("routing", "routing", host="127.0.0.2"), "migrate", "routing")
    assert done.returncode == 3
    assert "is refused: IP address mismatch" in done.stderr

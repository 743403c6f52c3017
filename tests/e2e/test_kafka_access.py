"""The services on a broker that asks who they are. They have the rights of the manifests alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventlog.kafka.administration import apply, plan
from eventlog.kafka.publisher import Publisher
from eventlog.kafka.topics import Access, Cluster
from eventlog.postgres.migrate import create_database
from events.errors import Unavailable
from gridcall.host.topics import system_topics
from tests.harness.broker import Broker
from tests.harness.certificates import Authority
from tests.harness.exampleville import issue
from tests.harness.live import adopt_exampleville, client
from tests.harness.postgres import execute
from tests.harness.secure_broker import SecureBroker, secure_broker
from tests.harness.separate_services import SERVICES, SeparateServices
from tests.harness.waiting import wait_until
from tools.manifests.kafka import users

USERS = {user["metadata"]["name"]: user for user in users()}
CONTENT_TYPE = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


class KnownServices(SeparateServices):
    """Services that are each a user of Kafka. Their secrets are files, as in a pod."""

    def __init__(
        self, postgres: str, broker: SecureBroker, folder: Path, accesses: dict[str, Access]
    ) -> None:
        super().__init__(postgres, broker, folder)
        self.accesses = accesses
        self.secure = broker.secure

    def access(self, service: str) -> dict[str, str]:
        access = self.accesses[service]
        secrets = self.folder / f"{service}-secrets"
        secrets.mkdir(exist_ok=True)
        (secrets / "GRIDCALL_KAFKA_PASSWORD").write_text(f"{access.password}\n")
        (secrets / "GRIDCALL_SERVICE_KEY").write_text(self.key)
        return {
            "GRIDCALL_KAFKA": f"127.0.0.1:{self.secure}",
            "GRIDCALL_KAFKA_CA": str(access.ca),
            "GRIDCALL_KAFKA_USER": access.user,
            "GRIDCALL_SECRETS": str(secrets),
            "GRIDCALL_SERVICE_KEY": "",
        }


@pytest.fixture(scope="module")
def known_users(
    broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SecureBroker, dict[str, Access]]]:
    """Return a broker with the users and the topics of the manifests. `broker` is fetched first."""
    with secure_broker(tmp_path_factory.mktemp("secure") / "kafka") as secure:
        asyncio.run(apply(secure.cluster, system_topics(secure.cluster, 2)))
        yield secure, {name: secure.add_user(user) for name, user in USERS.items()}


def publish(cluster: Cluster, topic: str) -> None:
    """Publish a record, or raise Unavailable with the reason."""

    async def send() -> None:
        publisher = Publisher(cluster)
        try:
            await publisher.publish(topic, 0, [(b"k", b"v")], CONTENT_TYPE)
        finally:
            await publisher.close()

    asyncio.run(send())


def test_an_issue_passes_all_services_with_the_rights_of_the_manifests(
    postgres: str, tmp_path: Path, known_users: tuple[SecureBroker, dict[str, Access]]
) -> None:
    secure, accesses = known_users
    system = KnownServices(postgres, secure, tmp_path, accesses)
    for url in system.urls.values():
        asyncio.run(create_database(url))
    try:
        key = adopt_exampleville(system.urls["intake"])
        system.start(*SERVICES)
        with client(f"http://127.0.0.1:{system.ports['intake']}", key) as api:
            answer = api.post("/issues/hotline", json=issue("r0"), headers={"Prefer": "wait=20"})
            assert answer.status_code == 200, answer.text
        wait_until(lambda: system.lag() == 0)
        assert "NotAuthorized" not in system.log_tails()
        assert "AuthorizationFailed" not in system.log_tails()
        doctor = system.run("doctor")
        assert doctor.returncode == 0, doctor.stdout
    finally:
        for process in system.processes.values():
            process.kill()
            process.wait()
        for name in SERVICES:
            drop = f"DROP DATABASE IF EXISTS separate_{name} WITH (FORCE)"
            asyncio.run(execute(postgres, drop))


def test_a_line_publishes_its_issues_and_nothing_else(
    known_users: tuple[SecureBroker, dict[str, Access]],
) -> None:
    secure, accesses = known_users
    hotline = secure.secure_cluster(accesses["line-hotline"])
    publish(hotline, "inbound.hotline")
    for topic in ("inbound.petition", "receipts.hotline", "gridcall.intake", "gridcall.time"):
        with pytest.raises(Unavailable, match="Authorization"):
            publish(hotline, topic)


def test_a_service_writes_no_log_of_another_one(
    known_users: tuple[SecureBroker, dict[str, Access]],
) -> None:
    secure, accesses = known_users
    routing = secure.secure_cluster(accesses["routing"])
    publish(routing, "gridcall.time")
    for topic in ("gridcall.intake", "gridcall.calls", "receipts.hotline"):
        with pytest.raises(Unavailable, match="Authorization"):
            publish(routing, topic)


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        (Access(user="routing", password="secret"), "cannot be reached"),
        (Access(), "cannot be reached"),
    ],
)
def test_who_does_not_encrypt_reaches_nothing(
    known_users: tuple[SecureBroker, dict[str, Access]], access: Access, reason: str
) -> None:
    secure, _ = known_users
    cluster = secure.secure_cluster(access)
    with pytest.raises(Unavailable, match=reason):
        asyncio.run(plan(cluster, system_topics(cluster, 2)))


def test_a_wrong_password_is_refused(
    known_users: tuple[SecureBroker, dict[str, Access]],
) -> None:
    secure, _ = known_users
    cluster = secure.secure_cluster(Access(secure.authority, "routing", "guessed"))
    with pytest.raises(Unavailable, match="as routing over TLS cannot be reached"):
        asyncio.run(plan(cluster, system_topics(cluster, 2)))


def test_a_broker_of_another_authority_gets_no_password(
    known_users: tuple[SecureBroker, dict[str, Access]], tmp_path: Path
) -> None:
    secure, accesses = known_users
    stranger = Authority(tmp_path, "a stranger").certificate
    known = accesses["routing"]
    cluster = secure.secure_cluster(Access(stranger, known.user, known.password))
    with pytest.raises(Unavailable) as refused:
        asyncio.run(plan(cluster, system_topics(cluster, 2)))
    assert known.password not in str(refused.value)


def test_a_file_that_is_no_authority_is_named(
    known_users: tuple[SecureBroker, dict[str, Access]], tmp_path: Path
) -> None:
    secure, _ = known_users
    (tmp_path / "empty.crt").write_text("no certificate")
    cluster = secure.secure_cluster(Access(tmp_path / "empty.crt", "routing", "secret"))
    with pytest.raises(ssl.SSLError):
        asyncio.run(plan(cluster, system_topics(cluster, 2)))

"""A broker that asks who its clients are, as Strimzi runs it: TLS, SCRAM, and rights by name."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from eventlog.kafka.topics import Access, Cluster
from httpedge.ports import free_ports
from tests.harness.broker import Broker, broker_port
from tests.harness.certificates import Authority
from tests.harness.manifests import Manifest

# Nobody but the administrator reaches the plain listener. The later setting of a name wins.
PROPERTIES = """
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
SASL_SSL://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
SASL_SSL://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
ITERATIONS = 4096


@dataclass(frozen=True)
class SecureBroker(Broker):
    """A broker with a second listener, which asks for a user of SASL over TLS."""

    secure: int = 0
    authority: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "KAFKA_PROPERTIES": str(self.folder / "more.properties")}

    def secure_cluster(self, access: Access) -> Cluster:
        return Cluster(f"127.0.0.1:{self.secure}", access=access)

    def add_user(self, user: Manifest) -> Access:
        """Make what Strimzi makes of a KafkaUser: a password and rights. Return its access."""
        name, password = user["metadata"]["name"], secrets.token_hex(12)
        administrator = AdminClient({"bootstrap.servers": self.address})
        credential = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS), password.encode()
        )
        for done in administrator.alter_user_scram_credentials([credential]).values():
            done.result()
        rules = user["spec"]["authorization"]["acls"]
        for created in administrator.create_acls(list(bindings(name, rules))).values():
            created.result()
        return Access(self.authority, name, password)


def bindings(user: str, rules: Iterable[Manifest]) -> Iterator[AclBinding]:
    """Yield the rights of a user in Kafka's own terms."""
    for rule in rules:
        for operation in rule["operations"]:
            yield AclBinding(
                ResourceType[rule["resource"]["type"].upper()],
                rule["resource"]["name"],
                ResourcePatternType[rule["resource"]["patternType"].upper()],
                f"User:{user}",
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )


@contextmanager
def secure_broker(folder: Path) -> Iterator[SecureBroker]:
    """Start such a broker, which ends with the block."""
    folder.mkdir()
    authority = Authority(folder)
    (secure,) = free_ports(1)
    port = broker_port(secure)
    broker = SecureBroker(port, folder, secure=secure, authority=authority.certificate)
    text = PROPERTIES.format(
        port=port, controller=port + 1, secure=secure, keystore=authority.server().both
    )
    (folder / "more.properties").write_text(text)
    broker.do("start")
    try:
        yield broker
    finally:
        broker.do("kill")

"""The settings of a service program: environment variables, each with what it is and an example."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from pydantic import Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventlog.checkpoints import CADENCE, Cadence
from eventlog.kafka.topics import Access, Cluster
from events.errors import Halted
from httpedge.connection_table import Limits

PREFIX = "GRIDCALL_"


DEFAULT_LIMITS = Limits()


class HttpSettings(BaseSettings):
    """The limits of a server's connections."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    connections: int = Field(
        DEFAULT_LIMITS.connections,
        ge=16,
        le=100_000,
        description="how many connections there may be, if the limit of open files allows it",
        examples=["4000"],
    )
    connections_per_address: int = Field(
        DEFAULT_LIMITS.per_address,
        ge=0,
        description="how many of them one address may have; 0 is half of all",
        examples=["100"],
    )
    head_seconds: float = Field(
        DEFAULT_LIMITS.head_seconds,
        gt=0,
        description="the seconds in which a first byte, and then the head of a request, must come",
        examples=["10"],
    )
    idle_seconds: float = Field(
        DEFAULT_LIMITS.idle_seconds,
        gt=0,
        description="the seconds that a connection stays open between two requests; "
        "longer than a proxy in front reuses it",
        examples=["15"],
    )
    stall_seconds: float = Field(
        DEFAULT_LIMITS.stall_seconds,
        gt=0,
        description="the seconds in which a client must read 16 KiB of what waits for it",
        examples=["15"],
    )

    @property
    def limits(self) -> Limits:
        """Return the limits of a server."""
        return Limits(
            connections=self.connections,
            per_address=self.connections_per_address,
            head_seconds=self.head_seconds,
            idle_seconds=self.idle_seconds,
            stall_seconds=self.stall_seconds,
        )


class KafkaAccessSettings(BaseSettings):
    """The proofs of a connection to Kafka. Any program that connects reads them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    kafka_ca: FilePath | None = Field(
        None,
        description="a file with the certificates of the authorities that the brokers' "
        "certificates are checked against; with it connections use TLS",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )
    kafka_user: str = Field(
        "",
        description="the user of SASL (SCRAM-SHA-512), which needs TLS and a password",
        examples=["routing"],
    )
    kafka_password: SecretStr = Field(
        SecretStr(""),
        description="the password of that user",
        examples=["the output of openssl rand -hex 24"],
    )

    @model_validator(mode="after")
    def check_access(self) -> Self:
        """Refuse a user without a password, and a password that would not be encrypted."""
        if bool(self.kafka_user) != bool(self.kafka_password.get_secret_value()):
            raise ValueError("GRIDCALL_KAFKA_USER and GRIDCALL_KAFKA_PASSWORD go together")
        if self.kafka_user and self.kafka_ca is None:
            raise ValueError(
                "GRIDCALL_KAFKA_USER needs GRIDCALL_KAFKA_CA: no password goes out unencrypted"
            )
        return self

    @property
    def access(self) -> Access:
        """Return the proofs of a connection to Kafka."""
        return Access(self.kafka_ca, self.kafka_user, self.kafka_password.get_secret_value())


class ServiceSettings(HttpSettings, KafkaAccessSettings):
    """The settings of every service. A field `x_url` of a subclass is the address of x."""

    host: str = Field("127.0.0.1", description="the address to listen on", examples=["127.0.0.1"])
    port: int = Field(
        0, ge=0, le=65535, description="the port to listen on; 0 is any free one", examples=["8311"]
    )
    kafka: str = Field(description="the broker's address", examples=["127.0.0.1:19092"])
    service_key: SecretStr = Field(
        description="a secret that all services share",
        examples=["the output of openssl rand -hex 24"],
    )
    database_url: str = Field(
        "",
        description="the database of this service alone; without it one of the embedded Postgres",
        examples=["postgresql://HOST/NAME"],
    )

    @property
    def cluster(self) -> Cluster:
        """Return the brokers, with the access to them."""
        return Cluster.parse(self.kafka, self.access)

    @property
    def peer_urls(self) -> dict[str, str]:
        """Return the addresses of other services by name."""
        names = [name for name in type(self).model_fields if is_peer_url(name)]
        return {name.removesuffix("_url"): getattr(self, name) for name in names}


class CheckpointSettings(BaseSettings):
    """The cadence in which stages store what changed."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    checkpoint_seconds: float = Field(
        CADENCE.seconds,
        gt=0,
        description="the seconds after which the states of cases that changed are stored; a new "
        "owner of a district folds again what came after that",
        examples=["10"],
    )

    @property
    def cadence(self) -> Cadence:
        """Return when a checkpoint begins."""
        return Cadence(seconds=self.checkpoint_seconds)


class StageSettings(ServiceSettings, CheckpointSettings):
    """The settings of a service that is a stage."""


def is_peer_url(field: str) -> bool:
    """Return True for a field that has the address of another service."""
    return field.endswith("_url") and field != "database_url"


def port_setting(port: int) -> Any:
    """Return the field of a port, with its default."""
    return Field(
        port,
        ge=0,
        le=65535,
        description="the port to listen on; 0 is any free one",
        examples=[str(port)],
    )


def peer_setting(name: str, port: int) -> Any:
    """Return the field of a peer's address. Without a setting it is on this machine."""
    url = f"http://127.0.0.1:{port}"
    return Field(url, description=f"the address of {name}", examples=[url])


S = TypeVar("S", bound=BaseSettings)


def load_settings(kind: type[S], **overrides: Any) -> S:
    """Read settings from the environment.

    Raises Halted with a sentence for each variable that is missing or wrong.
    """
    try:
        return kind(**overrides)
    except ValidationError as fault:
        raise Halted("; ".join(explanation(kind, error) for error in fault.errors())) from None


def explanation(kind: type[BaseSettings], error: Any) -> str:
    """Return a sentence that names the variable, what it is, and an example."""
    if not error["loc"]:
        return str(error["ctx"]["error"])
    name = str(error["loc"][0])
    problem = "is not set" if error["type"] == "missing" else f"is wrong ({error['msg']})"
    return f"{variable(name)} {problem}: it is {meaning(kind, name)}"


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def meaning(kind: type[BaseSettings], field: str) -> str:
    """Return what a setting is, with an example."""
    known = kind.model_fields[field]
    example = f", for example {known.examples[0]}" if known.examples else ""
    return f"{known.description}{example}"


def variables(kind: type[BaseSettings]) -> list[tuple[str, str]]:
    """Return every variable of a program with its meaning, required ones first."""
    fields = sorted(kind.model_fields, key=lambda name: not kind.model_fields[name].is_required())
    return [(variable(field), meaning(kind, field)) for field in fields]

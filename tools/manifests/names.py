"""Names, labels and paths that several manifests share."""

from __future__ import annotations

from typing import Any

from events.topology import SERVICES

Manifest = dict[str, Any]

NAMESPACE = "gridcall"
IMAGE = "gridcall"  # An overlay says from where, and which version.
PORT_NAME = "http"
PART_OF = {"app.kubernetes.io/part-of": "gridcall"}
COMPONENT, NAME = "app.kubernetes.io/component", "app.kubernetes.io/name"
SERVING, MIGRATING = "service", "migration"
DOCTOR, VERIFY = "doctor", "verify"

# A namespace with this label may reach something here: its gateway, or its Prometheus.
ACCESS = "gridcall.access"

DATABASE, DATABASE_PORT = "database", 5432  # The Cluster of CloudNativePG.
KAFKA, KAFKA_PORT = "kafka", 9093  # The Kafka of Strimzi, and its listener with TLS.
BROKERS = f"{KAFKA}-kafka-bootstrap:{KAFKA_PORT}"
KAFKA_SECRET_PREFIX = "kafka-user-"  # Of the Secret that Strimzi makes for a user.
SERVICE_KEY = "service-key"

HOME = "/var/lib/gridcall"
SECRETS = "/run/secrets/gridcall"
CERTIFICATES = "/etc/gridcall/certificates"
KAFKA_CA, DATABASE_CA = f"{CERTIFICATES}/kafka.crt", f"{CERTIFICATES}/database.crt"


# Settings of each process. The home folder is the only one that it may write to.
PROCESS = {"GRIDCALL_HOME": HOME, "GRIDCALL_SECRETS": SECRETS, "TMPDIR": HOME}


def component_name(name: str, component: str) -> str:
    """Return the name of a component. A thing and its service have the same name."""
    return f"migrate-{name}" if component == MIGRATING else name


def selector_of(name: str, component: str) -> dict[str, str]:
    """Return the labels that select the pods of a thing: name and component together."""
    return {NAME: name, COMPONENT: component}


def labels_of(name: str, component: str) -> dict[str, str]:
    """Return the labels of a thing."""
    return {**selector_of(name, component), **PART_OF}


def metadata(name: str, labels: dict[str, str]) -> Manifest:
    """Return the metadata of a thing in gridcall's namespace."""
    return {"name": name, "namespace": NAMESPACE, "labels": labels}


def service_url(name: str, port: int) -> str:
    """Return the address of a service inside the cluster."""
    return f"http://{name}:{port}"


def database_url(database: str, role: str) -> str:
    """Return the address of a database, without a password: that is PGPASSWORD.

    `verify-full` checks the certificate against the authority, and the name in it.
    """
    return (
        f"postgresql://{role}@{DATABASE}-rw:{DATABASE_PORT}/{database}"
        f"?sslmode=verify-full&sslrootcert={DATABASE_CA}"
    )


def service_urls() -> dict[str, str]:
    """Return the variables with the addresses of all services."""
    return {
        f"GRIDCALL_{each.name.upper()}_URL": service_url(each.name, each.port) for each in SERVICES
    }

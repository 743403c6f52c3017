"""The pod of a program of gridcall: what it may do, what it gets, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.kafka.client import CLOSE_SECONDS
from eventlog.program import PATIENCE_SECONDS, REOPEN_SECONDS
from eventlog.supervisor import UNWIND_SECONDS
from httpedge.server import DRAIN_SECONDS_MAX
from tools.manifests.names import (
    CERTIFICATES,
    DATABASE,
    HOME,
    IMAGE,
    KAFKA,
    KAFKA_SECRET_PREFIX,
    PORT_NAME,
    SECRETS,
    SERVICE_KEY,
    Manifest,
    component_name,
    labels_of,
    metadata,
)

USER_ID = 65532  # That of the image.
GROUP_READS = 0o440  # Nobody else in the pod reads a secret.

# Endpoints forget a pod while it already ends. Until they have, it goes on to answer.
FORGOTTEN_SECONDS = 5
GRACE_SECONDS = 60
assert GRACE_SECONDS > FORGOTTEN_SECONDS + DRAIN_SECONDS_MAX + UNWIND_SECONDS + 2 * CLOSE_SECONDS

# A process listens once its database answered: it waits for one that starts beside it.
START_SECONDS = PATIENCE_SECONDS + REOPEN_SECONDS + 40
START_PERIOD_SECONDS = 5


def account(name: str, component: str) -> Manifest:
    """Return an account without rights and without a token: nothing here asks Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(component_name(name, component), labels_of(name, component)),
        "automountServiceAccountToken": False,
    }


def container(name: str, arguments: Sequence[str], resources: Manifest, **more: object) -> Manifest:
    """Return a container of gridcall's image that may do nothing but its work."""
    return {
        "name": name,
        "image": IMAGE,
        # The image's entry point is gridcall behind an init, which loses no early SIGTERM.
        "args": list(arguments),
        **more,
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "volumeMounts": [
            {"name": "home", "mountPath": HOME},
            {"name": "secrets", "mountPath": SECRETS, "readOnly": True},
            {"name": "certificates", "mountPath": CERTIFICATES, "readOnly": True},
        ],
    }


def pod_spec(account: str, containers: Sequence[Manifest], secrets: Sequence[Manifest]) -> Manifest:
    """Return the specification of a pod that fits the standard `restricted`."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [
            # The last announced positions are on Kafka too, so that a new pod may begin empty.
            {"name": "home", "emptyDir": {"sizeLimit": "64Mi"}},
            {"name": "secrets", "projected": secret_volume(secrets)},
            {"name": "certificates", "projected": secret_volume(AUTHORITIES)},
        ],
    }


def secret_volume(sources: Sequence[Manifest]) -> Manifest:
    """Return a volume of files of several Secrets."""
    return {"defaultMode": GROUP_READS, "sources": list(sources)}


def secret_file(secret: str, key: str, path: str) -> Manifest:
    """Return one value of a Secret as a file. The others, such as keys of authorities, stay out."""
    return {"secret": {"name": secret, "items": [{"key": key, "path": path}]}}


AUTHORITIES = (
    secret_file(f"{KAFKA}-cluster-ca-cert", "ca.crt", "kafka.crt"),
    secret_file(f"{DATABASE}-ca", "ca.crt", "database.crt"),
)
KEY_FILE = secret_file(SERVICE_KEY, "key", "GRIDCALL_SERVICE_KEY")


def database_password(role: str) -> Manifest:
    """Return the password of a role of Postgres as a file."""
    return secret_file(f"{DATABASE}-{role}", "password", "PGPASSWORD")


def kafka_password(user: str) -> Manifest:
    """Return the password of a user of Kafka as a file."""
    return secret_file(f"{KAFKA_SECRET_PREFIX}{user}", "password", "GRIDCALL_KAFKA_PASSWORD")


def resources(cpu: str, memory: str, memory_max: str) -> Manifest:
    """Return what a container asks for. CPU has no limit, which would only delay commits."""
    return {
        "requests": {"cpu": cpu, "memory": memory, "ephemeral-storage": "64Mi"},
        "limits": {"memory": memory_max, "ephemeral-storage": "128Mi"},
    }


def probes() -> Manifest:
    """Return the probes of a service. Each has its own question.

    The first waits for the database. The second kills a process that answers nothing, and asks
    nothing of the database: it would only kill what waits. The third sees replays and outages.
    """
    return {
        "startupProbe": {
            "httpGet": {"path": "/startupz", "port": PORT_NAME},
            "periodSeconds": START_PERIOD_SECONDS,
            "failureThreshold": START_SECONDS // START_PERIOD_SECONDS,
            "timeoutSeconds": 5,
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": PORT_NAME},
            "periodSeconds": 10,
            "failureThreshold": 6,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": PORT_NAME},
            "periodSeconds": 5,
            "failureThreshold": 2,
            "timeoutSeconds": 4,
        },
    }

"""A database and a role for each service, for CloudNativePG."""

from __future__ import annotations

from collections.abc import Iterator

from events.topology import SERVICES
from tools.manifests.jobs import VERIFIER
from tools.manifests.names import DATABASE, NAMESPACE, PART_OF, Manifest, metadata


def databases() -> Iterator[Manifest]:
    """Yield the databases. Deleting a manifest deletes no data."""
    for service in SERVICES:
        yield {
            "apiVersion": "postgresql.cnpg.io/v1",
            "kind": "Database",
            "metadata": metadata(service.name, PART_OF),
            "spec": {
                "cluster": {"name": DATABASE},
                "name": service.name,
                "owner": service.name,
                "encoding": "UTF8",
                "localeCollate": "C",
                "localeCType": "C",
                "databaseReclaimPolicy": "retain",
            },
        }


def roles() -> Manifest:
    """Return the roles, as a patch of the cluster. Each service owns its database alone."""
    owners = [role(service.name) for service in SERVICES]
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": DATABASE, "namespace": NAMESPACE},
        "spec": {"managed": {"roles": [*owners, role(VERIFIER, ["pg_read_all_data"])]}},
    }


def role(name: str, groups: list[str] | None = None) -> Manifest:
    """Return a role that may log in, with a password from a Secret."""
    return {
        "name": name,
        "ensure": "present",
        "login": True,
        "superuser": False,
        "createdb": False,
        "createrole": False,
        **({"inRoles": groups} if groups else {}),
        "passwordSecret": {"name": f"{DATABASE}-{name}"},
    }

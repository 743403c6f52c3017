"""Policies of the network: each flow is declared twice, where it leaves and where it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.topology import SERVICES, Service
from tools.manifests.names import (
    ACCESS,
    DATABASE,
    DATABASE_PORT,
    DOCTOR,
    KAFKA,
    KAFKA_PORT,
    MIGRATING,
    PORT_NAME,
    SERVING,
    Manifest,
    component_name,
    labels_of,
    metadata,
    selector_of,
)
from tools.manifests.settings import askers_of, peers_of

PUBLIC = ("intake", "screen")  # The services that the gateway reaches.
TO_DATABASE = (
    [{"podSelector": {"matchLabels": {"cnpg.io/cluster": DATABASE}}}],
    DATABASE_PORT,
)
TO_KAFKA = (
    [
        {
            "podSelector": {
                "matchLabels": {"strimzi.io/cluster": KAFKA, "strimzi.io/broker-role": "true"}
            }
        }
    ],
    KAFKA_PORT,
)


def flow(direction: str, peers: Sequence[Manifest], port: int | str) -> Manifest:
    """Return a rule of a policy: these pods, on this port. `direction` is `from` or `to`."""
    return {direction: list(peers), "ports": [{"protocol": "TCP", "port": port}]}


def pods(name: str, component: str) -> Manifest:
    """Return the pods of a component as a peer."""
    return {"podSelector": {"matchLabels": selector_of(name, component)}}


def namespaces(purpose: str) -> Manifest:
    """Return the namespaces that an operator has labelled for a purpose as a peer."""
    return {"namespaceSelector": {"matchLabels": {f"{ACCESS}/{purpose}": "true"}}}


def policies(service: Service) -> Iterator[Manifest]:
    """Yield the policies of a service and of its migration."""
    callers = [pods(asker.name, SERVING) for asker in askers_of(service)]
    callers += [pods(DOCTOR, DOCTOR), namespaces("metrics")]
    if service.name in PUBLIC:
        callers.append(namespaces("requests"))
    yield policy(
        service.name,
        SERVING,
        ingress=[flow("from", callers, PORT_NAME)],
        egress=[
            *(flow("to", [pods(peer.name, SERVING)], PORT_NAME) for peer in peers_of(service)),
            flow("to", *TO_DATABASE),
            flow("to", *TO_KAFKA),
        ],
    )
    yield policy(
        service.name,
        MIGRATING,
        ingress=[],
        egress=[flow("to", *TO_DATABASE)],
    )


def policy(
    name: str, component: str, ingress: Sequence[Manifest], egress: Sequence[Manifest]
) -> Manifest:
    """Return the policy of the pods of a component."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(component_name(name, component), labels_of(name, component)),
        "spec": {
            "podSelector": {"matchLabels": selector_of(name, component)},
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": list(ingress)} if ingress else {}),
            "egress": list(egress),
        },
    }


def doctor_policy() -> Manifest:
    """Return the policy of the doctor, who asks each service and nothing else."""
    services = [pods(service.name, SERVING) for service in SERVICES]
    return policy(DOCTOR, DOCTOR, ingress=[], egress=[flow("to", services, PORT_NAME)])

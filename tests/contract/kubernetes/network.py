"""Policies of what may talk to what. Those of Kubernetes are evaluated for every pair of pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from events.topology import SERVICE
from tests.harness.manifests import COMPONENT, NAME, Manifest, Manifests

Flow = tuple[str, str, int]

# The flows between services, as docs/architecture.md tells them: a stage asks the writers of the
# logs that it reads, all ask intake for districts and contents, and intake asks for outcomes.
PEERS = {
    "intake": {"routing", "escalation", "screen"},
    "routing": {"intake"},
    "escalation": {"intake", "routing"},
    "assessment": {"intake", "routing", "escalation"},
    "screen": {"intake", "routing", "escalation"},
}
OPEN_PORTS = {443, 6443}  # The API of Kubernetes and the store of backups have no labels.
PORTS = {53, 5432, 8000, 8080, 9090, 9091, 9093, 9187, *OPEN_PORTS} | {
    service.port for service in SERVICE.values()
}


@dataclass(frozen=True, eq=False)
class Place:
    """A pod, or what stands for all of a kind: its labels, its namespace, its ports by name."""

    name: str
    labels: dict[str, str]
    namespace: dict[str, str] | None = None  # Labels of another namespace than gridcall's.
    http: int | None = None


def places(manifests: Manifests) -> Iterator[Place]:
    """Yield every pod that there is, and strangers around them."""
    for each in manifests.workloads():
        labels = each.template["metadata"]["labels"]
        ports = {port["name"]: port["containerPort"] for port in each.container.get("ports", ())}
        name = each.name if each.component in ("service", each.name) else f"migrate-{each.name}"
        yield Place(name, labels, http=ports.get("http"))
    yield Place("database", {"cnpg.io/cluster": "database"})
    of_kafka = {"strimzi.io/cluster": "kafka"}
    yield Place("broker", {**of_kafka, "strimzi.io/broker-role": "true"})
    yield Place("kafka-operators", of_kafka)
    yield Place("other-broker", {"strimzi.io/cluster": "other", "strimzi.io/broker-role": "true"})
    yield from neighbours(manifests)
    system = {"kubernetes.io/metadata.name": "kube-system"}
    yield Place("names", {"k8s-app": "kube-dns"}, system)
    yield Place("system", {}, system)
    yield Place("postgres-operator", {}, {"kubernetes.io/metadata.name": "cnpg-system"})
    yield Place("gateway", {}, {"gridcall.access/requests": "true"})
    yield Place("prometheus", {}, {"gridcall.access/metrics": "true"})
    yield Place("upstream", {}, {"gridcall.access/kafka": "true"})
    known = {NAME: "intake", COMPONENT: "service", "k8s-app": "kube-dns"}
    yield Place("stranger", known, {"some": "namespace"})


def neighbours(manifests: Manifests) -> Iterator[Place]:
    """Yield pods of somebody else in the same namespace, which share one label with a pod."""
    workloads = manifests.workloads()
    for name in sorted({each.name for each in workloads}):
        yield Place(f"other-of-{name}", {NAME: name, COMPONENT: "other"}, http=8080)
    for component in sorted({each.component for each in workloads}):
        yield Place(f"other-{component}", {NAME: "other", COMPONENT: component}, http=8080)


def open_flows(manifests: Manifests, kind: str) -> set[Flow]:
    """Return what the policies permit on one side, egress or ingress: from, to, port."""
    everything = list(places(manifests))
    policies = [each["spec"] for each in manifests.of_kind("NetworkPolicy")]
    result = set()
    for pod in everything:
        if pod.namespace is None:
            for other, port in reachable_places(policies, kind, pod, everything):
                ends = (pod, other) if kind == "Egress" else (other, pod)
                result.add((ends[0].name, ends[1].name, port))
    if kind == "Ingress":
        result |= {
            (source.name, "broker", 9093)
            for source in everything
            if any(matches(peer, source) for peer in listener(manifests))
        }
    return result


def listener(manifests: Manifests) -> list[Manifest]:
    """Return who may reach the brokers: Strimzi makes a policy of it, and those among brokers."""
    (listening,) = manifests.one("Kafka", "kafka")["spec"]["kafka"]["listeners"]
    peers: list[Manifest] = listening["networkPolicyPeers"]
    assert listening["port"] == 9093
    return peers


def reachable_places(
    policies: Iterable[Manifest], kind: str, pod: Place, others: Iterable[Place]
) -> set[tuple[Place, int]]:
    """Return the pods and ports that a pod may reach, or be reached by.

    Without any policy that is everything. gridcall has no say about other namespaces.
    """
    specs = [spec for spec in policies if kind in spec["policyTypes"]]
    specs = [spec for spec in specs if is_chosen(spec["podSelector"], pod.labels)]
    if pod.namespace is not None or not specs:
        return {(other, port) for other in others for port in PORTS}
    rules = [rule for spec in specs for rule in spec.get(kind.lower(), ())]
    return {
        (other, port)
        for rule in rules
        for other in others
        if reaches(rule, kind, other)
        for port in ports_of(rule, (pod if kind == "Ingress" else other).http)
    }


def ports_of(rule: Manifest, named: int | None) -> set[int]:
    """Return the ports of a rule. `named` is the number of the port http of the pod."""
    listed = rule.get("ports")
    if not listed or any("port" not in each for each in listed):
        return PORTS
    numbers = {named if each["port"] == "http" else each["port"] for each in listed}
    return {number for number in numbers if number is not None}


def reaches(rule: Manifest, kind: str, other: Place) -> bool:
    """Tell if a rule names a pod as its peer. A rule without peers names all."""
    peers = rule.get("from" if kind == "Ingress" else "to")
    return not peers or any(matches(peer, other) for peer in peers)


def matches(peer: Manifest, place: Place) -> bool:
    """Tell if a peer of a rule is this pod."""
    if "namespaceSelector" in peer:
        if not is_chosen(peer["namespaceSelector"], place.namespace or {"own": "true"}):
            return False
    elif place.namespace is not None:
        return False
    return is_chosen(peer.get("podSelector", {}), place.labels)


def is_chosen(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", ())
    return all(labels.get(name) == value for name, value in wanted) and all(
        labels.get(each["key"]) in each["values"] for each in among if each["operator"] == "In"
    )


def declared_flows() -> set[Flow]:
    """Return the flows that there should be."""
    services, jobs = [*SERVICE], [*(f"migrate-{name}" for name in SERVICE), "verify"]
    flows: set[Flow] = set()
    for name, service in SERVICE.items():
        callers = [caller for caller, peers in PEERS.items() if name in peers]
        callers += ["doctor", "prometheus"]
        callers += ["gateway"] if name in ("intake", "screen") else []
        flows |= {(caller, name, service.port) for caller in callers}
        flows.add((name, "broker", 9093))
    flows |= {(name, "database", 5432) for name in [*services, *jobs]}
    flows |= {(peer, "database", port) for peer in ("database", "postgres-operator")
              for port in (5432, 8000)}  # fmt: skip
    # A later service needs no new rule in front of what all of them share. Passwords are.
    flows |= {(f"other-{each}", "database", 5432) for each in ("service", "migration", "verify")}
    flows.add(("other-service", "broker", 9093))
    flows.add(("prometheus", "database", 9187))
    flows.add(("upstream", "broker", 9093))
    return flows


def a_pod_is_reached_only_by_those_who_are_declared(manifests: Manifests) -> None:
    result, wanted = open_flows(manifests, "Ingress"), declared_flows()
    assert result - wanted == set(), f"open, and not declared: {sorted(result - wanted)}"
    assert wanted - result == set(), f"declared, and closed: {sorted(wanted - result)}"


def a_pod_reaches_only_what_is_declared(manifests: Manifests) -> None:
    everything = list(places(manifests))
    own = {each.name for each in everything if each.namespace is None}
    result = open_flows(manifests, "Egress")
    wanted = {flow for flow in declared_flows() if flow[0] in own and "other" not in flow[0]}
    wanted |= {(name, "names", 53) for name in own}
    stores = ("database", "broker", "kafka-operators")
    wanted |= {(name, each.name, port) for name in stores for each in everything
               for port in OPEN_PORTS}  # fmt: skip
    wanted |= {(one, other, port) for one in stores[1:] for other in stores[1:]
               for port in (9090, 9091)}  # fmt: skip
    assert result - wanted == set(), f"open, and not declared: {sorted(result - wanted)}"
    assert wanted - result == set(), f"declared, and closed: {sorted(wanted - result)}"


def every_pod_is_closed_in_both_directions(manifests: Manifests) -> None:
    deny = manifests.one("NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in manifests.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        assert spec["podSelector"] or policy["metadata"]["name"] in ("default-deny", "names")
        for kind in ("Ingress", "Egress"):
            assert (kind in spec["policyTypes"]) or kind.lower() not in spec


def every_rule_names_its_ports_and_their_protocol(manifests: Manifests) -> None:
    for policy in manifests.of_kind("NetworkPolicy"):
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            assert rule["ports"]
            for port in rule["ports"]:
                assert port.keys() == {"protocol", "port"}
    names = manifests.one("NetworkPolicy", "names")["spec"]["egress"][0]["ports"]
    assert [each["protocol"] for each in names] == ["UDP", "TCP"]


def each_service_has_policies_of_its_own(manifests: Manifests) -> None:
    named = manifests.by_name("NetworkPolicy")
    jobs = {f"migrate-{name}" for name in SERVICE}
    assert named.keys() == {
        "default-deny", "names", "database", "kafka", "doctor", "verify", *SERVICE, *jobs,
    }  # fmt: skip
    for name in ("doctor", "verify", *SERVICE, *jobs):
        assert named[name]["spec"]["policyTypes"] == ["Ingress", "Egress"]


POLICIES = (
    every_pod_is_closed_in_both_directions,
    a_pod_is_reached_only_by_those_who_are_declared,
    a_pod_reaches_only_what_is_declared,
    every_rule_names_its_ports_and_their_protocol,
    each_service_has_policies_of_its_own,
)
PRODUCTION_POLICIES = ()

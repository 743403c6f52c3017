"""Policies of the names of all, and of what the world and Prometheus may reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from events.topology import SERVICE
from httpedge.request_body import BODY_BYTES_PER_SECOND_MIN, BODY_SECONDS_MAX, REQUEST_BYTES_MAX
from intake.ingest_endpoint import WAIT_SECONDS_MAX
from tests.harness.manifests import COMPONENT, NAME, Manifests
from tests.harness.prometheus import ALERTS

API = {
    "Cluster": "postgresql.cnpg.io/v1",
    "ConfigMap": "v1",
    "CronJob": "batch/v1",
    "Database": "postgresql.cnpg.io/v1",
    "Deployment": "apps/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Job": "batch/v1",
    "Kafka": "kafka.strimzi.io/v1",
    "KafkaNodePool": "kafka.strimzi.io/v1",
    "KafkaTopic": "kafka.strimzi.io/v1",
    "KafkaUser": "kafka.strimzi.io/v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ObjectStore": "barmancloud.cnpg.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "ScheduledBackup": "postgresql.cnpg.io/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}
PART_OF = "app.kubernetes.io/part-of"
PUBLIC = {
    "intake": ("/issues/hotline", "/issues/hotline/2026-000117", "/actions", "/track/0f", "/log/a",
               "/openapi.json"),
    "screen": ("/", "/static/screen/page.js", "/screen/a/map", "/screen/a/live"),
}  # fmt: skip
INTERNAL = (
    "/metrics", "/condition", "/lag", "/livez", "/readyz", "/startupz", "/shards", "/contents/0f",
    "/tracking-codes/0f", "/tracking/a/b", "/docs", "/static",
)  # fmt: skip


def everything_has_a_kind_a_name_and_a_place(manifests: Manifests) -> None:
    names = set()
    for each in manifests:
        metadata = each["metadata"]
        assert API[each["kind"]] == each["apiVersion"]
        assert re.fullmatch(r"[a-z0-9.-]+", metadata["name"])
        if each["kind"] != "Namespace":
            assert metadata["namespace"] == "gridcall"
        assert metadata["labels"][PART_OF] == "gridcall"
        names.add((each["kind"], metadata["name"]))
    assert len(names) == len(manifests)


def labels_tell_whose_a_thing_is(manifests: Manifests) -> None:
    kinds = ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget",
             "HorizontalPodAutoscaler", "Job", "CronJob")  # fmt: skip
    for kind in kinds:
        for each in manifests.of_kind(kind):
            labels = each["metadata"]["labels"]
            assert labels.keys() == {NAME, COMPONENT, PART_OF}
            migrates = labels[COMPONENT] == "migration"
            named = f"migrate-{labels[NAME]}" if migrates else labels[NAME]
            assert each["metadata"]["name"] == named
    for workload in manifests.workloads():
        labels = workload.template["metadata"]["labels"]
        assert labels == workload.manifest["metadata"]["labels"]
        assert labels[COMPONENT] in ("service", "migration", labels[NAME])
    for each in manifests.of_kind("NetworkPolicy"):
        labels = each["metadata"]["labels"]
        selected = each["spec"]["podSelector"].get("matchLabels", {})
        if NAME in selected:
            assert labels == {**selected, PART_OF: "gridcall"}


def the_namespace_refuses_pods_with_rights(manifests: Manifests) -> None:
    labels = manifests.one("Namespace", "gridcall")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def the_world_reaches_the_intake_and_the_pages_alone(manifests: Manifests) -> None:
    spec = manifests.one("HTTPRoute", "gridcall")["spec"]
    rules = spec["rules"]
    for service, paths in PUBLIC.items():
        for path in paths:
            (target,) = targets(rules, path)
            assert target == {"name": service, "port": SERVICE[service].port}
    for path in INTERNAL:
        assert not list(targets(rules, path)), f"{path} is for the services alone"


def the_world_uses_tls_and_one_name(manifests: Manifests) -> None:
    spec = manifests.one("HTTPRoute", "gridcall")["spec"]
    (parent,) = spec["parentRefs"]
    assert parent == {"name": "gateway", "namespace": "gateway", "sectionName": "https"}
    assert spec["hostnames"], "without a name the route takes every name of the gateway"


def no_request_is_cut_off_while_it_may_go_on(manifests: Manifests) -> None:
    needed = BODY_SECONDS_MAX + REQUEST_BYTES_MAX / BODY_BYTES_PER_SECOND_MIN + WAIT_SECONDS_MAX
    for rule in manifests.one("HTTPRoute", "gridcall")["spec"]["rules"]:
        limits = {name: int(text.removesuffix("s")) for name, text in rule["timeouts"].items()}
        assert limits.keys() == {"request", "backendRequest"}
        assert 0 < limits["backendRequest"] <= limits["request"] <= 3600
        (target,) = rule["backendRefs"]
        paths = {match["path"]["value"] for match in rule["matches"]}
        if target["name"] == "intake":
            assert needed < limits["backendRequest"] < 2 * needed
        elif "/screen" in paths:
            assert limits["backendRequest"] == 3600
        else:
            assert limits["backendRequest"] == 30


def prometheus_reads_every_service_and_postgres(manifests: Manifests) -> None:
    services = manifests.one("PodMonitor", "services")["spec"]
    assert services["selector"] == {"matchLabels": {COMPONENT: "service"}}
    (endpoint,) = services["podMetricsEndpoints"]
    assert endpoint["port"] == "http"
    assert endpoint["path"] == "/metrics"
    assert endpoint["authorization"] == {
        "type": "Bearer", "credentials": {"name": "service-key", "key": "key"},
    }  # fmt: skip
    timeout, interval = (
        int(endpoint[name].removesuffix("s")) for name in ("scrapeTimeout", "interval")
    )
    assert 5 <= timeout < interval <= 60
    database = manifests.one("PodMonitor", "database")["spec"]
    assert database["selector"] == {"matchLabels": {"cnpg.io/cluster": "database"}}
    assert database["podMetricsEndpoints"] == [{"port": "metrics"}]


def prometheus_has_every_alert_as_it_was_tested(manifests: Manifests) -> None:
    rules = manifests.one("PrometheusRule", "alerts")["spec"]
    assert rules == yaml.safe_load(ALERTS.read_text())


def targets(rules: list[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    """Yield the backends of the rules that match a path."""
    for rule in rules:
        assert rule["matches"], "without a match a rule takes every path"
        if any(is_matched(match["path"], path) for match in rule["matches"]):
            yield from rule["backendRefs"]


def is_matched(match: dict[str, str], path: str) -> bool:
    """Tell if a path is matched, as Gateway API says: a prefix is one of whole elements."""
    value = match["value"]
    if match["type"] == "Exact":
        return path == value
    assert match["type"] == "PathPrefix"
    return path == value or path.startswith(value.rstrip("/") + "/")


POLICIES = (
    everything_has_a_kind_a_name_and_a_place,
    labels_tell_whose_a_thing_is,
    the_namespace_refuses_pods_with_rights,
)
PRODUCTION_POLICIES = (
    the_world_reaches_the_intake_and_the_pages_alone,
    the_world_uses_tls_and_one_name,
    no_request_is_cut_off_while_it_may_go_on,
    prometheus_reads_every_service_and_postgres,
    prometheus_has_every_alert_as_it_was_tested,
)

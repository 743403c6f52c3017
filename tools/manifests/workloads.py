"""The workloads of a service: its Deployment with all that belongs to it, and its migration."""

from __future__ import annotations

from collections.abc import Iterator

from events.topology import Service
from tools.manifests.names import (
    BROKERS,
    KAFKA_CA,
    MIGRATING,
    PORT_NAME,
    PROCESS,
    SERVING,
    Manifest,
    component_name,
    database_url,
    labels_of,
    metadata,
    selector_of,
    service_url,
)
from tools.manifests.pods import (
    FORGOTTEN_SECONDS,
    KEY_FILE,
    account,
    container,
    database_password,
    kafka_password,
    pod_spec,
    probes,
    resources,
)
from tools.manifests.settings import peers_of

REPLICAS = 2  # Of a stage one owns a district, and the other one takes over.
REPLICAS_MAX = 6  # Of a service that scales.
SERVICE_NEEDS = resources("250m", "512Mi", "2Gi")
MIGRATION_NEEDS = resources("100m", "256Mi", "512Mi")


def scales(service: Service) -> bool:
    """Return True if each replica works: a service with inputs has one owner a district."""
    return not service.inputs


def environment(service: Service) -> dict[str, str]:
    """Return the settings of a service that are no secrets."""
    return {
        "GRIDCALL_HOST": "0.0.0.0",
        "GRIDCALL_PORT": str(service.port),
        "GRIDCALL_LOG": "json",
        **PROCESS,
        "GRIDCALL_DATABASE_URL": database_url(service.name, service.name),
        "GRIDCALL_KAFKA": BROKERS,
        "GRIDCALL_KAFKA_CA": KAFKA_CA,
        "GRIDCALL_KAFKA_USER": service.name,
        **{
            f"GRIDCALL_{peer.name.upper()}_URL": service_url(peer.name, peer.port)
            for peer in peers_of(service)
        },
    }


def workloads(service: Service) -> Iterator[Manifest]:
    """Yield what runs a service and what protects it."""
    yield account(service.name, SERVING)
    yield deployment(service)
    yield service_of(service)
    yield disruption_budget(service)
    if scales(service):
        yield autoscaler(service)
    yield account(service.name, MIGRATING)
    yield migration(service)


def deployment(service: Service) -> Manifest:
    """Return the Deployment. A new pod is ready before an old one ends."""
    labels = labels_of(service.name, SERVING)
    serving = container(
        service.name,
        [service.name],
        SERVICE_NEEDS,
        envFrom=[{"configMapRef": {"name": service.name}}],
        ports=[{"name": PORT_NAME, "containerPort": service.port}],
        **probes(),
        lifecycle={"preStop": {"sleep": {"seconds": FORGOTTEN_SECONDS}}},
    )
    secrets = [KEY_FILE, database_password(service.name), kafka_password(service.name)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(service.name, labels),
        "spec": {
            # The autoscaler sets the number of replicas of a service that scales.
            **({} if scales(service) else {"replicas": REPLICAS}),
            "revisionHistoryLimit": 5,
            "minReadySeconds": 5,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": {"matchLabels": selector_of(service.name, SERVING)},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    **pod_spec(service.name, [serving], secrets),
                    "topologySpreadConstraints": [
                        spread(service, "kubernetes.io/hostname", "DoNotSchedule"),
                        spread(service, "topology.kubernetes.io/zone", "ScheduleAnyway"),
                    ],
                },
            },
        },
    }


def spread(service: Service, key: str, otherwise: str) -> Manifest:
    """Return that replicas of one version are on different nodes or in different zones."""
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": selector_of(service.name, SERVING)},
        "matchLabelKeys": ["pod-template-hash"],
    }


def service_of(service: Service) -> Manifest:
    """Return the Service by which others reach it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service.name, labels_of(service.name, SERVING)),
        "spec": {
            "type": "ClusterIP",
            "selector": selector_of(service.name, SERVING),
            "ports": [{"name": PORT_NAME, "port": service.port, "targetPort": PORT_NAME}],
        },
    }


def disruption_budget(service: Service) -> Manifest:
    """Return that nodes are drained one at a time, and that a broken pod holds up no drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(service.name, labels_of(service.name, SERVING)),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector_of(service.name, SERVING)},
        },
    }


def autoscaler(service: Service) -> Manifest:
    """Return that replicas follow the CPU: up at once, down after five quiet minutes."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(service.name, labels_of(service.name, SERVING)),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": service.name,
            },
            "minReplicas": REPLICAS,
            "maxReplicas": REPLICAS_MAX,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 70},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def migration(service: Service) -> Manifest:
    """Return the Job that brings the schema up to date before a new version is rolled out."""
    labels = labels_of(service.name, MIGRATING)
    name = component_name(service.name, MIGRATING)
    migrating = container(
        "migrate",
        ["migrate", service.name],
        MIGRATION_NEEDS,
        envFrom=[{"configMapRef": {"name": service.name}}],
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, labels),
        "spec": {
            "backoffLimit": 6,
            "activeDeadlineSeconds": 3600,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    **pod_spec(name, [migrating], [database_password(service.name)]),
                    "restartPolicy": "Never",
                },
            },
        },
    }

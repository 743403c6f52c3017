"""Policies of every pod of gridcall: what it may do, and what it gets."""

from __future__ import annotations

import re

from eventlog.program import PATIENCE_SECONDS, REOPEN_SECONDS
from events.topology import SERVICE, SERVICES
from httpedge.server import DRAIN_SECONDS_MAX
from tests.harness.manifests import COMPONENT, NAME, Manifests, Workload

USER_ID = 65532
BYTES = {"Mi": 2**20, "Gi": 2**30}
VOLUMES = {"home", "secrets", "certificates"}


def each_program_has_its_pods(manifests: Manifests) -> None:
    services = {service.name for service in SERVICES}
    assert {each.name for each in manifests.workloads("service")} == services
    assert {each.name for each in manifests.workloads("migration")} == services
    assert {each.component for each in manifests.workloads()} == {
        "service", "migration", "doctor", "verify",
    }  # fmt: skip
    for workload in manifests.workloads():
        container = workload.container
        assert "command" not in container, "the entry point of the image passes signals on"
        assert container["args"][0] == {
            "service": workload.name,
            "migration": "migrate",
        }.get(workload.component, workload.component)
        assert container["name"]
        if workload.component == "migration":
            assert container["args"] == ["migrate", workload.name]
        if workload.component == "doctor":
            assert container["args"] == ["doctor", "--services"]


def every_image_has_a_version(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        name, _, tag = workload.container["image"].rpartition(":")
        assert name.rpartition("/")[2] == "gridcall"
        assert tag != "latest"
        assert re.fullmatch(r"[\w.]+", tag)


def no_pod_has_a_right_that_it_does_not_need(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        pod, container = workload.spec["securityContext"], workload.container["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == USER_ID
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["runAsNonRoot"] is True
        assert container["allowPrivilegeEscalation"] is False
        assert container["privileged"] is False
        assert container["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostPath"} & workload.spec.keys()


def a_pod_writes_only_to_its_home(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        container = workload.container
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        mounts = {each["name"]: each for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in workload.spec["volumes"]}
        assert mounts.keys() == volumes.keys() == VOLUMES
        for name, mount in mounts.items():
            assert mount.get("readOnly", False) is (name != "home")
        config = manifests.config(workload)
        assert mounts["home"]["mountPath"] == config["GRIDCALL_HOME"] == "/var/lib/gridcall"
        limit = container["resources"]["limits"]["ephemeral-storage"]
        assert size(volumes["home"]["emptyDir"]["sizeLimit"]) <= size(limit)


def no_pod_has_a_token_of_kubernetes(manifests: Manifests) -> None:
    accounts = manifests.by_name("ServiceAccount")
    used = [each.spec["serviceAccountName"] for each in manifests.workloads()]
    assert sorted(used) == sorted(accounts), "each workload has an account of its own"
    for workload in manifests.workloads():
        assert workload.spec["automountServiceAccountToken"] is False
        assert workload.spec["enableServiceLinks"] is False
    for account in accounts.values():
        assert account["automountServiceAccountToken"] is False


def each_container_says_what_it_needs_and_has_a_limit(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        requests = workload.container["resources"]["requests"]
        limits = workload.container["resources"]["limits"]
        assert requests.keys() == {"cpu", "memory", "ephemeral-storage"}
        assert limits.keys() == {"memory", "ephemeral-storage"}
        assert re.fullmatch(r"\d+m", requests["cpu"])
        for name, limit in limits.items():
            assert 0 < size(requests[name]) <= size(limit) <= 4 * BYTES["Gi"]


def a_service_has_three_probes_that_differ(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        paths = {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
        probes = {name: workload.container[f"{name}Probe"] for name in paths}
        for name, probe in probes.items():
            assert probe["httpGet"] == {"path": paths[name], "port": "http"}
            assert 0 < probe["timeoutSeconds"] <= probe["periodSeconds"]
        started, alive, ready = probes.values()
        # A process listens once it has waited for its database, and opened it again.
        assert seconds(started) > PATIENCE_SECONDS + REOPEN_SECONDS
        # A pause is no reason to kill a process, and soon a reason to send it nothing.
        assert seconds(ready) <= 15
        assert 60 <= seconds(alive) <= 120


def a_pod_answers_until_it_is_forgotten_and_then_drains(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        stop = workload.container["lifecycle"]["preStop"]
        assert stop.keys() == {"sleep"}
        assert stop["sleep"]["seconds"] >= 5
        grace = workload.spec["terminationGracePeriodSeconds"]
        assert 2 * (stop["sleep"]["seconds"] + DRAIN_SECONDS_MAX) <= grace <= 120


def a_job_has_time_to_end_what_it_does(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        assert 30 <= workload.spec["terminationGracePeriodSeconds"] <= 120


def an_update_takes_no_service_away(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        spec = workload.manifest["spec"]
        rolling = {"maxUnavailable": 0, "maxSurge": 1}
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
        assert spec["minReadySeconds"] >= 5
        assert spec["revisionHistoryLimit"] >= 2, "there is something to roll back to"


def a_stage_has_a_standby_and_intake_follows_the_load(manifests: Manifests) -> None:
    scalers = manifests.by_name("HorizontalPodAutoscaler")
    assert scalers.keys() == {each.name for each in SERVICES if not each.inputs}
    for workload in manifests.workloads("service"):
        spec = workload.manifest["spec"]
        if SERVICE[workload.name].inputs:
            assert spec["replicas"] == 2
        else:
            assert "replicas" not in spec, "an update would undo what the autoscaler did"
    for name, scaler in scalers.items():
        spec = scaler["spec"]
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert spec["scaleTargetRef"] == target
        assert 2 <= spec["minReplicas"] < spec["maxReplicas"] <= 6
        (metric,) = spec["metrics"]
        assert metric["type"] == "Resource"
        assert metric["resource"]["name"] == "cpu"
        assert metric["resource"]["target"]["type"] == "Utilization"
        assert 50 <= metric["resource"]["target"]["averageUtilization"] <= 80
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300


def replicas_are_on_different_nodes_and_zones(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        spreads = {each["topologyKey"]: each for each in workload.spec["topologySpreadConstraints"]}
        by_node, by_zone = (
            spreads["kubernetes.io/hostname"], spreads["topology.kubernetes.io/zone"],
        )  # fmt: skip
        assert by_node["whenUnsatisfiable"] == "DoNotSchedule"
        assert by_zone["whenUnsatisfiable"] == "ScheduleAnyway"
        for spread in (by_node, by_zone):
            assert spread["maxSkew"] == 1
            assert spread["labelSelector"]["matchLabels"] == own_labels(workload)
            assert spread["matchLabelKeys"] == ["pod-template-hash"], "an update counts for itself"


def a_drained_node_takes_one_replica_at_a_time(manifests: Manifests) -> None:
    budgets = manifests.by_name("PodDisruptionBudget")
    assert budgets.keys() == SERVICE.keys()
    for workload in manifests.workloads("service"):
        spec = budgets[workload.name]["spec"]
        assert spec["maxUnavailable"] == 1
        assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert spec["selector"]["matchLabels"] == own_labels(workload)


def selectors_find_the_pods_of_one_component(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        assert workload.manifest["spec"]["selector"] == {"matchLabels": own_labels(workload)}
        service = manifests.one("Service", workload.name)["spec"]
        assert service["type"] == "ClusterIP"
        assert service["selector"] == own_labels(workload)
        (port,) = service["ports"]
        assert port == {
            "name": "http", "port": SERVICE[workload.name].port, "targetPort": "http",
        }  # fmt: skip
        (listened,) = workload.container["ports"]
        assert listened == {"name": "http", "containerPort": SERVICE[workload.name].port}
    assert manifests.by_name("Service").keys() == SERVICE.keys()


def a_migration_and_a_look_are_jobs_that_end(manifests: Manifests) -> None:
    for workload in manifests.workloads("migration"):
        spec = workload.manifest["spec"]
        assert 1 <= spec["backoffLimit"] <= 10, "a database that starts is waited for"
        assert 600 <= spec["activeDeadlineSeconds"] <= 7200
        assert workload.spec["restartPolicy"] == "Never"
    schedules = {"doctor": "17 * * * *", "verify": "23 2 * * *"}
    assert manifests.by_name("CronJob").keys() == schedules.keys()
    for component, schedule in schedules.items():
        (workload,) = manifests.workloads(component)
        spec = workload.manifest["spec"]
        assert spec["schedule"] == schedule
        assert spec["timeZone"] == "Etc/UTC"
        assert spec["concurrencyPolicy"] == "Forbid"
        assert 0 < spec["startingDeadlineSeconds"] <= 3600
        assert spec["successfulJobsHistoryLimit"] >= 1
        assert spec["failedJobsHistoryLimit"] >= 3, "what failed can be read"
        job = spec["jobTemplate"]["spec"]
        assert job["backoffLimit"] == 0, "a second try would hide the first"
        assert 0 < job["activeDeadlineSeconds"] <= 6 * 3600
        assert workload.spec["restartPolicy"] == "Never"


def own_labels(workload: Workload) -> dict[str, str]:
    """Return the labels that only pods of a component of a name have."""
    return {NAME: workload.name, COMPONENT: workload.component}


def seconds(probe: dict[str, int]) -> int:
    """Return the seconds of failures after which a probe has an effect."""
    return probe["periodSeconds"] * probe["failureThreshold"]


def size(text: str) -> int:
    """Return the bytes of a quantity such as 64Mi."""
    return int(text[:-2]) * BYTES[text[-2:]]


POLICIES = (
    each_program_has_its_pods,
    every_image_has_a_version,
    no_pod_has_a_right_that_it_does_not_need,
    a_pod_writes_only_to_its_home,
    no_pod_has_a_token_of_kubernetes,
    each_container_says_what_it_needs_and_has_a_limit,
    a_service_has_three_probes_that_differ,
    a_pod_answers_until_it_is_forgotten_and_then_drains,
    a_job_has_time_to_end_what_it_does,
    selectors_find_the_pods_of_one_component,
    a_migration_and_a_look_are_jobs_that_end,
    an_update_takes_no_service_away,
    a_drained_node_takes_one_replica_at_a_time,
)
PRODUCTION_POLICIES = (
    a_stage_has_a_standby_and_intake_follows_the_load,
    replicas_are_on_different_nodes_and_zones,
)

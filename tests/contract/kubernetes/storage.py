"""Policies of what gridcall stores in: Postgres, its backups, and Kafka."""

from __future__ import annotations

import re

from eventlog.kafka.topics import Cluster
from eventlog.program import CONNECTIONS
from events.catalogue import LINES
from events.topology import SERVICE, SERVICES
from gridcall.cli.topics import DISTRICTS
from gridcall.host.topics import system_topics
from tests.harness.manifests import Manifest, Manifests

PLUGIN = "barman-cloud.cloudnative-pg.io"
LISTENERS = 3  # Connections of a process beside its pool, which listen.
READ, WRITE = {"Read"}, {"Write"}
Right = tuple[str, str, frozenset[str]]


# ── Postgres ─────────────────────────────────────────────────────────────────────────────────────


def postgres_refuses_what_is_not_encrypted(manifests: Manifests) -> None:
    spec = manifests.one("Cluster", "database")["spec"]
    assert spec["postgresql"]["pg_hba"] == ["hostnossl all all all reject"]
    assert spec["enableSuperuserAccess"] is False


def postgres_has_a_major_version_and_finds_faults_of_a_disk(manifests: Manifests) -> None:
    spec = manifests.one("Cluster", "database")["spec"]
    assert re.fullmatch(r"ghcr\.io/cloudnative-pg/postgresql:18-\w+-\w+", spec["imageName"])
    made = {"encoding": "UTF8", "localeCollate": "C", "localeCType": "C", "dataChecksums": True}
    assert spec["bootstrap"]["initdb"] == made
    assert spec["primaryUpdateStrategy"] == "unsupervised"
    assert spec["primaryUpdateMethod"] == "switchover"
    assert spec["enablePDB"] is True


def postgres_has_room_for_every_connection(manifests: Manifests) -> None:
    spec = manifests.one("Cluster", "database")["spec"]
    processes = 0
    scalers = manifests.by_name("HorizontalPodAutoscaler")
    for workload in manifests.workloads("service"):
        if scaler := scalers.get(workload.name):
            processes += scaler["spec"]["maxReplicas"]
        else:
            processes += workload.manifest["spec"]["replicas"]
        processes += 1  # While an update goes on.
    needed = processes * (CONNECTIONS + LISTENERS)
    assert needed < int(spec["postgresql"]["parameters"]["max_connections"]) <= 500
    assert spec["resources"]["requests"].keys() == {"cpu", "memory"}
    assert spec["resources"]["limits"].keys() == {"memory"}
    assert re.fullmatch(r"\d+Gi", spec["storage"]["size"])
    assert re.fullmatch(r"\d+Gi", spec["walStorage"]["size"])


def each_service_owns_one_database_and_reaches_no_other(manifests: Manifests) -> None:
    databases = manifests.by_name("Database")
    assert databases.keys() == SERVICE.keys()
    for name, database in databases.items():
        assert database["spec"] == {
            "cluster": {"name": "database"},
            "name": name,
            "owner": name,
            "encoding": "UTF8",
            "localeCollate": "C",
            "localeCType": "C",
            "databaseReclaimPolicy": "retain",
        }
    roles = {each["name"]: each for each in
             manifests.one("Cluster", "database")["spec"]["managed"]["roles"]}  # fmt: skip
    assert roles.keys() == {*SERVICE, "verifier"}
    for name, role in roles.items():
        may_not = {"superuser": False, "createdb": False, "createrole": False}
        assert role == {
            "name": name,
            "ensure": "present",
            "login": True,
            **may_not,
            **({"inRoles": ["pg_read_all_data"]} if name == "verifier" else {}),
            "passwordSecret": {"name": f"database-{name}"},
        }


def an_accepted_input_is_on_two_instances(manifests: Manifests) -> None:
    spec = manifests.one("Cluster", "database")["spec"]
    assert spec["instances"] == 3
    assert spec["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
        "failoverQuorum": True,
    }
    assert spec["affinity"] == {
        "enablePodAntiAffinity": True,
        "topologyKey": "kubernetes.io/hostname",
        "podAntiAffinityType": "required",
    }


def any_instant_of_a_month_can_be_restored(manifests: Manifests) -> None:
    (plugin,) = manifests.one("Cluster", "database")["spec"]["plugins"]
    assert plugin == {
        "name": PLUGIN, "isWALArchiver": True, "parameters": {"barmanObjectName": "backup"},
    }  # fmt: skip
    store = manifests.one("ObjectStore", "backup")["spec"]
    assert int(store["retentionPolicy"].removesuffix("d")) >= 30
    configuration = store["configuration"]
    assert configuration["destinationPath"].startswith("s3://")
    credentials = configuration["s3Credentials"]
    assert credentials == {
        "accessKeyId": {"name": "backup-store", "key": "ACCESS_KEY_ID"},
        "secretAccessKey": {"name": "backup-store", "key": "ACCESS_SECRET_KEY"},
    }
    for kind in ("wal", "data"):
        assert configuration[kind] == {"compression": "gzip"}
    nightly = manifests.one("ScheduledBackup", "nightly")["spec"]
    assert nightly == {
        "schedule": "0 30 1 * * *",
        "immediate": True,
        "backupOwnerReference": "self",
        "cluster": {"name": "database"},
        "method": "plugin",
        "pluginConfiguration": {"name": PLUGIN},
    }


# ── Kafka ────────────────────────────────────────────────────────────────────────────────────────


def kafka_knows_who_asks_and_gives_nobody_what_is_not_declared(manifests: Manifests) -> None:
    kafka = manifests.one("Kafka", "kafka")["spec"]["kafka"]
    (listener,) = kafka["listeners"]
    assert listener["name"] == "tls"
    assert listener["tls"] is True
    assert listener["type"] == "internal"
    assert listener["authentication"] == {"type": "scram-sha-512"}
    assert kafka["authorization"] == {"type": "simple"}
    assert kafka["config"]["auto.create.topics.enable"] == "false"
    operator = manifests.one("Kafka", "kafka")["spec"]["entityOperator"]
    assert operator["topicOperator"] == {}
    assert operator["userOperator"] == {"secretPrefix": "kafka-user-"}


def the_pods_of_kafka_fit_the_standard_restricted(manifests: Manifests) -> None:
    pool = manifests.one("KafkaNodePool", "node")["spec"]["template"]
    operators = manifests.one("Kafka", "kafka")["spec"]["entityOperator"]["template"]
    of_pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    of_container = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    for pod in (pool["pod"], operators["pod"]):
        assert pod["securityContext"] == of_pod
    containers = [pool["kafkaContainer"], operators["topicOperatorContainer"],
                  operators["userOperatorContainer"]]  # fmt: skip
    for container in containers:
        assert container["securityContext"] == of_container


def kafka_keeps_its_disks_and_has_limits(manifests: Manifests) -> None:
    pool = manifests.one("KafkaNodePool", "node")
    assert pool["metadata"]["labels"]["strimzi.io/cluster"] == "kafka"
    spec = pool["spec"]
    assert spec["roles"] == ["controller", "broker"]
    (volume,) = spec["storage"]["volumes"]
    assert spec["storage"]["type"] == "jbod"
    assert volume["deleteClaim"] is False
    assert volume["type"] == "persistent-claim"
    assert volume["id"] == 0
    assert volume["kraftMetadata"] == "shared"
    assert re.fullmatch(r"\d+Gi", volume["size"])
    assert spec["resources"]["requests"].keys() == {"cpu", "memory"}
    assert spec["resources"]["limits"].keys() == {"memory"}


def the_topics_are_those_that_gridcall_makes(manifests: Manifests) -> None:
    topics = manifests.by_name("KafkaTopic")
    declared = {each.name: each for each in system_topics(Cluster(""), DISTRICTS)}
    assert topics.keys() == declared.keys()
    for name, topic in topics.items():
        assert topic["metadata"]["labels"]["strimzi.io/cluster"] == "kafka"
        spec = dict(topic["spec"])
        assert spec["partitions"] == declared[name].partitions
        settings = {key: value for key, value in spec["config"].items()
                    if key != "min.insync.replicas"}  # fmt: skip
        assert settings == declared[name].settings
        assert int(spec["config"]["min.insync.replicas"]) == max(1, spec["replicas"] - 1)


def a_record_is_on_two_nodes_before_it_counts(manifests: Manifests) -> None:
    pool = manifests.one("KafkaNodePool", "node")["spec"]
    assert pool["replicas"] == 3
    (separation,) = pool["template"]["pod"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert separation == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"strimzi.io/pool-name": "node"}},
    }
    config = manifests.one("Kafka", "kafka")["spec"]["kafka"]["config"]
    assert config == {
        "auto.create.topics.enable": "false",
        "default.replication.factor": 3,
        "min.insync.replicas": 2,
        "offsets.topic.replication.factor": 3,
        "transaction.state.log.replication.factor": 3,
        "transaction.state.log.min.isr": 2,
        "unclean.leader.election.enable": "false",
    }
    for topic in manifests.of_kind("KafkaTopic"):
        assert topic["spec"]["replicas"] == 3


def each_user_of_kafka_has_the_rights_of_its_row(manifests: Manifests) -> None:
    users = manifests.by_name("KafkaUser")
    wanted = expected_rights()
    assert users.keys() == wanted.keys()
    for name, user in users.items():
        assert user["metadata"]["labels"]["strimzi.io/cluster"] == "kafka"
        assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
        assert user["spec"]["authorization"]["type"] == "simple"
        rules = user["spec"]["authorization"]["acls"]
        assert {right_of(rule) for rule in rules} == wanted[name], name
        assert len(rules) == len(wanted[name])


def right_of(rule: Manifest) -> Right:
    assert rule["type"] == "allow"
    resource = rule["resource"]
    assert resource["patternType"] == "literal"
    return resource["type"], resource["name"], frozenset(rule["operations"])


def expected_rights() -> dict[str, set[Right]]:
    """Return the rights of each user, as the tables of docs/kafka.md give writers and readers."""
    rights: dict[str, set[Right]] = {f"line-{line}": line_rights(line) for line in LINES}
    for service in SERVICES:
        reads = {f"gridcall.{log}" for log in service.inputs}
        writes = {f"gridcall.{service.log}", "gridcall.time"} if service.log else set()
        own = set()
        if service.inputs:
            reads.add("gridcall.time")
            own = {("group", f"gridcall.{service.name}", frozenset(READ))}
        if service.name == "intake":
            reads |= {*(f"inbound.{line}" for line in LINES), "gridcall.intake", "gridcall.time"}
            writes |= {f"receipts.{line}" for line in LINES}
        rights[service.name] = (
            own
            | {("topic", topic, frozenset(READ)) for topic in reads}
            | {("topic", topic, frozenset(WRITE)) for topic in writes}
        )
    return rights


def line_rights(line: str) -> set[Right]:
    return {
        ("topic", f"inbound.{line}", frozenset(WRITE)),
        ("topic", f"receipts.{line}", frozenset(READ)),
        ("group", f"line-{line}", frozenset(READ)),
    }


POLICIES = (
    postgres_refuses_what_is_not_encrypted,
    postgres_has_a_major_version_and_finds_faults_of_a_disk,
    postgres_has_room_for_every_connection,
    each_service_owns_one_database_and_reaches_no_other,
    kafka_knows_who_asks_and_gives_nobody_what_is_not_declared,
    the_pods_of_kafka_fit_the_standard_restricted,
    kafka_keeps_its_disks_and_has_limits,
    the_topics_are_those_that_gridcall_makes,
    each_user_of_kafka_has_the_rights_of_its_row,
)
PRODUCTION_POLICIES = (
    an_accepted_input_is_on_two_instances,
    any_instant_of_a_month_can_be_restored,
    a_record_is_on_two_nodes_before_it_counts,
)

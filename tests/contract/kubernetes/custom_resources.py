"""Schemas of the custom resources that gridcall uses: subsets, written from their documentation.

A field that is not in a subset is refused. So a typing error is found, and a new field is looked up
before it is used.
"""

from __future__ import annotations

from typing import Any

from tests.harness.manifests import Manifest

TEXT = {"type": "string", "minLength": 1}
WHOLE = {"type": "integer", "minimum": 0}
TRUTH = {"type": "boolean"}
SIZE = {"type": "string", "pattern": "^[0-9]+(Mi|Gi|m)?$"}
SECONDS = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def one_of(*values: str) -> Manifest:
    return {"enum": list(values)}


def list_of(items: Manifest) -> Manifest:
    return {"type": "array", "items": items, "minItems": 1}


def record(*required: str, **fields: Manifest) -> Manifest:
    """Return the schema of an object that has no other fields."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


LABELS = record(matchLabels=TEXTS, matchExpressions=list_of({"type": "object"}))
REFERENCE = record("name", name=TEXT)
KEY = record("name", "key", name=TEXT, key=TEXT)
RESOURCES = record(requests=record(cpu=SIZE, memory=SIZE), limits=record(cpu=SIZE, memory=SIZE))
OF_POD = record(runAsNonRoot=TRUTH, seccompProfile=record("type", type=one_of("RuntimeDefault")))
OF_CONTAINER = record(
    securityContext=record(
        allowPrivilegeEscalation=TRUTH, capabilities=record("drop", drop=list_of(TEXT))
    )
)
PLUGIN = record("name", name=TEXT, isWALArchiver=TRUTH, enabled=TRUTH, parameters=TEXTS)

# ── Strimzi: https://strimzi.io/docs/operators/latest/configuring ────────────────────────────────

LISTENER = record(
    "name", "port", "type", "tls",
    name={"type": "string", "pattern": "^[a-z0-9]{1,11}$"},
    port={"type": "integer", "minimum": 9092},
    type=one_of("internal", "route", "loadbalancer", "nodeport", "ingress", "cluster-ip"),
    tls=TRUTH,
    authentication=record("type", type=one_of("tls", "scram-sha-512", "custom")),
    networkPolicyPeers=list_of(record(podSelector=LABELS, namespaceSelector=LABELS)),
)  # fmt: skip
KAFKA = record(
    "kafka",
    kafka=record(
        "listeners",
        listeners=list_of(LISTENER),
        authorization=record("type", type=one_of("simple", "custom")),
        config={"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
    ),
    entityOperator=record(
        topicOperator=record(watchedNamespace=TEXT),
        userOperator=record(watchedNamespace=TEXT, secretPrefix=TEXT),
        template=record(
            pod=record(securityContext=OF_POD),
            topicOperatorContainer=OF_CONTAINER,
            userOperatorContainer=OF_CONTAINER,
        ),
    ),
)
VOLUME = record(
    "id", "type", "size",
    id=WHOLE,
    type=one_of("persistent-claim"),
    size=SIZE,
    deleteClaim=TRUTH,
    kraftMetadata=one_of("shared"),
)  # fmt: skip
NODE_POOL = record(
    "replicas", "storage", "roles",
    replicas=WHOLE,
    roles=list_of(one_of("controller", "broker")),
    storage=record("type", "volumes", type=one_of("jbod"), volumes=list_of(VOLUME)),
    resources=RESOURCES,
    template=record(
        pod=record(securityContext=OF_POD, affinity={"type": "object"}),
        kafkaContainer=OF_CONTAINER,
    ),
)  # fmt: skip
TOPIC = record(
    partitions={"type": "integer", "minimum": 1},
    replicas={"type": "integer", "minimum": 1},
    config=TEXTS,
)
ACL = record(
    "resource", "operations",
    type=one_of("allow", "deny"),
    resource=record(
        "type",
        type=one_of("topic", "group", "cluster", "transactionalId"),
        name=TEXT,
        patternType=one_of("literal", "prefix"),
    ),
    operations=list_of(
        one_of("Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction",
               "AlterConfigs", "DescribeConfigs", "IdempotentWrite", "All")
    ),
)  # fmt: skip
USER = record(
    authentication=record("type", type=one_of("tls", "tls-external", "scram-sha-512")),
    authorization=record("type", "acls", type=one_of("simple"), acls=list_of(ACL)),
)

# ── CloudNativePG: https://cloudnative-pg.io/docs/current/cloudnative-pg.v1 ──────────────────────

ROLE = record(
    "name",
    name=TEXT,
    ensure=one_of("present", "absent"),
    login=TRUTH,
    superuser=TRUTH,
    createdb=TRUTH,
    createrole=TRUTH,
    inRoles=list_of(TEXT),
    passwordSecret=REFERENCE,
)
CLUSTER = record(
    "instances", "storage",
    instances={"type": "integer", "minimum": 1},
    imageName=TEXT,
    primaryUpdateStrategy=one_of("unsupervised", "supervised"),
    primaryUpdateMethod=one_of("switchover", "restart"),
    enableSuperuserAccess=TRUTH,
    enablePDB=TRUTH,
    bootstrap=record(
        initdb=record(encoding=TEXT, localeCollate=TEXT, localeCType=TEXT, dataChecksums=TRUTH)
    ),
    postgresql=record(
        synchronous=record(
            "method", "number",
            method=one_of("any", "first"),
            number={"type": "integer", "minimum": 1},
            dataDurability=one_of("required", "preferred"),
            failoverQuorum=TRUTH,
        ),
        parameters=TEXTS,
        pg_hba=list_of(TEXT),
    ),
    managed=record(roles=list_of(ROLE)),
    storage=record(size=SIZE),
    walStorage=record(size=SIZE),
    resources=RESOURCES,
    affinity=record(
        enablePodAntiAffinity=TRUTH,
        topologyKey=TEXT,
        podAntiAffinityType=one_of("required", "preferred"),
    ),
    plugins=list_of(PLUGIN),
)  # fmt: skip
DATABASE = record(
    "name", "owner", "cluster",
    name=TEXT,
    owner=TEXT,
    cluster=REFERENCE,
    encoding=TEXT,
    localeCollate=TEXT,
    localeCType=TEXT,
    databaseReclaimPolicy=one_of("retain", "delete"),
)  # fmt: skip
SCHEDULED_BACKUP = record(
    "cluster", "schedule",
    cluster=REFERENCE,
    schedule={"type": "string", "pattern": r"^(\S+ ){5}\S+$"},
    immediate=TRUTH,
    backupOwnerReference=one_of("none", "self", "cluster"),
    method=one_of("barmanObjectStore", "volumeSnapshot", "plugin"),
    pluginConfiguration=record("name", name=TEXT, parameters=TEXTS),
)  # fmt: skip

# ── Barman Cloud: https://cloudnative-pg.io/plugin-barman-cloud/docs/plugin-barman-cloud.v1 ──────

COMPRESSION = record(compression=one_of("gzip", "bzip2", "snappy", "lz4", "zstd", "xz"))
OBJECT_STORE = record(
    "configuration",
    retentionPolicy={"type": "string", "pattern": "^[1-9][0-9]*[dwm]$"},
    configuration=record(
        "destinationPath",
        destinationPath=TEXT,
        endpointURL=TEXT,
        s3Credentials=record(accessKeyId=KEY, secretAccessKey=KEY, inheritFromIAMRole=TRUTH),
        wal=COMPRESSION,
        data=COMPRESSION,
    ),
)

# ── Gateway API: https://gateway-api.sigs.k8s.io/reference/spec ──────────────────────────────────

ROUTE = record(
    parentRefs=list_of(record("name", name=TEXT, namespace=TEXT, sectionName=TEXT, port=WHOLE)),
    hostnames=list_of(TEXT),
    rules=list_of(
        record(
            matches=list_of(
                record(
                    path=record(
                        type=one_of("Exact", "PathPrefix", "RegularExpression"),
                        value={"type": "string", "pattern": "^/"},
                    )
                )
            ),
            timeouts=record(request=SECONDS, backendRequest=SECONDS),
            backendRefs=list_of(record("name", "port", name=TEXT, port=WHOLE)),
        )
    ),
)

# ── Prometheus operator: https://prometheus-operator.dev/docs/api-reference/api ──────────────────

POD_MONITOR = record(
    "selector", "podMetricsEndpoints",
    selector=LABELS,
    podMetricsEndpoints=list_of(
        record(
            port=TEXT,
            path=TEXT,
            interval=SECONDS,
            scrapeTimeout=SECONDS,
            authorization=record(type=TEXT, credentials=KEY),
        )
    ),
)  # fmt: skip

PROMETHEUS_RULE = record(
    "groups",
    groups=list_of(
        record(
            "name", "rules",
            name=TEXT,
            rules=list_of(
                record(
                    "alert", "expr",
                    alert=TEXT,
                    expr=TEXT,
                    labels=TEXTS,
                    annotations=TEXTS,
                    **{"for": {"type": "string", "pattern": "^[0-9]+[smh]$"}},
                )
            ),
        )
    ),
)  # fmt: skip

SPECS: dict[tuple[str, str], Manifest] = {
    ("kafka.strimzi.io/v1", "Kafka"): KAFKA,
    ("kafka.strimzi.io/v1", "KafkaNodePool"): NODE_POOL,
    ("kafka.strimzi.io/v1", "KafkaTopic"): TOPIC,
    ("kafka.strimzi.io/v1", "KafkaUser"): USER,
    ("postgresql.cnpg.io/v1", "Cluster"): CLUSTER,
    ("postgresql.cnpg.io/v1", "Database"): DATABASE,
    ("postgresql.cnpg.io/v1", "ScheduledBackup"): SCHEDULED_BACKUP,
    ("barmancloud.cnpg.io/v1", "ObjectStore"): OBJECT_STORE,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ROUTE,
    ("monitoring.coreos.com/v1", "PodMonitor"): POD_MONITOR,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PROMETHEUS_RULE,
}


def schema_of(manifest: Manifest) -> dict[str, Any] | None:
    """Return the schema of a custom resource. What Kubernetes itself defines has none here."""
    spec = SPECS.get((manifest["apiVersion"], manifest["kind"]))
    return spec and record(
        "apiVersion", "kind", "metadata", "spec",
        apiVersion=TEXT,
        kind=TEXT,
        metadata=record("name", "namespace", name=TEXT, namespace=TEXT, labels=TEXTS),
        spec=spec,
    )  # fmt: skip

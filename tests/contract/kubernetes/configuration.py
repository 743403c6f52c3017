"""Policies of settings and secrets: each exists, and a secret is only referred to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from tempfile import NamedTemporaryFile
from urllib.parse import parse_qs, urlsplit

from eventlog.program import Program
from eventlog.secret_files import FOLDER
from eventlog.settings import ServiceSettings, is_peer_url, load_settings, variable
from events.topology import SERVICE, SERVICES
from tests.harness.manifests import Manifest, Manifests, Workload

PROCESS = {
    "GRIDCALL_HOME",
    "GRIDCALL_LOG",
    FOLDER,
    "TMPDIR",
}  # Read by each process, whatever it runs.
SECRETS = "/run/secrets/gridcall"
GROUP_READS = 0o440
CERTIFICATES = {
    "kafka.crt": ("kafka-cluster-ca-cert", "ca.crt"),
    "database.crt": ("database-ca", "ca.crt"),
}
KEY_FILE = {"GRIDCALL_SERVICE_KEY": ("service-key", "key")}


def every_setting_is_declared_by_its_program(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        fields = settings_of(workload.name).model_fields
        declared = {variable(name) for name in fields}
        assert manifests.config(workload).keys() <= declared | PROCESS
        # No service would find a peer on its own machine, which is the default.
        peers = {variable(name) for name in fields if is_peer_url(name)}
        assert peers <= manifests.config(workload).keys()


def the_programs_accept_their_settings(manifests: Manifests) -> None:
    for workload in manifests.workloads("service"):
        settings = load_as_pod(manifests, workload)
        assert settings.host == "0.0.0.0"
        assert settings.port == SERVICE[workload.name].port
        # An image may set another one for all services.
        assert manifests.config(workload)["GRIDCALL_PORT"] == str(settings.port)
        assert settings.kafka == "kafka-kafka-bootstrap:9093"
        assert settings.kafka_user == workload.name
        assert settings.access.password == "secret"
        assert settings.service_key.get_secret_value() == "secret"
        for peer, url in settings.peer_urls.items():
            service = manifests.one("Service", peer)
            (port,) = service["spec"]["ports"]
            assert url == f"http://{peer}:{port['port']}"


def what_a_process_reads_is_where_it_is_mounted(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        config = manifests.config(workload)
        mounts = {each["name"]: each["mountPath"] for each in workload.container["volumeMounts"]}
        assert config[FOLDER] == mounts["secrets"] == SECRETS
        assert config["TMPDIR"] == mounts["home"], "no other folder can be written to"
        assert mounts["certificates"] == "/etc/gridcall/certificates"
        if "GRIDCALL_KAFKA" in config:
            assert config["GRIDCALL_KAFKA_CA"] == f"{mounts['certificates']}/kafka.crt"
    for workload in manifests.workloads("service"):
        assert manifests.config(workload)["GRIDCALL_LOG"] == "json"


def a_database_is_reached_over_tls_and_its_name_is_checked(manifests: Manifests) -> None:
    for workload in manifests.workloads():
        config = manifests.config(workload)
        if workload.component == "doctor":
            assert "GRIDCALL_DATABASE_URL" not in config, "it asks the services"
            continue
        verifies = workload.component == "verify"
        own = "intake" if verifies else workload.name
        check_url(config["GRIDCALL_DATABASE_URL"], own, "verifier" if verifies else workload.name)
        if verifies:
            named = dict(each.removeprefix("--service-database=").split("=", 1)
                         for each in workload.container["args"][1:])  # fmt: skip
            assert named.keys() == SERVICE.keys() - {"intake"}
            for service, url in named.items():
                check_url(url, service, "verifier")


def check_url(url: str, database: str, role: str) -> None:
    """Check the address of a database: TLS, an authority, and no password."""
    parts = urlsplit(url)
    assert parts.scheme == "postgresql"
    assert (parts.username, parts.password) == (role, None)
    assert (parts.hostname, parts.port) == ("database-rw", 5432)
    assert parts.path == f"/{database}"
    ca = "/etc/gridcall/certificates/database.crt"
    assert parse_qs(parts.query) == {"sslmode": ["verify-full"], "sslrootcert": [ca]}


def a_secret_is_a_file_that_the_pod_alone_reads(manifests: Manifests) -> None:
    assert not manifests.of_kind("Secret"), "secrets are not in the repository"
    for workload in manifests.workloads():
        assert files(workload, "certificates") == CERTIFICATES
        assert files(workload, "secrets") == expected_secrets(workload)
        assert "env" not in workload.container, "variables are shown by who describes a pod"
        assert all("secretRef" not in each for each in workload.container["envFrom"])
        for volume in workload.spec["volumes"]:
            if "projected" in volume:
                assert volume["projected"]["defaultMode"] == GROUP_READS


def the_doctor_asks_every_service(manifests: Manifests) -> None:
    (doctor,) = manifests.workloads("doctor")
    urls = {f"GRIDCALL_{each.name.upper()}_URL": f"http://{each.name}:{each.port}"
            for each in SERVICES}  # fmt: skip
    config = manifests.config(doctor)
    assert {name: config[name] for name in config if name.endswith("_URL")} == urls
    (verify,) = manifests.workloads("verify")
    for workload in (doctor, verify):
        names = PROCESS - {"GRIDCALL_LOG"} | urls.keys() | {"GRIDCALL_DATABASE_URL"}
        assert manifests.config(workload).keys() <= names


def a_changed_setting_is_a_new_version_of_the_pods(manifests: Manifests) -> None:
    used = {
        workload.container["envFrom"][0]["configMapRef"]["name"]
        for workload in manifests.workloads()
    }
    assert used == manifests.by_name("ConfigMap").keys()
    for name, config in manifests.by_name("ConfigMap").items():
        assert re.fullmatch(r"[a-z]+-[a-z0-9]{10}", name), f"{name} has no digest"
        assert config["immutable"] is True
        assert config["data"]


def expected_secrets(workload: Workload) -> dict[str, tuple[str, str]]:
    """Return the secrets that a workload may read: name of the file, Secret and key."""
    role = "verifier" if workload.component == "verify" else workload.name
    password = {"PGPASSWORD": (f"database-{role}", "password")}
    match workload.component:
        case "doctor":
            return KEY_FILE
        case "service":
            user = {"GRIDCALL_KAFKA_PASSWORD": (f"kafka-user-{role}", "password")}
            return KEY_FILE | password | user
        case _:
            return password


def files(workload: Workload, volume: str) -> dict[str, tuple[str, str]]:
    """Return the files of a volume, with the Secret and the key of each."""
    (sources,) = (
        each["projected"]["sources"] for each in workload.spec["volumes"] if each["name"] == volume
    )
    return dict(items(sources))


def items(sources: list[Manifest]) -> Iterator[tuple[str, tuple[str, str]]]:
    for source in sources:
        secret = source["secret"]
        assert secret["items"], "without a choice every key of the Secret is a file"
        for item in secret["items"]:
            yield item["path"], (secret["name"], item["key"])


def settings_of(service: str) -> type[ServiceSettings]:
    program: Program = import_module(f"{service}.app").PROGRAM
    return program.settings


def load_as_pod(manifests: Manifests, workload: Workload) -> ServiceSettings:
    """Return the settings that a program makes of its configuration and of its secrets."""
    with NamedTemporaryFile() as authority:
        environment = {**manifests.config(workload), "GRIDCALL_KAFKA_CA": authority.name}
        environment |= dict.fromkeys(files(workload, "secrets"), "secret")
        with only(environment):
            return load_settings(settings_of(workload.name))


@contextmanager
def only(variables: Mapping[str, str]) -> Iterator[None]:
    """Let these be the only variables of this process, for the length of the block."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


POLICIES = (
    every_setting_is_declared_by_its_program,
    the_programs_accept_their_settings,
    what_a_process_reads_is_where_it_is_mounted,
    a_database_is_reached_over_tls_and_its_name_is_checked,
    a_secret_is_a_file_that_the_pod_alone_reads,
    the_doctor_asks_every_service,
    a_changed_setting_is_a_new_version_of_the_pods,
)
PRODUCTION_POLICIES = ()

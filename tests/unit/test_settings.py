"""The environment of a service program: what is required, and what an error tells an operator."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from eventlog.kafka.client import connection
from eventlog.kafka.topics import Access, Cluster
from eventlog.program import Program, usage
from eventlog.secret_files import load_secret_files
from eventlog.settings import ServiceSettings, load_settings
from events.errors import Halted
from events.topology import SERVICE, SERVICES
from gridcall.simulation.local_cluster import shared_settings
from tests.harness.certificates import Authority

NAMES = [service.name for service in SERVICES]


def program(name: str) -> Program:
    program: Program = import_module(f"{name}.app").PROGRAM
    return program


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "SERVICE_KEY", "DATABASE_URL", "ROUTING_URL", "FED", "SECRETS"):
        monkeypatch.delenv(f"GRIDCALL_{name}", raising=False)
    for name in ("KAFKA", "KAFKA_CA", "KAFKA_USER", "KAFKA_PASSWORD"):
        monkeypatch.delenv(f"GRIDCALL_{name}", raising=False)


@pytest.fixture
def set_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCALL_KAFKA", "127.0.0.1:19092")
    monkeypatch.setenv("GRIDCALL_SERVICE_KEY", "secret")


@pytest.mark.parametrize("name", NAMES)
def test_an_error_names_the_variable_and_what_it_is_and_an_example(name: str) -> None:
    with pytest.raises(Halted) as fault:
        load_settings(program(name).settings)
    said = str(fault.value)
    assert "GRIDCALL_KAFKA is not set: it is the broker's address" in said
    assert "for example 127.0.0.1:19092" in said
    assert "GRIDCALL_SERVICE_KEY is not set" in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("set_required")
def test_the_port_is_that_of_the_topology(name: str) -> None:
    settings = load_settings(program(name).settings)
    assert settings.port == SERVICE[name].port
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("set_required")
def test_a_service_has_the_address_of_each_service_whose_log_it_reads(name: str) -> None:
    urls = load_settings(program(name).settings).peer_urls
    writers = {program(name).writers[log] for log in SERVICE[name].inputs}
    assert writers <= urls.keys()


@pytest.mark.usefixtures("set_required")
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCALL_KAFKA", "")
    with pytest.raises(Halted, match="GRIDCALL_KAFKA is not set"):
        load_settings(program("routing").settings)


@pytest.mark.usefixtures("set_required")
def test_a_wrong_port_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDCALL_PORT", "65536")
    with pytest.raises(Halted, match="GRIDCALL_PORT is wrong"):
        load_settings(program("screen").settings)


@pytest.mark.usefixtures("set_required")
def test_the_shared_key_is_not_shown() -> None:
    assert "secret" not in repr(load_settings(ServiceSettings))


@pytest.mark.usefixtures("set_required")
def test_a_user_of_kafka_without_tls_is_refused_because_its_password_could_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRIDCALL_KAFKA_USER", "routing")
    monkeypatch.setenv("GRIDCALL_KAFKA_PASSWORD", "secret")
    with pytest.raises(Halted, match="needs GRIDCALL_KAFKA_CA: no password goes out unencrypted"):
        load_settings(program("routing").settings)


@pytest.mark.parametrize("alone", ["USER", "PASSWORD"])
@pytest.mark.usefixtures("set_required")
def test_a_user_of_kafka_and_its_password_go_together(
    alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GRIDCALL_KAFKA_{alone}", "routing")
    with pytest.raises(Halted, match="go together"):
        load_settings(program("routing").settings)


@pytest.mark.usefixtures("set_required")
def test_a_file_of_authorities_that_is_not_there_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRIDCALL_KAFKA_CA", "/nowhere/ca.crt")
    with pytest.raises(Halted, match="GRIDCALL_KAFKA_CA is wrong"):
        load_settings(program("routing").settings)


@pytest.mark.usefixtures("set_required")
def test_all_clients_of_kafka_have_the_access_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = Authority(tmp_path).certificate
    monkeypatch.setenv("GRIDCALL_KAFKA_CA", str(authority))
    monkeypatch.setenv("GRIDCALL_KAFKA_USER", "routing")
    monkeypatch.setenv("GRIDCALL_KAFKA_PASSWORD", "secret")
    settings = load_settings(program("routing").settings)
    assert settings.cluster.access == Access(authority, "routing", "secret")
    options = connection(settings.cluster)
    assert options.pop("ssl_context").check_hostname, "another broker's certificate is refused"
    assert options == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "routing",
        "sasl_plain_password": "secret",
    }


def test_neither_settings_nor_messages_show_the_password_of_kafka(tmp_path: Path) -> None:
    cluster = Cluster("broker:9093", access=Access(tmp_path / "ca.crt", "routing", "secret"))
    assert str(cluster) == "broker:9093 as routing over TLS"
    assert "secret" not in repr(cluster)


def test_each_file_of_the_folder_of_secrets_is_a_variable(tmp_path: Path) -> None:
    (tmp_path / "GRIDCALL_SERVICE_KEY").write_text("secret\n")
    (tmp_path / "PGPASSWORD").write_text("another")
    (tmp_path / "..data").mkdir()  # As Kubernetes mounts a Secret.
    (tmp_path / "lost+found").mkdir()
    environment = {"GRIDCALL_SECRETS": str(tmp_path), "PGPASSWORD": "set"}
    load_secret_files(environment)
    assert environment == {
        "GRIDCALL_SECRETS": str(tmp_path),
        "GRIDCALL_SERVICE_KEY": "secret",
        "PGPASSWORD": "set",
    }


def test_a_folder_of_secrets_that_is_not_there_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_secret_files({"GRIDCALL_SECRETS": str(tmp_path / "nowhere")})


@pytest.mark.parametrize("name", NAMES)
def test_a_service_of_a_run_listens_on_loopback_whatever_its_environment_says(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRIDCALL_HOST", "0.0.0.0")
    for variable, value in shared_settings(tmp_path, Cluster("127.0.0.1:19092")).items():
        monkeypatch.setenv(variable, value)
    assert load_settings(program(name).settings).host == "127.0.0.1"


@pytest.mark.parametrize("name", NAMES)
def test_help_lists_every_variable(name: str) -> None:
    listed = usage(program(name))
    for field in program(name).settings.model_fields:
        assert f"GRIDCALL_{field.upper()} " in listed

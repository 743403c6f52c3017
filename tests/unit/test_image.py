"""The image's rules notice what breaks them, and compose.yaml has every service, hardened."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
import yaml

from events.topology import SERVICES, Service
from tests.harness.image.__main__ import GRACE_SECONDS
from tests.harness.image.inspection import FORBIDDEN_PACKAGES, WRITABLE, Facts, violations
from tests.harness.image.podman import missing_requirement
from tests.harness.image.stand_ins import BASE, KAFKA, POSTGRES
from tests.harness.paths import ROOT
from tools.bill_of_materials import debian_components, image_component

FOLDER = ROOT / "deploy" / "image"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
GOOD = Facts(
    uid=65532,
    groups=[65532],
    capabilities=0,
    no_new_privileges=True,
    read_only=True,
    writable=["/tmp"],
    programs=[],
    packages={"gridcall": "0.1.0", "uvicorn": "1"},
)


def test_a_container_by_the_rules_breaks_none() -> None:
    assert not [*violations(GOOD)]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"uid": 0}, "runs as user 0"),
        ({"groups": [0, 65532]}, "root is 0"),
        ({"capabilities": 1}, "has capabilities: 1"),
        ({"no_new_privileges": False}, "may gain privileges"),
        ({"read_only": False}, "its root is not read-only"),
        ({"writable": ["/", "/tmp"]}, "can write to /"),
        ({"writable": ["/opt/gridcall"]}, "can write to /opt/gridcall"),
        ({"programs": ["gcc"]}, "no service needs: gcc"),
        *(({"packages": {name: "1"}}, f"no service needs: {name}") for name in FORBIDDEN_PACKAGES),
    ],
)
def test_each_rule_of_a_container_has_its_sentence(wrong: dict[str, Any], sentence: str) -> None:
    (noticed,) = violations(replace(GOOD, **wrong))
    assert sentence in noticed


def test_every_folder_that_is_declared_writable_may_be_written_to() -> None:
    assert not [*violations(replace(GOOD, writable=sorted(WRITABLE)))]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_compose_runs_every_service_hardened_and_on_loopback(service: Service) -> None:
    declared = COMPOSE["services"][service.name]
    assert declared["command"] == [service.name]
    assert declared["user"] == "65532:65532"
    assert declared["read_only"] is True
    assert declared["cap_drop"] == ["ALL"]
    assert declared["security_opt"] == ["no-new-privileges:true"]
    assert declared["stop_grace_period"] == f"{GRACE_SECONDS}s"
    (port,) = declared["ports"]
    assert port == f"127.0.0.1:${{{service.name.upper()}_PORT:-{service.port}}}:8311"
    assert declared["environment"]["GRIDCALL_DATABASE_URL"].endswith(f"@postgres/{service.name}")
    for other in SERVICES:
        url = declared["environment"][f"GRIDCALL_{other.name.upper()}_URL"]
        assert url == f"http://{other.name}:8311"
    databases = (FOLDER / "databases.sql").read_text(encoding="utf-8")
    assert f"CREATE DATABASE {service.name} TEMPLATE template0 ENCODING 'UTF8'" in databases


def test_nothing_of_compose_can_be_reached_from_another_machine() -> None:
    ports = [port for each in COMPOSE["services"].values() for port in each.get("ports", [])]
    assert len(ports) == len(SERVICES)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_trial_makes_the_images_that_are_named() -> None:
    containerfile = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    assert f"ARG BASE={BASE}\n" in containerfile
    assert COMPOSE["services"]["postgres"]["image"] == POSTGRES
    assert COMPOSE["services"]["kafka"]["image"] == KAFKA


def test_a_bill_names_a_package_of_debian_as_scanners_do() -> None:
    (component,) = debian_components("libc6\t2.36-9+deb12u10\tamd64\n")
    assert component["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12"
    assert (component["name"], component["version"]) == ("libc6", "2.36-9+deb12u10")


def test_a_bill_is_about_the_image_and_its_commit() -> None:
    labels = {"title": "gridcall", "version": "1.0", "licenses": "Apache-2.0", "revision": "abc"}
    component = image_component(
        {f"org.opencontainers.image.{name}": value for name, value in labels.items()}
    )
    assert (component["name"], component["version"]) == ("gridcall", "1.0")
    assert "abc" in json.dumps(component["properties"])


def test_a_machine_without_podman_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    reason = missing_requirement()
    assert reason.startswith("only root" if os.geteuid() else "it lacks podman, ")
    assert "\n" not in reason

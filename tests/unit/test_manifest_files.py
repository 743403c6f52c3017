"""The generated files of deploy/k8s: a service that comes, changes or goes is noticed."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from events.topology import SERVICE, SERVICES
from tests.harness.paths import ROOT
from tools.manifests import __main__ as tool
from tools.manifests.names import HOME
from tools.manifests.pods import USER_ID
from tools.manifests.settings import askers_of, peers_of


def test_the_files_are_those_of_the_topology() -> None:
    assert tool.differences(tool.generated_files()) == []


def test_a_file_that_is_missing_or_other_or_left_over_is_named() -> None:
    files = tool.generated_files()
    files["later.yaml"] = files.pop("screen.yaml")
    files["routing.env"] += "GRIDCALL_LOG=text\n"
    assert tool.differences(files) == ["later.yaml", "routing.env", "screen.yaml"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_has_its_own(service: tuple[str, ...]) -> None:
    files, name = tool.generated_files(), service[0]
    kinds = [each["kind"] for each in yaml.safe_load_all(files[f"{name}.yaml"])]
    assert kinds.count("NetworkPolicy") == kinds.count("ServiceAccount") == 2
    assert {"Deployment", "Service", "PodDisruptionBudget", "Job"} <= set(kinds)
    for file in ("databases.yaml", "kafka-users.yaml"):
        names = [each["metadata"]["name"] for each in yaml.safe_load_all(files[file])]
        assert name in names
    (patch,) = yaml.safe_load_all(files[tool.PATCH])
    assert name in [role["name"] for role in patch["spec"]["managed"]["roles"]]


def test_who_asks_whom_follows_from_the_settings() -> None:
    intake, routing = SERVICE["intake"], SERVICE["routing"]
    assert [each.name for each in peers_of(routing)] == ["intake"]
    assert intake in askers_of(routing)
    assert {each.name for each in askers_of(intake)} == SERVICE.keys() - {"intake"}


def test_the_pods_are_as_the_image_is() -> None:
    image = (ROOT / "deploy" / "image" / "Containerfile").read_text()
    assert f"\nUSER {USER_ID}:{USER_ID}\n" in image
    assert f"GRIDCALL_HOME={HOME} " in image
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", image, re.MULTILINE)
    assert json.loads(entry)[-1] == "gridcall", "arguments alone say which service"
    assert len(json.loads(entry)) > 1, "an init passes signals on"

"""The manifests of both overlays are valid for Kubernetes, and each policy is true of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from events.topology import SERVICE
from tests.contract.kubernetes.configuration import files
from tests.contract.kubernetes.custom_resources import schema_of
from tests.contract.kubernetes.policies import POLICIES, Policy, sentence
from tests.contract.kubernetes.removed_lines import lines
from tests.harness.manifests import OVERLAYS, Manifest, manifests_of, overlay_text
from tests.harness.paths import ROOT
from tests.harness.requirements import require
from tools.manifests.__main__ import differences, generated_files

TOOLS = ROOT / ".venv-kubernetes" / "bin"
MINORS = ("1.35", "1.36", "1.37")
FREE = {
    "config", "parameters", "labels", "matchLabels", "matchExpressions", "affinity", "annotations",
}  # fmt: skip
# Checks of checkov that gridcall has decided otherwise, each with the reason.
SKIPPED = {
    "CKV_K8S_11": "a limit of CPU only delays commits; requests share it",
    "CKV_K8S_15": "a version never changes, and a restart needs no registry",
    "CKV_K8S_43": "the team that copies the image pins its digest, in its overlay",
}


def tool(name: str) -> Path:
    require((TOOLS / name).exists(), f"no {name}: make kubernetes-tools")
    return TOOLS / name


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=170
    )


@pytest.mark.parametrize(
    ("overlay", "policy"),
    [
        pytest.param(overlay, policy, id=f"{overlay}: {sentence(policy)}")
        for overlay in OVERLAYS
        for policy in POLICIES[overlay]
    ],
)
def test_a_policy_is_true(overlay: str, policy: Policy) -> None:
    policy(manifests_of(overlay))


def test_what_repeats_is_generated_from_the_topology() -> None:
    assert differences(generated_files()) == [], "make manifests"


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_accepts_each_manifest_and_knows_each_field(
    overlay: str, minor: str, tmp_path: Path
) -> None:
    own = [each for each in manifests_of(overlay) if schema_of(each) is None]
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(own))
    done = run(tool("kubernetes-validate"), "--strict", "-k", minor, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr, "a kind without a schema was not validated"
    assert done.stdout.count("INFO") == len(own)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_checkov_finds_nothing_but_what_is_decided_otherwise(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(overlay_text(overlay))
    options = ["--framework", "kubernetes", "--compact", "--quiet", "--skip-check"]
    done = run(tool("checkov"), "-f", file, *options, ",".join(SKIPPED))
    assert done.returncode == 0, done.stdout
    assert "Failed checks: 0" in done.stdout
    assert int(done.stdout.partition("Passed checks: ")[2].partition(",")[0]) > 900


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_custom_resource_has_only_fields_that_are_documented(overlay: str) -> None:
    for manifest in customs(overlay):
        jsonschema_rs.validator_for(schema_of(manifest) or {}).validate(manifest)


def test_a_typing_error_in_a_custom_resource_is_found() -> None:
    tried = 0
    for manifest in customs("production"):
        validator = jsonschema_rs.validator_for(schema_of(manifest) or {})
        for path, _ in list(lines(manifest["spec"], ())):
            if isinstance(path[-1], str) and not FREE & set(path[:-1]):
                node = manifest["spec"]
                for step in path[:-1]:
                    node = node[step]
                node[f"{path[-1]}s"] = node.pop(path[-1])
                assert not validator.is_valid(manifest), path
                node[path[-1]] = node.pop(f"{path[-1]}s")
                tried += 1
    assert tried > 400


def test_the_document_makes_each_secret_that_no_operator_makes() -> None:
    document = (ROOT / "docs" / "kubernetes.md").read_text()
    manifests = manifests_of("production")
    keys = {
        key
        for workload in manifests.workloads()
        for volume in ("secrets", "certificates")
        for key in files(workload, volume).values()
    }
    of_operators = {each for each in keys if re.match("kafka-|database-ca", each[0])}
    assert set() < of_operators < keys
    roles = " ".join([*SERVICE, "verifier"])
    assert f"for role in {roles}; do" in document
    by_hand = {("service-key", "key")} | {
        (f"database-{role}", "password") for role in roles.split()
    }
    assert keys - of_operators == by_hand
    for line in ("create secret generic service-key ", "--from-literal=key=",
                 'create secret generic "database-$role"', "--from-literal=password=",
                 "create secret generic backup-store", "--from-literal=ACCESS_KEY_ID=",
                 "--from-literal=ACCESS_SECRET_KEY="):  # fmt: skip
        assert line in document


def customs(overlay: str) -> Iterator[Manifest]:
    """Yield the custom resources of an overlay."""
    return (each for each in manifests_of(overlay) if schema_of(each) is not None)

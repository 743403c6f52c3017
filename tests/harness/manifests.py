"""The manifests of an overlay as `kubectl kustomize` renders them, and questions to them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import yaml

from tests.harness.paths import ROOT
from tests.harness.requirements import require

Manifest = dict[str, Any]
OVERLAYS = ("production", "local")


class Workload(NamedTuple):
    """A manifest that makes pods. `template` is what each pod is made from."""

    manifest: Manifest
    name: str
    component: str
    template: Manifest

    @property
    def spec(self) -> Manifest:
        spec: Manifest = self.template["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        (container,) = self.spec["containers"]
        return dict(container)


class Manifests(list[Manifest]):
    """All manifests of an overlay."""

    def of_kind(self, kind: str) -> list[Manifest]:
        return [each for each in self if each.get("kind") == kind]

    def by_name(self, kind: str) -> dict[str, Manifest]:
        """Return the manifests of a kind by name. No two have the same."""
        result = {each["metadata"]["name"]: each for each in self.of_kind(kind)}
        assert len(result) == len(self.of_kind(kind)), f"two of {kind} have one name"
        return result

    def one(self, kind: str, name: str) -> Manifest:
        assert name in self.by_name(kind), f"there is no {kind} {name}"
        return self.by_name(kind)[name]

    def workloads(self, component: str = "") -> list[Workload]:
        """Return what makes pods, of one component or all."""
        return [each for each in self._workloads() if component in ("", each.component)]

    def _workloads(self) -> Iterator[Workload]:
        for kind, path in TEMPLATES.items():
            for manifest in self.of_kind(kind):
                template = manifest
                for step in path:
                    template = template[step]
                labels = template["metadata"]["labels"]
                yield Workload(manifest, labels[NAME], labels[COMPONENT], template)

    def config(self, workload: Workload) -> Mapping[str, str]:
        """Return the environment of a workload."""
        (source,) = workload.container["envFrom"]
        data: Mapping[str, str] = self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        return data


NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@cache
def overlay_text(overlay: str) -> str:
    """Return an overlay as YAML. Skips the test where kubectl is missing."""
    require(shutil.which("kubectl") is not None, "no manifests without kubectl: install it")
    done = subprocess.run(
        ["kubectl", "kustomize", ROOT / "deploy" / "k8s" / overlay],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests_of(overlay: str) -> Manifests:
    """Return the manifests of an overlay, to read and to change."""
    return Manifests(yaml.load_all(overlay_text(overlay), Loader=LOADER))


LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

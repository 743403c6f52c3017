"""Write `deploy/k8s/base/generated`, or compare it: `python -m tools.manifests [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from events.topology import SERVICES
from tools.manifests.databases import databases, roles
from tools.manifests.jobs import ENVIRONMENTS, jobs
from tools.manifests.kafka import topics, users
from tools.manifests.names import NAMESPACE, PART_OF, Manifest
from tools.manifests.network import policies
from tools.manifests.workloads import environment, workloads

FOLDER = Path(__file__).parents[2] / "deploy" / "k8s" / "base" / "generated"
NOTE = "# Generated from libs/events/topology.py by `make manifests`.\n"
PATCH = "database-roles.yaml"  # Not a manifest of its own: the base patches the cluster with it.


def generated_files() -> dict[str, str]:
    """Return the content of each generated file by name."""
    environments = {service.name: environment(service) for service in SERVICES} | ENVIRONMENTS
    manifests = {
        **{f"{each.name}.yaml": [*workloads(each), *policies(each)] for each in SERVICES},
        "jobs.yaml": jobs(),
        "databases.yaml": databases(),
        "kafka-topics.yaml": topics(),
        "kafka-users.yaml": users(),
    }
    return {
        **{f"{name}.env": env_file(each) for name, each in environments.items()},
        **{name: yaml_file(each) for name, each in manifests.items()},
        PATCH: yaml_file([roles()]),
        "kustomization.yaml": yaml_file([kustomization(manifests, environments)]),
    }


def kustomization(resources: Iterable[str], environments: Iterable[str]) -> Manifest:
    """Return what belongs together. A ConfigMap has a digest in its name.

    So a changed setting is a new version of the pods, which is rolled out and can be rolled back.
    """
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(resources),
        "configMapGenerator": [
            {"name": name, "namespace": NAMESPACE, "envs": [f"{name}.env"]}
            for name in sorted(environments)
        ],
        "generatorOptions": {"immutable": True, "labels": PART_OF},
    }


def env_file(variables: Mapping[str, str]) -> str:
    """Return variables, one a line."""
    return NOTE + "".join(f"{name}={value}\n" for name, value in variables.items())


class Dumper(yaml.SafeDumper):
    """A dumper that writes a value out wherever it occurs, without references."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def yaml_file(manifests: Iterable[Manifest]) -> str:
    """Return manifests as YAML."""
    return NOTE + yaml.dump_all(manifests, Dumper=Dumper, sort_keys=False, width=100)


def differences(files: Mapping[str, str]) -> list[str]:
    """Return the names of files that are missing, other than generated, or left over."""
    existing = {path.name: path.read_text() for path in FOLDER.iterdir()} if FOLDER.is_dir() else {}
    return sorted(
        name for name in files.keys() | existing.keys() if files.get(name) != existing.get(name)
    )


def main() -> None:
    """Write the files, or with --check say which are old."""
    files = generated_files()
    old = differences(files)
    if "--check" in sys.argv[1:]:
        sys.exit(f"{FOLDER}: {', '.join(old)}: old: make manifests" if old else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in old:
        if name in files:
            (FOLDER / name).write_text(files[name])
        else:
            (FOLDER / name).unlink()


if __name__ == "__main__":
    main()

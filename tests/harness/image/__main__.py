"""Build the image, run all services in containers, and end them: `deploy/image/try`.

Where containers cannot be run it says so in one line, and succeeds. GRIDCALL_IMAGE_STORE names a
folder that keeps the images for the next trial.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from tests.harness.image import stand_ins
from tests.harness.image.inspection import Facts, facts_of, violations
from tests.harness.image.journey import (
    add_city,
    check_nothing_lost,
    end_while_posting,
    follow_one_issue,
)
from tests.harness.image.podman import Podman, missing_requirement
from tests.harness.image.system import NAMES, System
from tests.harness.paths import ROOT
from tests.harness.waiting import wait_until

IMAGE = "localhost/gridcall"
GRACE_SECONDS = 30  # As in compose.yaml.
LARGEST = 10
LABELS = "org.opencontainers.image"

# Options of `podman run` that a rule must notice, with its sentence. A folder or a file of this
# machine stands for what an image must not have.
READ_ONLY, NO_CAPABILITIES, NO_PRIVILEGES = (
    ("--read-only", "--read-only-tmpfs=false"),
    ("--cap-drop=all",),
    ("--security-opt=no-new-privileges",),
)
HARDENED = (*READ_ONLY, *NO_CAPABILITIES, *NO_PRIVILEGES)


def planted_faults() -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the options of a container with a fault, and a part of the sentence about it."""
    packages = "/opt/gridcall/lib/python3.11/site-packages"
    (about,) = Path(str(distribution("pytest").locate_file(""))).glob("pytest-*.dist-info")
    yield (*HARDENED, "--user=0:0"), "runs as user 0"
    yield (*NO_CAPABILITIES, *NO_PRIVILEGES), "its root is not read-only"
    yield (*NO_CAPABILITIES, *NO_PRIVILEGES, "--user=0:0"), "can write to /etc"
    yield (*READ_ONLY, *NO_PRIVILEGES, "--user=0:0"), "has capabilities"
    yield (*READ_ONLY, *NO_CAPABILITIES), "may gain privileges"
    yield (*HARDENED, f"--volume={about}:{packages}/{about.name}:ro"), "no service needs: pytest"
    yield (*HARDENED, "--volume=/bin/true:/usr/local/bin/gcc:ro"), "no service needs: gcc"


def main() -> None:
    """Run the whole trial."""
    if reason := missing_requirement():
        print(f"skipped: the image is not tried here: {reason}")
        return
    began = time.monotonic()
    # `timeout` sends it. Without a handler it would leave the containers and the store.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with open_store() as podman:
        with step("a Debian, a Postgres and a Kafka"):
            make_neighbours(podman)
        with step("the image"):
            build_image(podman)
        print_contents(podman)
        with step("each planted fault is noticed"):
            check_faults_are_noticed(podman)
        with step("a service without a database says so, and ends"):
            check_database_is_required(podman)
        with open_system(podman) as system:
            try_system(system)
    print(f"{time.monotonic() - began:5.0f} s  all of it", flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long a step took."""
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:5.1f} s  {name}", flush=True)


@contextmanager
def open_store() -> Iterator[Podman]:
    """Open a store of images. It is removed at the end, unless its folder was named."""
    named = os.environ.get("GRIDCALL_IMAGE_STORE")
    folder = Path(named or tempfile.mkdtemp(prefix="gridcall-image-"))
    podman = Podman(folder)
    try:
        yield podman
    finally:
        if not named:
            podman.finish("system", "reset", "--force")
            subprocess.run(["umount", folder / "storage" / "overlay"], stderr=subprocess.DEVNULL)
            shutil.rmtree(folder)


def make_neighbours(podman: Podman) -> None:
    """Make the images that the image needs beside it, if the store has none."""
    for image, make in (
        (stand_ins.BASE, stand_ins.make_base),
        (stand_ins.POSTGRES, stand_ins.make_postgres),
        (stand_ins.KAFKA, stand_ins.make_kafka),
    ):
        if not podman.has_image(image):
            make(podman)


def build_image(podman: Podman) -> None:
    """Build the image as an operator does, with the authority that pip has on this machine."""
    options = ["--pull=never", "--network=host"]
    if authority := os.environ.get("PIP_CERT"):
        options += [f"--volume={Path(authority).resolve()}:/authority.crt:ro"]
        options += ["--build-arg=PIP_CERT=/authority.crt"]
    command = [str(ROOT / "deploy" / "image" / "build"), *options]
    environment = {**podman.environment, "IMAGE": IMAGE, "ENGINE": "podman"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def print_contents(podman: Podman) -> None:
    """Print the size of the image, and what is largest in it."""
    (about,) = podman.read("image", "inspect", IMAGE)
    print(f"         {about['Size'] / 1e6:.0f} MB: {about['Labels'][f'{LABELS}.revision']}")
    list_largest = f"""du -sk /opt/gridcall/lib/python3.*/site-packages/* /usr/lib/*/ /usr/bin \
      /usr/share /usr/sbin /var/lib 2>/dev/null | sort -rn | head -{LARGEST}"""
    listed = podman.do("run", "--rm", "--entrypoint=sh", IMAGE, "-c", list_largest)
    for line in listed.splitlines():
        size, path = line.split("\t")
        print(f"         {int(size) / 1e3:6.1f} MB  {path}")


def inside(*options: str) -> tuple[str, ...]:
    """Return the words by which podman runs Python in a new container."""
    return ("run", "--rm", "--network=none", *options, "--entrypoint=python3", IMAGE)


def check_faults_are_noticed(podman: Podman) -> None:
    """Plant each fault, and see that a rule notices it. Without one no rule has a word to say."""
    facts = facts_of(podman, *inside(*HARDENED))
    assert not [*violations(facts)], [*violations(facts)]
    check_bill(podman, facts)
    for options, sentence in planted_faults():
        noticed = [*violations(facts_of(podman, *inside(*options)))]
        assert any(sentence in each for each in noticed), f"not noticed: {sentence}; {noticed}"


def check_bill(podman: Podman, facts: Facts) -> None:
    """Compare the bill of materials with what runs: each package, and no other."""
    (path,) = (ROOT / "dist").glob("*.cdx.json")
    bill = json.loads(path.read_text(encoding="utf-8"))
    debian = podman.do("run", "--rm", "--entrypoint=dpkg-query", IMAGE, "-W", "-f=${Package}\n")
    listed = [each["name"].lower().replace("_", "-") for each in bill["components"]]
    names = [name.lower().replace("_", "-") for name in (*facts.packages, *debian.splitlines())]
    assert sorted(listed) == sorted(names), {*listed} ^ {*names}
    print(f"         the bill of materials has {len(listed)} components")


def check_database_is_required(podman: Podman) -> None:
    """Run a service without a database: it must not begin an empty one of its own."""
    settings = ("--env=GRIDCALL_KAFKA=kafka:9092", "--env=GRIDCALL_SERVICE_KEY=any")
    done = podman.finish("run", "--rm", "--network=none", *settings, IMAGE, "routing")
    assert done.returncode == 3, done.stderr
    assert "name a database in GRIDCALL_DATABASE_URL" in done.stderr, done.stderr


@contextmanager
def open_system(podman: Podman) -> Iterator[System]:
    """Start all containers. They are removed at the end, with what they stored."""
    system = System(podman, ROOT / ".venv-image")
    try:
        with step("the containers are started"):
            system.compose("up", "-d")
        yield system
    except BaseException:
        system.print_logs()
        raise
    finally:
        system.compose("down", "--volumes", "--timeout=1")


def try_system(system: System) -> None:
    """Do with the containers what an operator and an upstream system do."""
    with step("each service is ready, seen from outside"):
        system.wait_until_ready()
    for name in NAMES:
        assert system.get(name, "/livez").json() == {"status": "alive"}
        assert system.is_healthy(name), f"the check of health of {name} fails"
        facts = facts_of(system.podman, "exec", system.container(name), "python3")
        assert not [*violations(facts)], f"{name}: {[*violations(facts)]}"
    key = add_city(system)
    with step("an issue is posted, routed, and in the read model"):
        stage = follow_one_issue(system, key)
    print(f"         its stage for the public: {stage}")
    with step("doctor finds everything ok"):
        wait_until(lambda: "FAIL" not in system.run("doctor"))
    took, accepted = end_while_posting(system, key, GRACE_SECONDS)
    for name, seconds in took.items():
        print(f"{seconds:5.1f} s  {name} answers what it accepted, and exits with 0")
    with step(f"started again: all {len(accepted)} inputs are there, and every row is right"):
        for name in NAMES:
            system.podman.do("start", system.container(name))
        system.wait_until_ready()
        check_nothing_lost(system, key, accepted)


if __name__ == "__main__":
    main()

"""podman with a store of its own, so that nothing else of this machine is seen or changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, Any

PACKAGES = "podman runc netavark aardvark-dns iptables debootstrap"
PROGRAMS = ("podman", "runc", "debootstrap", "iptables")
NETWORK_PROGRAMS = tuple(Path("/usr/lib/podman", name) for name in ("netavark", "aardvark-dns"))
SECONDS_MAX = 300

# Without systemd nothing makes control groups or keeps a journal. Locks in a file are not shared
# with the podman of this machine's user.
ENGINE = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=8192:8192"]
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


def missing_requirement() -> str:
    """Return why containers cannot be run here, or nothing."""
    if os.geteuid():
        return "only root can make a base image with debootstrap"
    programs = [name for name in PROGRAMS if shutil.which(name) is None]
    programs += [path.name for path in NETWORK_PROGRAMS if not path.exists()]
    return f"it lacks {', '.join(programs)}: apt-get install {PACKAGES}" if programs else ""


class Podman:
    """A store of images and containers in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tmp", "networks"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        files = {"containers.conf": ENGINE, "storage.conf": STORE}
        for name, text in files.items():
            (folder / name).write_text(text.format(folder=folder), encoding="utf-8")
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DISABLE_HC_SYSTEMD": "true",  # Checks of health are run by the trial itself.
        }

    def finish(
        self, *words: object, stdin: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of podman, whatever its status is. One that takes too long is killed."""
        return subprocess.run(
            ["podman", *map(str, words)],
            env=self.environment,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_MAX,
        )

    def do(self, *words: object, stdin: IO[bytes] | None = None) -> str:
        """Run a command of podman, and return its output. Raises AssertionError if it fails."""
        done = self.finish(*words, stdin=stdin)
        assert done.returncode == 0, f"podman {' '.join(map(str, words))}: {done.stderr}"
        return done.stdout

    def read(self, *words: object) -> Any:
        """Return the JSON that a command of podman prints."""
        return json.loads(self.do(*words))

    def has_image(self, image: str) -> bool:
        return self.finish("image", "exists", image).returncode == 0

"""Print the bill of materials of an image, in CycloneDX: `python -m tools.bill_of_materials IMAGE`.

The image itself says what is inside. cyclonedx-bom (deploy/image/tools.lock) runs in it, on its
Python packages, and dpkg lists its Debian packages. Nothing is read from a lock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".venv-image"
ENVIRONMENT = "/opt/gridcall"
# The tool is on the path of this process alone: PYTHONPATH would make it a part of what it lists.
LIST_PACKAGES = f"""
import runpy, sys
sys.path.insert(0, "/tools")
sys.argv = ["cyclonedx-py", "environment", "--output-reproducible", "--spec-version=1.6",
            "--output-format=JSON", "{ENVIRONMENT}"]
runpy.run_module("cyclonedx_py", run_name="__main__")
"""
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(repr(fault) if (fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(
    sys.stdin.read())) else 0)
"""
DEBIAN = "${Package}\t${Version}\t${Architecture}\n"


def bill_of(engine: str, image: str) -> dict[str, Any]:
    """Return the bill of an image that podman or docker has."""
    (libraries,) = TOOLS.glob("lib/python3.*/site-packages")
    inside = ("run", "--rm", "--network=none", "--read-only", f"--volume={libraries}:/tools:ro")
    listed = run(engine, *inside, "--entrypoint=python3", image, "-c", LIST_PACKAGES)
    bill: dict[str, Any] = json.loads(listed)
    debian = run(engine, *inside, "--entrypoint=dpkg-query", image, "-W", f"-f={DEBIAN}")
    (about,) = json.loads(run(engine, "image", "inspect", image))
    labels = about.get("Labels") or about["Config"]["Labels"]
    bill["components"] += debian_components(debian)
    bill["metadata"]["component"] = image_component(labels)
    return bill


def debian_components(listed: str) -> Iterator[dict[str, Any]]:
    """Yield a component for each line of dpkg: name, version, architecture."""
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        place = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='~')}"
        url = f"{place}?arch={architecture}&distro=debian-12"
        yield {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def image_component(labels: dict[str, str]) -> dict[str, Any]:
    """Return the component that the bill is about, from the labels of the image."""
    label = {name.rpartition(".")[2]: value for name, value in labels.items()}
    revision = {"name": "org.opencontainers.image.revision", "value": label["revision"]}
    return {
        "type": "container",
        "bom-ref": "image",
        "name": label["title"],
        "version": label["version"],
        "licenses": [{"license": {"id": label["licenses"]}}],
        "properties": [revision],
    }


def run(*words: str, text: str | None = None) -> str:
    """Return the output of a command. Raises SystemExit if it fails."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]}: {done.stderr}")
    return done.stdout


def main() -> None:
    """Print the bill of an image, and fail if it is not valid."""
    bill = json.dumps(bill_of(os.environ.get("ENGINE", "podman"), sys.argv[1]), indent=2)
    run(str(TOOLS / "bin" / "python"), "-c", VALIDATE, text=bill)
    sys.stdout.write(f"{bill}\n")


if __name__ == "__main__":
    main()

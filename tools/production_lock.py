"""Make deploy/image/requirements.lock: `python -m tools.production_lock` prints it.

It has the rows of requirements.lock that gridcall itself needs on Linux: its dependencies in
pyproject.toml, and theirs. Nothing is resolved again, so that tests and production have the same
versions.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAD = """# The packages of production. Made from requirements.lock: python -m tools.production_lock
"""
# The image's Python and system, on whichever machine this runs.
IMAGE = {"python_version": "3.11", "sys_platform": "linux", "platform_system": "Linux"}
ROW = re.compile(r"^(?P<name>[a-z0-9-]+)==[^\n]*(?:\n +--hash=[^\n]*)+\n", re.MULTILINE)


def render(lock: str, dependencies: Iterable[str]) -> str:
    """Return the rows of a lock that these dependencies need, without comments."""
    needed = closure(dependencies)
    return HEAD + "".join(row[0] for row in ROW.finditer(lock) if row["name"] in needed)


def closure(dependencies: Iterable[str]) -> set[str]:
    """Return the names of packages, and of all packages that those need, as they are installed."""
    known: set[tuple[str, str]] = set()
    wanted = list(each_extra(dependencies, ""))
    while wanted:
        name, extra = wanted.pop()
        if (name, extra) not in known:
            known.add((name, extra))
            wanted += each_extra(requires(name) or (), extra)
    return {name for name, _ in known}


def each_extra(requirements: Iterable[str], extra: str) -> Iterator[tuple[str, str]]:
    """Yield each package that an extra of another one requires, with each extra of its own."""
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({**IMAGE, "extra": extra}):
            for own in ("", *requirement.extras):
                yield canonicalize_name(requirement.name), own


def main() -> None:
    """Print the lock of production."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    sys.stdout.write(render(lock, project["dependencies"]))


if __name__ == "__main__":
    main()

"""Write the commit into wheels and source archives, so that `gridcall --version` names it.

Hatchling calls this (`tool.hatch.build.hooks.custom` in pyproject.toml).
"""

from __future__ import annotations

import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

INSIDE = "gridcall/commit.txt"


class CommitHook(BuildHookInterface[Any]):
    """Adds the file from which gridcall/release.py reads the commit of an installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        self._made: Path | None = None
        # An editable installation asks git each time. A source archive has the file already.
        if version == "editable" or (root / INSIDE).exists():
            return
        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
            file.write(f"{read_commit(root)}\n")
        self._made = Path(file.name)
        build_data["force_include"][file.name] = INSIDE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._made:
            self._made.unlink()


def read_commit(root: Path) -> str:
    """Return the commit of a checkout, as the program itself finds it."""
    spec = spec_from_file_location("release", root / "gridcall" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    release = module_from_spec(spec)
    spec.loader.exec_module(release)
    commit: str = release.read_commit()
    return commit

"""Ask ruff for docstrings of functions that do not begin with an imperative (D401)."""

import json
import subprocess
import sys
from pathlib import Path

from tools.language.finding import Finding

WHY = "the first line is not in the imperative (D401)"


def check_imperatives(root: Path, below: list[str]) -> list[Finding]:
    """Return a finding for each D401 of ruff, below folders and modules of Python."""
    paths = [path for path in below if path.endswith(".py") or (root / path).is_dir()]
    if below and not paths:
        return []
    command = [sys.executable, "-m", "ruff", "check", "--select", "D401", "--exit-zero"]
    command += ["--output-format", "json", "--no-cache", *paths]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [to_finding(root, item) for item in json.loads(answer.stdout)]


def to_finding(root: Path, item: dict[str, object]) -> Finding:
    """Return a diagnostic of ruff as a finding."""
    path = Path(str(item["filename"])).relative_to(root.resolve())
    what = str(item["message"]).rpartition("mood: ")[2][:60]
    place = item["location"]
    line = place["row"] if isinstance(place, dict) else 1
    instead = "write `Return ...`, or what the function does"
    return Finding(str(path), int(line), "imperative", what, WHY, instead)

"""`make growth` in its short form: it measures, prints and draws every curve."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

from benchmarks.growth.curve import Size
from benchmarks.growth.curves import CURVES
from benchmarks.peers.environment import PYTHON
from tests.harness.commands import environment
from tests.harness.paths import ROOT
from tests.harness.requirements import require


def test_the_short_form_measures_and_draws_every_curve(tmp_path: Path) -> None:
    require(PYTHON.exists(), "the packages that only benchmarks use are missing. Run: make peers")
    words = [sys.executable, "-m", "benchmarks.growth", "--quick", "--json", "--svg", str(tmp_path)]
    done = subprocess.run(
        words, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [each["name"] for each in document["curves"]] == [each.name for each in CURVES]
    for curve, measured in zip(CURVES, document["curves"], strict=True):
        points = {point["x"]: point["values"] for point in measured["points"]}
        assert list(points) == sorted(curve.amounts[Size.QUICK])
        assert all(
            math.isfinite(y) and y > 0 for values in points.values() for y in values.values()
        )
        assert curve.title in (tmp_path / f"{curve.name}.svg").read_text(encoding="utf-8")
    assert len(document["figures"]) == sum(len(curve.goals) for curve in CURVES)
    assert all(figure["reached"] is None for figure in document["figures"])

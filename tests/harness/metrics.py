"""The metrics of a process, as Prometheus reads them, and promtool, which lints them."""

from __future__ import annotations

import subprocess

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.paths import ROOT
from tests.harness.requirements import require

PROMTOOL = ROOT / "deploy" / "prometheus" / "target" / "promtool"


def read_metrics(url: str, key: str) -> str:
    """Return what a process serves at /metrics."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/metrics", headers=headers, timeout=30, trust_env=False).text


def names_in(text: str) -> set[str]:
    """Return the names of all metrics; that of a counter has no `_total`."""
    return {family.name for family in text_string_to_metric_families(text)}


def value_of(text: str, name: str, **labels: str) -> float | None:
    """Return the value of a sample; None if there is none."""
    values = [
        float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if (sample.name, sample.labels) == (name, labels)
    ]
    return values[0] if values else None


def lint(text: str) -> str:
    """Return what promtool finds wrong with metrics; empty if nothing is."""
    require(PROMTOOL.exists(), "no promtool: make promtool")
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr

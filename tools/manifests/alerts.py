"""The alerts of deploy/prometheus, as the Prometheus operator takes them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.manifests.names import NAMESPACE, PART_OF, Manifest

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"


def alerts() -> Manifest:
    """Return the groups of alerts as one resource."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "alerts", "namespace": NAMESPACE, "labels": PART_OF},
        "spec": yaml.safe_load(ALERTS.read_text()),
    }

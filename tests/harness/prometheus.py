"""A real Prometheus that reads the metrics of processes and evaluates our alerts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from httpedge.ports import free_ports
from tests.harness.metrics import PROMTOOL
from tests.harness.paths import ROOT
from tests.harness.requirements import require
from tests.harness.waiting import wait_until

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
PROMETHEUS = PROMTOOL.with_name("prometheus")


def read_alerts() -> list[dict[str, Any]]:
    """Return the rules of all alerts."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


class Prometheus:
    """A server that looks each second, and at whose alerts nobody waits."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def has_read(self, name: str) -> bool:
        """Return True when a metric has a value."""
        return bool(self._get("query", query=name)["result"])

    def alerts(self) -> set[tuple[str, ...]]:
        """Return the name and the labels of each alert that fires."""
        return {
            (labels.pop("alertname"), *(labels[key] for key in sorted(labels)))
            for alert in self._get("alerts")["alerts"]
            if alert["state"] == "firing"
            for labels in (dict(alert["labels"]),)
        }

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{what}"
        answer = httpx.get(url, params=parameters, timeout=30, trust_env=False)
        return answer.json()["data"]


def require_prometheus() -> None:
    """Skip a test where there is no Prometheus. Call it before anything is started."""
    require(PROMETHEUS.exists(), "no prometheus: make promtool")


@contextmanager
def running_prometheus(folder: Path, addresses: Sequence[str], key: str) -> Iterator[Prometheus]:
    """Run a server that reads the metrics at these addresses. Alerts fire without a delay."""
    require_prometheus()
    rules = [{name: rule[name] for name in rule if name != "for"} for rule in read_alerts()]
    (folder / "alerts.json").write_text(
        json.dumps({"groups": [{"name": "gridcall", "rules": rules}]})
    )
    target = {
        "job_name": "gridcall",
        "authorization": {"credentials": key},
        "static_configs": [{"targets": [urlsplit(address).netloc for address in addresses]}],
    }
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.json"],
        "scrape_configs": [target],
    }
    (folder / "prometheus.json").write_text(json.dumps(configuration))
    (port,) = free_ports(1)
    with (folder / "prometheus.log").open("ab") as log_file:
        running = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.json'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log_file,
        )
    server = Prometheus(port)
    try:
        wait_until(server.is_ready)
        yield server
    finally:
        running.kill()
        running.wait()

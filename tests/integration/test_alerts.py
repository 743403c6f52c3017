"""The alerts: their rules, their unit tests, their runbooks, and real faults that fire them."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from httpedge.telemetry import METRICS
from tests.harness.live import Process, adopt_exampleville
from tests.harness.metrics import PROMTOOL
from tests.harness.paths import ROOT
from tests.harness.postgres import cut_off
from tests.harness.prometheus import (
    ALERTS,
    Prometheus,
    read_alerts,
    require_prometheus,
    running_prometheus,
)
from tests.harness.requirements import require
from tests.harness.waiting import wait_until

TESTS = ALERTS.with_name("alerts.test.yaml")
RUNBOOKS = ROOT / "docs" / "runbooks.md"
METRIC = re.compile(r"\bgridcall_\w+")
PARTS = ("Symptom", "Look", "Do", "Tried")
KEY = "the-services-own-key"
DISTRICT = "exampleville"
STAGES = ("routing", "escalation", "assessment")


def promtool(*words: str | Path) -> str:
    """Return what promtool finds wrong; empty if nothing is."""
    require(PROMTOOL.exists(), "no promtool: make promtool")
    done = subprocess.run(
        [PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


# ── Rules, their tests and their runbooks ────────────────────────────────────────────────────────


def test_the_rules_are_valid_and_their_unit_tests_pass() -> None:
    assert promtool("check", "rules", ALERTS) == ""
    assert promtool("test", "rules", TESTS) == ""


@pytest.mark.parametrize("name", [rule["alert"] for rule in read_alerts()])
def test_no_alert_can_be_removed_or_lose_its_threshold(name: str, tmp_path: Path) -> None:
    rules = yaml.safe_load(ALERTS.read_text())
    (rule,) = (rule for rule in rules["groups"][0]["rules"] if rule["alert"] == name)
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    for expression in ("vector(0) > 1", "vector(1)"):
        rule["expr"] = expression
        (tmp_path / ALERTS.name).write_text(yaml.safe_dump(rules))
        assert name in promtool("test", "rules", tmp_path / TESTS.name), expression


@pytest.mark.parametrize("rule", read_alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_asks_for_metrics_that_are_declared(rule: dict[str, str]) -> None:
    used = {name.removesuffix("_bucket") for name in METRIC.findall(rule["expr"])}
    assert used <= {metric.name for metric in METRICS}


@pytest.mark.parametrize("rule", read_alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_has_a_runbook_in_four_parts(rule: dict[str, Any]) -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOKS.read_text(), re.M | re.S))
    section = sections[rule["alert"]]
    assert [part for part in PARTS if f"**{part}.**" in section] == list(PARTS)
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"


# ── Real faults ──────────────────────────────────────────────────────────────────────────────────


class System(NamedTuple):
    """A database, intake alone, the other services, and a Prometheus that reads both."""

    database: str
    intake: Process
    others: Process
    prometheus: Prometheus

    def fires(self, *alert: str) -> bool:
        return alert in self.prometheus.alerts()

    def is_quiet(self) -> bool:
        return not self.prometheus.alerts()


@pytest.fixture
def system(database: str, tmp_path: Path) -> Iterator[System]:
    require_prometheus()
    adopt_exampleville(database)
    with services(database, "intake") as intake, services(database, *STAGES) as others:
        addresses = (intake.url, others.url)
        with running_prometheus(tmp_path, addresses, KEY) as prometheus:
            made = System(database, intake, others, prometheus)
            wait_until(lambda: prometheus.has_read('gridcall_shard_owned{log="evaluations"} == 1'))
            wait_until(made.is_quiet)
            yield made


@contextmanager
def services(database: str, *names: str) -> Iterator[Process]:
    """Run services in a process, and kill it in the end."""
    options = [f"--service={name}" for name in names]
    process = Process(database, *options, variables={"GRIDCALL_SERVICE_KEY": KEY})
    try:
        yield process
    finally:
        process.end(signal.SIGKILL)


def test_a_database_that_is_away_fires_until_it_is_back(postgres: str, system: System) -> None:
    with cut_off(postgres, urlsplit(system.database).path[1:]):
        wait_until(lambda: system.fires("GridcallNeighbourUnavailable", "database", "page"))
    wait_until(system.is_quiet)


def test_an_intake_that_was_killed_is_missing_and_time_stops_behind_it(system: System) -> None:
    system.intake.end(signal.SIGKILL)
    wait_until(lambda: system.fires("GridcallServiceMissing", "intake", "page"))
    for log in ("cases", "calls", "evaluations"):
        wait_until(partial(system.fires, "GridcallTimeBehind", DISTRICT, log, "page"))

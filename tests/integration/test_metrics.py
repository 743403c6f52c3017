"""The metrics of a running system, of its neighbours' outages, and promtool's opinion of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from httpedge.telemetry import METRICS
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.metrics import lint, names_in, read_metrics, value_of
from tests.harness.postgres import cut_off, execute
from tests.harness.waiting import wait_until

KEY = "the-services-own-key"
DISTRICT = "exampleville"


class System(NamedTuple):
    """A process with all services, and a key of its lines."""

    process: Process
    key: str

    def metrics(self) -> str:
        return read_metrics(self.process.url, KEY)

    def value(self, name: str, **labels: str) -> float | None:
        return value_of(self.metrics(), name, **labels)

    def has(self, expected: float, name: str, **labels: str) -> bool:
        return self.value(name, **labels) == expected

    def has_batches(self, log: str, work: str) -> bool:
        return bool(self.value("gridcall_batch_seconds_count", log=log, work=work))


@pytest.fixture(scope="module")
def system(postgres: str) -> Iterator[System]:
    asyncio.run(execute(postgres, "CREATE DATABASE measured TEMPLATE empty"))
    database = postgres.replace("/postgres?", "/measured?")
    try:
        key = adopt_exampleville(database)
        process = Process(database, variables={"GRIDCALL_SERVICE_KEY": KEY})
        try:
            yield System(process, key)
        finally:
            process.end(signal.SIGKILL)
    finally:
        asyncio.run(execute(postgres, "DROP DATABASE measured WITH (FORCE)"))


def test_inputs_are_counted_by_line_and_by_what_became_of_them(system: System) -> None:
    with client(system.process.url, system.key) as api:
        path, other = "/issues/petition", "Street light"
        assert api.post(path, json=issue("M-1")).status_code == 202
        assert api.post(path, json=issue("M-1")).status_code == 200
        assert api.post(path, json=issue("M-1", category=other)).status_code == 409
        assert api.post(path, json={"reference": "M-2"}).status_code == 422
        many = [issue("M-1"), issue("M-3"), {"reference": ""}]
        assert api.post(path, json=many).status_code == 207
    metrics = system.metrics()
    counted = {
        outcome: value_of(metrics, "gridcall_inputs_total", line="petition", outcome=outcome)
        for outcome in ("accepted", "repeated", "conflicting", "refused")
    }
    assert counted == {"accepted": 2, "repeated": 2, "conflicting": 1, "refused": 2}


def test_a_missed_deadline_is_counted_and_its_call_is_open(system: System) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    with client(system.process.url, system.key) as api:
        answer = api.post("/issues/hotline", json=issue("M-4", due=soon))
    assert answer.status_code == 202, answer.text
    events = partial(system.has, 1, "gridcall_events_total", log="calls")
    wait_until(partial(events, type="DeadlineMissed"))
    wait_until(partial(events, type="CallRaised"))
    calls = partial(system.value, "gridcall_open_calls", district=DISTRICT)
    wait_until(lambda: calls(level="street") == 1)
    assert calls(level="district") == 0


def test_the_time_of_each_kind_of_batch_is_measured(system: System) -> None:
    with client(system.process.url, system.key) as api:
        assert api.post("/issues/grid", json=issue("M-5")).status_code == 202
    for log, work in (
        ("intake", "commit"), ("cases", "decide"), ("cases", "commit"), ("calls", "decide"),
        ("calls", "commit"), ("evaluations", "merge"), ("screen", "fold"),
    ):  # fmt: skip
        wait_until(partial(system.has_batches, log, work))


def test_each_shard_is_taken_over_once_and_nothing_waits_in_a_queue(system: System) -> None:
    for log in ("cases", "calls", "evaluations"):
        wait_until(
            partial(system.has, 1, "gridcall_owner_changes_total", log=log, district=DISTRICT)
        )
    queue = {"queue": "inputs", "log": "intake", "district": DISTRICT}
    assert system.has(0, "gridcall_queue_items", **queue)


def test_all_that_is_declared_is_served_and_promtool_finds_nothing_wrong(system: System) -> None:
    metrics = system.metrics()
    served = {name for name in names_in(metrics) if not name.startswith("process_")}
    assert served == {metric.name.removesuffix("_total") for metric in METRICS}
    assert lint(metrics) == ""


def test_promtool_finds_what_is_wrong() -> None:
    assert "abbreviated units" in lint("# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n")


def test_metrics_tell_of_a_database_that_is_away(postgres: str, system: System) -> None:
    available = partial(system.value, "gridcall_neighbour_available", neighbour="database")
    assert available() == 1
    with cut_off(postgres, urlsplit(system.process.database).path[1:]):
        wait_until(lambda: available() == 0)
        assert system.value("gridcall_shard_owned", log="cases", district=DISTRICT) is None
    wait_until(lambda: available() == 1)
    wait_until(partial(system.has, 1, "gridcall_shard_owned", log="cases", district=DISTRICT))
    assert (system.value("gridcall_database_connections", state="idle") or 0) > 0

"""Each service in a process and on a database of its own, over a real broker, with kills."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.pool import open_database
from events.topology import WRITER
from gridcall.verify import verify
from httpedge.telemetry import METRICS
from tests.harness.commands import environment, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import adopt_exampleville, client
from tests.harness.metrics import lint, names_in, value_of
from tests.harness.separate_services import SERVICES, SeparateServices, separate_services
from tests.harness.waiting import wait_until


def post(api: httpx.Client, numbers: Iterator[int]) -> None:
    """Post twenty issues, which are accepted while any other service is down."""
    for _ in range(20):
        assert api.post("/issues/hotline", json=issue(f"r{next(numbers)}")).status_code == 202


async def positions_of(url: str, log: str) -> tuple[int, int]:
    """Return the last position that a service has read, and its last own one."""
    async with open_database(url, size=1) as database:
        log_table = PostgresLog(log, WRITER[log], database, Notifier())
        return (await log_table.progress("exampleville")).input, (
            await log_table.watermark("exampleville")
        ).position


@pytest.mark.parametrize("service", SERVICES)
def test_a_program_without_its_settings_names_the_first_thing_to_do(service: str) -> None:
    unset = {"GRIDCALL_KAFKA": "", "GRIDCALL_SERVICE_KEY": ""}
    done = subprocess.run(
        [sys.executable, "-m", service],
        env={**environment(), **unset},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["service"], line["level"]) == (service, "critical")
    assert line["message"].startswith("GRIDCALL_KAFKA is not set: it is the broker's")
    assert "exception" not in line, "a sentence, and no traceback"


def kafka_of(system: SeparateServices) -> set[float | None]:
    """Return what services say of Kafka: 1 while it is available, and 0 in an outage.

    The screen only reads: it asks the writers, and meets no outage.
    """
    return {
        value_of(
            system.get(service, "/metrics").text, "gridcall_neighbour_available", neighbour="kafka"
        )
        for service in SERVICES[:-1]
    }


def assert_that_all_serve_the_same_metrics(system: SeparateServices) -> None:
    """Assert that each service serves all that is declared, and what only it can measure."""
    served = {service: system.get(service, "/metrics").text for service in SERVICES}
    for metrics in served.values():
        assert {metric.name.removesuffix("_total") for metric in METRICS} <= names_in(metrics)
        assert lint(metrics) == ""
    assert kafka_of(system) == {1}
    batches = partial(value_of, name="gridcall_batch_seconds_count")
    assert batches(served["intake"], log="intake", work="publish")
    assert batches(served["routing"], log="cases", work="publish")
    assert batches(served["screen"], log="screen", work="fold")
    queue = {"queue": "received", "log": "intake", "district": "exampleville"}
    assert value_of(served["routing"], "gridcall_queue_items", **queue) == 0
    intake = partial(value_of, name="gridcall_neighbour_available", neighbour="intake")
    assert intake(served["routing"]) == 1
    assert intake(served["intake"]) is None, "it is no neighbour of its own"


@pytest.mark.usefixtures("broker")
def test_separate_services_are_the_same_function(postgres: str, tmp_path: Path) -> None:
    with separate_services(postgres, tmp_path) as system:
        key = adopt_exampleville(system.urls["intake"])
        system.start(*SERVICES)
        with client(f"http://127.0.0.1:{system.ports['intake']}", key) as api:
            assert_that_services_ask_each_other(system, api)
            assert_that_all_serve_the_same_metrics(system)
            kill_one_after_the_other(system, api)
            repeated = api.post("/issues/hotline", json=issue("r1"))
            assert repeated.status_code == 200
        assert_that_all_was_decided(system)
        assert_that_the_screen_finds(system, repeated.json()["tracking"], "r1")
        assert_that_logs_need_the_key(system)
        end_all(system)
        system.lose_inputs(5)
        process = system.spawn("intake", home=tmp_path / "new pod")
        assert process.wait(timeout=60) == 3, "Kafka knows how far it was"
        assert "was announced: the database was restored" in system.log_tails()
        assert "Traceback" not in system.log_tails(), json.dumps(system.log_tails())


def assert_that_services_ask_each_other(system: SeparateServices, api: httpx.Client) -> None:
    """Assert that an issue gets what other services know, and that doctor finds all of them."""
    answer = api.post("/issues/hotline", json=issue("r0"), headers={"Prefer": "wait=20"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"], "its writer is asked for the outcome"
    wait_until(lambda: system.run("doctor").returncode == 0)  # The screen is up, too.
    tracked = api.get(answer.headers["location"], headers={"Prefer": "wait=10"}).json()
    assert tracked["case"]["stage"] == "assigned", "the screen is asked for the stage"
    assert {line.split()[0] for line in system.run("doctor").stdout.splitlines()} == {
        "database", "clock", "districts", *SERVICES,
    }  # fmt: skip


def kill_one_after_the_other(system: SeparateServices, api: httpx.Client) -> None:
    """Kill each service and the broker, post meanwhile, and wait until nothing is left to do."""
    numbers = iter(range(1, 1000))
    for hurt in ("routing", "escalation", "assessment", "screen", "broker", "intake"):
        post(api, numbers)
        if hurt == "broker":
            system.broker.do("kill")
            wait_until(lambda: kafka_of(system) == {0})
        else:
            system.kill(hurt)
        if hurt == "routing":
            assert_that_doctor_misses_routing(system)
        if hurt != "intake":
            post(api, numbers)
        if hurt == "broker":
            system.broker.do("start")
        else:
            system.start(hurt)
    wait_until(lambda: system.lag() == 0)
    wait_until(lambda: kafka_of(system) == {1})


def assert_that_all_was_decided(system: SeparateServices) -> None:
    """Assert that each log is read to its end, and equals what `verify` folds again."""
    (_, reported), (input_position, decided), (followed, _) = (
        asyncio.run(positions_of(system.urls[service], log))
        for service, log in (("intake", "intake"), ("routing", "cases"), ("escalation", "calls"))
    )
    assert (input_position, followed) == (reported, decided)
    others = {service: system.urls[service] for service in SERVICES[1:]}
    (result,) = asyncio.run(verify(system.urls["intake"], service_databases=others))
    assert result.difference is None
    assert result.inputs > 180
    assert result.facts > 150
    assert result.cases > 150, "the screen's read model is in a database of its own"
    words = ("sheet", "w:0102", "--service-database", f"assessment={system.urls['assessment']}")
    wait_until(lambda: "\nreported " in run_on_database(system.urls["intake"], *words).stdout)


def assert_that_the_screen_finds(system: SeparateServices, tracking: str, reference: str) -> None:
    """Assert that the page is up, and that its search asks intake whose tracking code it is."""
    address = f"http://127.0.0.1:{system.ports['screen']}"
    with httpx.Client(base_url=address, auth=("any", system.key), trust_env=False) as browser:
        page = browser.get("/", follow_redirects=True)
        assert page.status_code == 200, page.text
        search = browser.get("/screen/exampleville/search", params={"q": tracking})
    assert [each["reference"] for each in search.json()["cases"]] == [reference]


def assert_that_logs_need_the_key(system: SeparateServices) -> None:
    """Assert that a log is opened by the services' shared key alone."""
    assert system.get("routing", "/log/exampleville").status_code == 200
    address = f"http://127.0.0.1:{system.ports['routing']}/log/exampleville"
    assert httpx.get(address, trust_env=False).status_code == 401


def end_all(system: SeparateServices) -> None:
    """End all services, which end as they should."""
    for service, process in system.processes.items():
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM), service


def assert_that_doctor_misses_routing(system: SeparateServices) -> None:
    """Assert that doctor and status find a service that was killed, and the others work."""
    examined = system.run("doctor", "--json")
    assert examined.returncode == 3
    results = {each["check"]: each for each in json.loads(examined.stdout)}
    assert "does not answer" in results["routing"]["text"]
    assert results["routing"]["command"].startswith("start it: gridcall routing")
    assert results["intake"]["result"] == "ok"
    status = json.loads(system.run("status", "--json").stdout)
    assert {shard["log"] for shard in status["shards"]} == {"intake", "calls", "evaluations"}
    assert "routing" in {finding["check"] for finding in status["findings"]}

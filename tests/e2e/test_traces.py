"""One issue's trace, whole: from the POST through all stages to the read model, as OTLP has it."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.harness.commands import environment, run_on_database
from tests.harness.exampleville import issue
from tests.harness.live import Process, adopt_exampleville, client
from tests.harness.otlp import Collector, ReceivedSpan, running_collector
from tests.harness.postgres import fetch_rows
from tests.harness.separate_services import SERVICES, separate_services
from tests.harness.waiting import wait_until

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}  # Spans are sent after so many ms.
POST = "POST /issues/{line}"
# Each span of one issue, and its parent, on one database.
ONE_DATABASE = {
    "commit intake": POST,
    "decide cases": POST,
    "decide calls": "decide cases",
    "decide evaluations": "decide cases",
    "fold screen": None,  # It reads all logs, and its parent is of the first row that it reads.
}
OVER_KAFKA = {
    **ONE_DATABASE,
    "publish intake": POST,
    "publish cases": "decide cases",
    "publish calls": "decide calls",
}
WRITTEN = """
SELECT 'intake' AS log, pos, trace FROM intake.log UNION ALL
SELECT 'cases', pos, trace FROM routing.log UNION ALL
SELECT 'calls', pos, trace FROM escalation.log
"""


def post(api: httpx.Client, reference: str, trace: str, flags: str = "01") -> None:
    """Post an issue as an upstream system does that traces its own work."""
    headers = {"traceparent": f"00-{trace}-{'5' * 16}-{flags}"}
    answer = api.post("/issues/hotline", json=issue(reference), headers=headers)
    assert answer.status_code == 202, answer.text


def assert_is_whole(spans: dict[str, ReceivedSpan], parents: dict[str, str | None]) -> None:
    """Assert that a trace has each span, that each hangs on the right one, and in time."""
    assert spans[POST].parent == "5" * 16, "the sender's own span"
    assert spans[POST].attributes == {
        "http.request.method": "POST",
        "http.route": "/issues/{line}",
        "http.response.status_code": 202,
    }
    ids = {span.id: span for span in spans.values()}
    for name, parent in parents.items():
        span = spans[name]
        assert span.parent in ids, f"{name} hangs on nothing"
        assert (span.trace, span.parent) in span.links
        assert span.start >= ids[span.parent].start
        assert span.end >= span.start
        if parent:
            assert span.parent == spans[parent].id, name


def has_whole(collector: Collector, trace: str, parents: dict[str, str | None]) -> bool:
    return {POST, *parents} <= collector.of_trace(trace).keys()


def test_one_issue_is_one_trace_on_one_database(database: str) -> None:
    key, trace = adopt_exampleville(database), secrets.token_hex(16)
    with running_collector() as collector:
        process = Process(database, variables={**collector.variables, **SOON})
        with client(process.url, key) as api:
            post(api, "T-1", trace)
            post(api, "T-2", secrets.token_hex(16), flags="00")
            wait_until(lambda: has_whole(collector, trace, ONE_DATABASE))
        assert process.end() == 0
    spans = collector.of_trace(trace)
    assert_is_whole(spans, ONE_DATABASE)
    assert collector.paths == {"/v1/traces"}
    assert {span.service for span in collector.spans} == {"gridcall"}
    assert {span.trace for span in collector.spans} == {trace}, "only what is sampled"
    rows = fetch_rows(database, WRITTEN)
    sampled = {(row["log"], row["pos"]) for row in rows if row["trace"]}
    assert {log for log, _ in sampled} == {"intake", "cases", "calls"}
    assert {row["trace"][3:35] for row in rows if row["trace"]} == {trace}
    assert any(not row["trace"] for row in rows if row["log"] == "cases")
    done = run_on_database(database, "verify")
    assert done.returncode in (0, 4), done.stdout + done.stderr


def test_without_an_exporter_the_sdk_is_not_imported() -> None:
    """Check the imports of all services. FastAPI itself imports the API of OpenTelemetry."""
    look = (
        "import sys, gridcall.host.app, eventlog.program, intake.app, screen.app;"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"


def test_a_collector_that_is_away_refuses_no_issue(database: str) -> None:
    key = adopt_exampleville(database)
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    process = Process(database, variables=away)
    with client(process.url, key) as api:
        answer = api.post("/issues/hotline", json=issue("T-1"), headers={"Prefer": "wait=10"})
        assert answer.status_code == 200, answer.text
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("broker")
def test_one_issue_is_one_trace_over_kafka(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = secrets.token_hex(16)
    with running_collector() as collector:
        for name, value in {**collector.variables, **SOON}.items():
            monkeypatch.setenv(name, value)
        with separate_services(postgres, tmp_path) as system:
            key = adopt_exampleville(system.urls["intake"])
            system.start(*SERVICES)
            with client(f"http://127.0.0.1:{system.ports['intake']}", key) as api:
                post(api, "T-1", trace)
                wait_until(lambda: has_whole(collector, trace, OVER_KAFKA))
    spans = collector.of_trace(trace)
    assert_is_whole(spans, OVER_KAFKA)
    services = {name: span.service for name, span in spans.items()}
    assert services == {
        POST: "gridcall-intake",
        "commit intake": "gridcall-intake",
        "publish intake": "gridcall-intake",
        "decide cases": "gridcall-routing",
        "publish cases": "gridcall-routing",
        "decide calls": "gridcall-escalation",
        "publish calls": "gridcall-escalation",
        "decide evaluations": "gridcall-assessment",
        "fold screen": "gridcall-screen",
    }

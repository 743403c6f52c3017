"""The metrics: names, units and labels as Prometheus wants them, and what is counted."""

from __future__ import annotations

import re

import pytest

from events.errors import DATABASE, Unavailable
from events.topology import LOGS
from httpedge.problems import Problem
from httpedge.responses import problem_response
from httpedge.telemetry import (
    ASKED_GAUGES,
    BATCH_SECONDS,
    LABELS,
    METRICS,
    REGISTRY,
    Metric,
    batch_time,
    count_events,
    exposition,
)
from intake.acceptor import Accepted
from intake.ingest_endpoint import Results
from intake.results import count_accepted, count_refused
from tests.harness.metrics import names_in
from tests.harness.paths import ROOT

BUSY = Problem(503, "busy", "Busy", "Send it again.")
SUFFIXES = {"seconds": "_seconds", "ratio": "_ratio"}  # Of units that a value is measured in.
MODULES = [path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py")]
DECLARATIONS = ROOT / "libs" / "httpedge" / "telemetry.py"


def count_of(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric.name))
def test_a_metric_has_a_plain_name_a_unit_and_a_sentence(metric: Metric) -> None:
    assert re.fullmatch("gridcall(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.unit
    assert metric.name.endswith(SUFFIXES.get(metric.unit, ""))
    assert metric.meaning.endswith(".")


def test_each_label_says_which_few_values_it_has() -> None:
    assert {label for metric in METRICS for label in metric.labels} == set(LABELS)
    named = set(re.findall("`([a-z]+)`", LABELS["log"]))
    assert named == {*LOGS, "screen"}


def test_exactly_the_declared_metrics_are_served_beside_those_of_the_process() -> None:
    body, media = exposition()
    served = {name for name in names_in(body.decode()) if not name.startswith("process_")}
    assert served == {metric.name.removesuffix("_total") for metric in METRICS}
    assert media.startswith("text/plain; version=")
    assert b"process_resident_memory_bytes" in body


def test_each_declared_metric_is_measured_somewhere() -> None:
    """Check that no declaration is an empty promise: a module beside the declarations names it."""
    source = "".join(each.read_text() for each in MODULES if each != DECLARATIONS)
    declaration = r"^([A-Z_]+) = (?:counter|(?:asked_)?gauge|histogram)\("
    names = re.findall(declaration, DECLARATIONS.read_text(), re.MULTILINE)
    assert len(names) == len(METRICS)
    helpers = {"EVENTS": "count_events", "BATCH_SECONDS": "batch_time", "INPUTS": "inputs_of"}
    missing = [name for name in names if not re.search(rf"\b{helpers.get(name, name)}\b", source)]
    assert missing == []


def test_a_gauge_that_is_set_on_request_is_no_counter() -> None:
    assert {each._type for each in ASKED_GAUGES} == {"gauge"}


def test_a_refused_request_is_counted_by_its_kind() -> None:
    name, labels = "gridcall_requests_refused_total", {"reason": "busy", "status": "503"}
    before = count_of(name, **labels)
    problem_response(BUSY, "/issues/grid")
    assert count_of(name, **labels) == before + 1


def test_a_refused_item_of_a_request_is_counted_by_its_kind() -> None:
    before = count_of("gridcall_items_refused_total", reason="busy")
    results = Results(2, "/issues/grid")
    results.refuse(0, BUSY)
    results.refuse(1, BUSY)
    assert count_of("gridcall_items_refused_total", reason="busy") == before + 2


@pytest.mark.parametrize(
    ("fresh", "same", "outcome"),
    [(True, True, "accepted"), (False, True, "repeated"), (False, False, "conflicting")],
)
def test_an_input_is_counted_by_its_line_and_what_became_of_it(
    fresh: bool, same: bool, outcome: str
) -> None:
    before = count_of("gridcall_inputs_total", line="petition", outcome=outcome)
    count_accepted("petition", [Accepted("id", 1, 0, "code", fresh, same)] * 3)
    assert count_of("gridcall_inputs_total", line="petition", outcome=outcome) == before + 3


def test_an_input_that_cannot_be_read_is_counted_as_refused() -> None:
    before = count_of("gridcall_inputs_total", line="petition", outcome="refused")
    count_refused("petition")
    assert count_of("gridcall_inputs_total", line="petition", outcome="refused") == before + 1


def test_committed_events_are_counted_by_their_kind() -> None:
    before = count_of("gridcall_events_total", log="calls", type="Problem")
    count_events("calls", [BUSY, BUSY])
    assert count_of("gridcall_events_total", log="calls", type="Problem") == before + 2


def test_a_batch_that_failed_has_no_time() -> None:
    labels = {"log": "calls", "work": "commit"}
    before = count_of("gridcall_batch_seconds_count", **labels)
    with batch_time(**labels):
        pass
    with pytest.raises(Unavailable), batch_time(**labels):
        raise Unavailable
    assert count_of("gridcall_batch_seconds_count", **labels) == before + 1
    assert BATCH_SECONDS._type == "histogram"


def test_an_outage_names_the_database_as_metrics_do() -> None:
    assert Unavailable().about == DATABASE

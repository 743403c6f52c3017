"""The metrics: names, units and labels as Prometheus wants them, and what is counted."""

from __future__ import annotations

import re

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from httpedge.metrics import REGISTRY, metrics_response
from httpedge.problems import Problem
from httpedge.responses import problem_response
from intake.ingest_endpoint import Results

BOUNDED_LABELS = {"kind", "reason", "status", "log", "district", "line", "level", "outcome"}
FAMILIES = list(REGISTRY.collect())
OWN = [family for family in FAMILIES if family.name.startswith("gridcall_")]
BUSY = Problem(503, "busy", "Busy", "Send it again.")


def count_of(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.parametrize("family", OWN, ids=lambda family: str(family.name))
def test_a_metric_has_a_plain_name_and_a_sentence(family: Metric) -> None:
    assert re.fullmatch("[a-z]+(_[a-z]+)*", family.name)
    assert not family.name.endswith(("_ms", "_us", "_minutes", "_mib"))
    assert family.documentation.endswith(".")


def test_labels_are_words_with_few_values() -> None:
    labels = {label for gauge in REGISTRY._collector_to_names for label in labels_of(gauge)}
    assert labels <= BOUNDED_LABELS


def labels_of(collector: object) -> tuple[str, ...]:
    """Return the labels that a metric is declared with."""
    return tuple(getattr(collector, "_labelnames", ()))


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


def test_the_text_is_read_by_the_clients_of_prometheus() -> None:
    problem_response(BUSY, "/issues/grid")
    response = metrics_response()
    families = {
        each.name: each for each in text_string_to_metric_families(bytes(response.body).decode())
    }
    assert families["gridcall_requests_refused"].type == "counter"
    assert "process_resident_memory_bytes" in families
    assert response.media_type is not None
    assert response.media_type.startswith("text/plain; version=")

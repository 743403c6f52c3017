"""Contexts of traces, and the spans of batches: what is a parent, what is a link, what goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from eventlog.core.row import Row
from eventlog.kafka.publisher import headers_of
from eventlog.otlp import LoggedExporter
from eventlog.tracing import (
    ENDPOINTS,
    BatchSpan,
    Contexts,
    Tracing,
    are_traces_on,
    begin_batch,
    open_tracing,
)
from tests.harness.tracers import MINE, OTHER, RecordingTracer


@pytest.fixture
def tracer() -> RecordingTracer:
    return RecordingTracer()


@pytest.fixture
def tracing(tracer: RecordingTracer) -> Tracing:
    return Tracing(tracer)


def input_at(position: int) -> Row:
    return Row("intake", "north", position, 0, 0, 1, "issue", 1, "", None)


def case_of(position: int) -> Row:
    """Return the row of `cases` that follows from an input."""
    return Row("cases", "north", position, 0, position, 1, "case", 1, f"intake/north/{position}", 0)


def begin(tracing: Tracing, *positions: int) -> BatchSpan | None:
    return begin_batch(tracing, "decide", "cases", [input_at(each) for each in positions], "north")


def test_a_request_is_named_by_its_method_and_the_template_of_its_path(
    tracing: Tracing, tracer: RecordingTracer
) -> None:
    tracing.begin_request("POST", "/issues/{line}", MINE)
    (span,) = tracer.spans
    assert (span.name, span.parent) == ("POST /issues/{line}", MINE)
    assert span.attributes == {"http.request.method": "POST", "http.route": "/issues/{line}"}


def test_a_batch_without_a_sampled_input_has_no_span(
    tracing: Tracing, tracer: RecordingTracer
) -> None:
    assert begin(tracing, 1, 2) is None
    assert tracer.spans == []


def test_a_batch_has_one_span_whose_parent_is_the_first_sampled_input(
    tracing: Tracing, tracer: RecordingTracer
) -> None:
    tracing.contexts.add("intake/north/2", MINE)
    tracing.contexts.add("intake/north/3", OTHER)
    assert begin(tracing, 1, 2, 3)
    (span,) = tracer.spans
    assert (span.name, span.parent, span.links) == ("decide cases", MINE, [MINE, OTHER])


def test_inputs_of_one_request_are_one_link(tracing: Tracing, tracer: RecordingTracer) -> None:
    for position in (1, 2, 3):
        tracing.contexts.add(f"intake/north/{position}", MINE)
    begin(tracing, 1, 2, 3)
    assert tracer.spans[0].links == [MINE]


def test_a_row_stays_in_the_trace_of_its_input(tracing: Tracing, tracer: RecordingTracer) -> None:
    tracing.contexts.add("intake/north/1", MINE)
    tracing.contexts.add("intake/north/2", OTHER)
    span = begin(tracing, 1, 2, 3)
    assert span is not None
    span.follow([case_of(1), case_of(2), case_of(3)])
    assert tracing.contexts.get("cases/north/1") == tracer.spans[0].context
    assert tracing.contexts.get("cases/north/2") == OTHER, "the span is in another trace"
    assert tracing.contexts.get("cases/north/3") == "", "its input is not sampled"


def test_what_follows_from_a_timer_is_in_no_trace(tracing: Tracing) -> None:
    tracing.contexts.add("intake/north/1", MINE)
    span = begin(tracing, 1)
    assert span is not None
    span.follow([case_of(1)._replace(cause="clock/answer/1")])
    assert tracing.contexts.get("cases/north/1") == ""


def test_a_span_of_a_batch_that_failed_has_its_fault(
    tracing: Tracing, tracer: RecordingTracer
) -> None:
    tracing.contexts.add("intake/north/1", MINE)
    span = begin(tracing, 1)
    assert span is not None
    with pytest.raises(OSError, match="away"), span:
        raise OSError("away")
    (fault,) = tracer.spans[0].ended
    assert isinstance(fault, OSError)


def test_the_oldest_contexts_are_forgotten() -> None:
    contexts = Contexts(limit=2)
    for position in (1, 2, 3):
        contexts.add(f"intake/north/{position}", MINE)
    assert contexts.of_rows([input_at(1), input_at(2), input_at(3)]) == {
        "intake/north/2": MINE,
        "intake/north/3": MINE,
    }


@pytest.mark.parametrize("text", ["", "00-1-2-01", f"{MINE}\n", MINE.upper(), f"{MINE}-more"])
def test_a_context_of_another_form_is_ignored(text: str) -> None:
    contexts = Contexts()
    contexts.add("intake/north/1", text)
    assert contexts.get("intake/north/1") == ""


def test_only_the_record_of_a_sampled_row_has_a_header_more() -> None:
    common = [("generation", b"1")]
    assert headers_of(common, None) is common
    assert headers_of(common, MINE) == [*common, ("traceparent", MINE.encode())]


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, False),
        ({"OTEL_SERVICE_NAME": "gridcall"}, False),
    ],
)
def test_traces_are_on_if_a_standard_variable_names_an_exporter(
    variables: dict[str, str], is_on: bool
) -> None:
    assert are_traces_on(variables) == is_on


async def test_without_an_exporter_there_is_nothing_to_trace_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*ENDPOINTS, "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    async with open_tracing("gridcall") as tracing:
        assert tracing is None
    assert begin_batch(tracing, "decide", "cases", [input_at(1)], "north") is None


class Results(SpanExporter):
    """An exporter with results that are given."""

    def __init__(self, *results: SpanExportResult) -> None:
        self._results = iter(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return next(self._results)


def test_a_collector_that_is_away_is_two_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "gridcall")
    success, failure = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    results = (success, failure, failure, failure, success, success)
    exporter = LoggedExporter(Results(*results), "intake")
    for _ in results:
        exporter.export(())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "takes no spans" in caplog.text

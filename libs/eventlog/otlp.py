"""The SDK of OpenTelemetry: spans, the sampler, and OTLP over HTTP. Only here is it imported.

All of it is described by the standard variables `OTEL_…`. Its threads send spans behind the work,
and drop them if the collector is away.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from eventlog.log_once import LogOnce
from eventlog.tracing import TRACEPARENT, Kind, NewSpan, Span

KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
PROPAGATOR = TraceContextTextMapPropagator()
NO_PARENT = Context()
SERVICE_NAME = "service.name"

log = logging.getLogger("gridcall")


class OtlpTracer:
    """The spans of a process. `service` names it unless OTEL_SERVICE_NAME does."""

    def __init__(self, service: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # It logs every single try.
        self._provider = TracerProvider(resource=resource_of(service), shutdown_on_exit=False)
        exporter = LoggedExporter(OTLPSpanExporter(), service)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gridcall", version("gridcall"))

    def start(self, new: NewSpan) -> Span:
        """Start a span. Without a parent the sampler decides whether it is recorded."""
        span = self._tracer.start_span(
            new.name,
            context=new_context(new.parent),
            kind=KINDS[new.kind],
            links=[link_to(each) for each in new.links],
            attributes=dict(new.attributes),
        )
        return OtlpSpan(span)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class OtlpSpan:
    """A span of the SDK. One that is not sampled does nothing."""

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        known = span.get_span_context()
        self.context = (
            f"00-{known.trace_id:032x}-{known.span_id:016x}-01" if span.is_recording() else ""
        )

    def annotate(self, name: str, value: str | int) -> None:
        """Add an attribute."""
        self._span.set_attribute(name, value)

    def end(self, fault: BaseException | None = None) -> None:
        """End it, with the kind of the fault that ended its work, if there was one."""
        if fault is not None:
            self._span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
        self._span.end()


class LoggedExporter(SpanExporter):
    """Sends spans to the collector. An outage of it is two lines in the log."""

    def __init__(self, exporter: SpanExporter, service: str) -> None:
        self._exporter = exporter
        self._log = LogOnce(log, service=service)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, or drop them."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._log.clear()
        else:
            self._log.warning("the collector of traces takes no spans: they are dropped")
        return result

    def shutdown(self) -> None:
        """End the connections."""
        self._exporter.shutdown()


def new_context(traceparent: str) -> Context:
    """Return the context of a parent; an empty one if it is empty or malformed."""
    if not traceparent:
        return NO_PARENT
    return PROPAGATOR.extract({TRACEPARENT: traceparent}, context=NO_PARENT)


def link_to(traceparent: str) -> Link:
    """Return the link to a span of ours. Reading it as one of a stranger takes twice as long."""
    _, trace, span, flags = traceparent.split("-")
    flag = TraceFlags(int(flags, 16))
    return Link(SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=flag))


def resource_of(service: str) -> Resource:
    """Return what describes this process. The standard variables come first."""
    named = os.environ.get("OTEL_SERVICE_NAME") or (
        f"{SERVICE_NAME}=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    )
    return Resource.create({} if named else {SERVICE_NAME: service})

"""Traces: the contexts of sampled inputs beside their rows, and a span for each batch that has any.

A context is a W3C traceparent. It is found by the name of its row and is in no row, so that the
same inputs give the same bytes. Decision 27 says what is carried where. While traces are off there
is no `Tracing`, and nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

from eventlog.core.row import Row

TRACEPARENT = "traceparent"  # The header of HTTP and of Kafka.
FORM = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
CONTEXTS_MAX = 20_000  # In memory. An older one is read again with its row, or is lost.
LINKS_MAX = 128  # The default limit of OpenTelemetry.
CLOSE_SECONDS = 3.0  # A collector that is away must not hold up the end of a process.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

Kind = Literal["server", "internal", "producer", "consumer"]
KIND_OF_WORK: Mapping[str, Kind] = {"publish": "producer", "decide": "consumer"}


class NewSpan(NamedTuple):
    """A span to start. `parent` and `links` are contexts; an empty parent is none."""

    name: str
    kind: Kind
    parent: str
    attributes: Mapping[str, str | int]
    links: Sequence[str] = ()


class Span(Protocol):
    """A span that was started."""

    @property
    def context(self) -> str:
        """Its context; empty if it is not sampled."""

    def annotate(self, name: str, value: str | int) -> None:
        """Add an attribute."""

    def end(self, fault: BaseException | None = None) -> None:
        """End it, with the fault that ended its work, if there was one."""


class Tracer(Protocol):
    """The spans of a process, and the way to the collector."""

    def start(self, new: NewSpan) -> Span:
        """Start a span. Without a parent the sampler decides whether it is recorded."""

    def close(self) -> None:
        """Send what waits. This may take long if the collector is away."""


class Contexts:
    """The contexts of rows by their names: of sampled inputs alone. The oldest are forgotten."""

    def __init__(self, limit: int = CONTEXTS_MAX) -> None:
        self._limit = limit
        self._known: OrderedDict[str, str] = OrderedDict()

    def add(self, name: str, context: str) -> None:
        """Add the context of a row. One of another form is ignored: records are untrusted."""
        if not FORM.fullmatch(context):
            return
        self._known[name] = context
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def get(self, name: str) -> str:
        """Return the context of a row; empty without one."""
        return self._known.get(name, "")

    def of_rows(self, rows: Iterable[Row]) -> dict[str, str]:
        """Return the contexts of those rows that have one, by name."""
        known = self._known
        return {name: known[name] for row in rows if (name := row.id) in known} if known else {}


class BatchSpan(AbstractContextManager[None]):
    """The span of a batch: its parent is the first sampled input, and it links to all of them."""

    def __init__(self, span: Span, inputs: Mapping[str, str], contexts: Contexts) -> None:
        self._span = span
        self._inputs = inputs
        self._contexts = contexts

    def follow(self, rows: Iterable[Row]) -> None:
        """Give the rows that follow from sampled inputs their contexts.

        A row stays in the trace of its input. This span is its parent if it is in that trace.
        """
        for row in rows:
            if context := self._inputs.get(row.cause):
                own = self._span.context
                is_same = own and trace_of(own) == trace_of(context)
                self._contexts.add(row.id, own if is_same else context)

    def end(self, fault: BaseException | None = None) -> None:
        """End the span."""
        self._span.end(fault)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(fault)


class Tracing:
    """The traces of a process. `contexts` are of the rows that it has read or written."""

    def __init__(self, tracer: Tracer) -> None:
        self.contexts = Contexts()
        self._tracer = tracer

    def begin_request(self, method: str, route: str, parent: str) -> Span:
        """Begin the span of a request, in the trace that its sender names, if any.

        `route` is the template of its path, so that all of one kind have one name.
        """
        attributes = {"http.request.method": method, "http.route": route}
        return self._tracer.start(
            NewSpan(f"{method} {route}", kind="server", parent=parent, attributes=attributes)
        )

    def begin_batch(
        self, work: str, log: str, inputs: Mapping[str, str], count: int, district: str = ""
    ) -> BatchSpan | None:
        """Begin the span of a batch of `count` rows; None unless it has a sampled input.

        `inputs` has their contexts by name.
        """
        if not inputs:
            return None
        parent, *_ = links = list(dict.fromkeys(inputs.values()))
        attributes: dict[str, str | int] = {"gridcall.log": log, "gridcall.rows": count}
        if district:
            attributes["gridcall.district"] = district
        new = NewSpan(
            name=f"{work} {log}",
            kind=KIND_OF_WORK.get(work, "internal"),
            parent=parent,
            links=links[:LINKS_MAX],
            attributes=attributes,
        )
        return BatchSpan(self._tracer.start(new), inputs, self.contexts)


def begin_batch(
    tracing: Tracing | None, work: str, log: str, rows: Sequence[Row], district: str
) -> BatchSpan | None:
    """Begin the span of a batch of rows, if traces are on and one of its inputs is sampled."""
    if tracing is None:
        return None
    return tracing.begin_batch(work, log, tracing.contexts.of_rows(rows), len(rows), district)


def span_block(span: BatchSpan | None) -> AbstractContextManager[None]:
    """Return a block that ends the span of a batch, if there is one."""
    return span or nullcontext()


def trace_of(context: str) -> str:
    """Return the id of the trace of a context."""
    return context.split("-")[1]


def are_traces_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell if the variables of OpenTelemetry name an exporter."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    return exporter == "otlp" or any(environment.get(name) for name in ENDPOINTS)


@asynccontextmanager
async def open_tracing(service: str) -> AsyncIterator[Tracing | None]:
    """Trace for the length of the block, if traces are on. Then send what waits."""
    if not are_traces_on():
        yield None
        return
    from eventlog.otlp import OtlpTracer  # Its imports take half a second.

    tracer = OtlpTracer(service)
    try:
        yield Tracing(tracer)
    finally:
        closing = threading.Thread(target=tracer.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)

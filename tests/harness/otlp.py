"""A collector of traces: an HTTP server that decodes what is sent to it as OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


class ReceivedSpan(NamedTuple):
    """A span that was received. Ids are hex; `links` are traceparents without flags."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: frozenset[tuple[str, str]]
    attributes: dict[str, str | int]
    start: int
    end: int


class Collector:
    """The spans that were received, and the address to send them to."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.paths: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of a program that sends its traces here."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}",
            "NO_PROXY": "127.0.0.1",
        }

    def of_trace(self, trace: str) -> dict[str, ReceivedSpan]:
        """Return the spans of a trace by name. Of one name there is the last."""
        return {span.name: span for span in self.spans if span.trace == trace}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.paths.add(self.path)
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Add the spans of a request."""
        for of_resource in request.resource_spans:
            service = str(plain(of_resource.resource.attributes)["service.name"])
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    links = {(link.trace_id.hex(), link.span_id.hex()) for link in span.links}
                    self.spans.append(
                        ReceivedSpan(
                            service,
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            frozenset(links),
                            plain(span.attributes),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                        )
                    )

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def plain(attributes: object) -> dict[str, str | int]:
    """Return attributes as a dictionary."""
    values: dict[str, str | int] = {}
    for each in attributes:  # type: ignore[attr-defined]  # A repeated field of protobuf.
        assert isinstance(each, KeyValue)
        kind = each.value.WhichOneof("value")
        values[each.key] = getattr(each.value, kind) if kind else ""
    return values


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run a collector for the length of the block."""
    collector = Collector()
    serving = threading.Thread(target=collector.serve)
    serving.start()
    try:
        yield collector
    finally:
        collector.close()
        serving.join()

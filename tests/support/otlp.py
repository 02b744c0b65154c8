"""A receiver of OTLP over HTTP for tests, and ours: it decodes what comes with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.certificates import Handler, http_server


@dataclass(frozen=True, slots=True)
class Received:
    service: str
    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, str]
    events: int


@dataclass
class Collector:
    endpoint: str = ""
    raw: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Received]:
        return [span for body in list(self.raw) for span in _spans(body)]


def _spans(body: bytes) -> Iterator[Received]:
    for of in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = {one.key: one.value.string_value for one in of.resource.attributes}
        for scope in of.scope_spans:
            for span in scope.spans:
                yield Received(
                    names["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    {one.key: one.value.string_value for one in span.attributes},
                    len(span.events),
                )


@contextmanager
def collecting(answer: bytes = b"") -> Iterator[Collector]:
    """Receive as long as the block runs, and answer each time with `answer`, called compressed if there is one."""
    collector = Collector()

    class Receiving(Handler):
        protocol_version = "HTTP/1.0"

        def answer(self) -> None:
            body = self.body()
            collector.raw.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            coding = {"Content-Encoding": "gzip"} if answer else {}
            self.reply(200, answer, coding | {"Content-Type": "application/x-protobuf"})

    with http_server(Receiving) as port:
        collector.endpoint = f"http://127.0.0.1:{port}"
        yield collector

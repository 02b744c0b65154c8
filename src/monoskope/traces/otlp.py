"""The part of traces that imports OpenTelemetry."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from monoskope.traces import spans

MOST_ANSWER: Final = 65_536
"""Bytes of a collector's answer at most. The rest is not read, and nothing is unpacked."""

_KINDS = {kind.name.lower(): kind for kind in SpanKind}


def begin(service: str) -> TracerProvider:
    """Record spans of `service` from now on, and return what exports them."""
    # No other detector: one of them would export the command line.
    resource = Resource({"service.name": service, "service.version": metadata.version("monoskope")})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=_Bounded())))
    tracer = provider.get_tracer("monoskope")
    spans.record_with(lambda name, kind, parent: _Recorder(tracer, name, kind, parent))
    return provider


class _Bounded(requests.Session):
    """Reads little of an answer: a collector must not fill the memory of a process that has secrets in it."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401 - the base's
        answer = super().send(request, **{**options, "stream": True})
        try:
            answer._content = answer.raw.read(MOST_ANSWER, decode_content=False)  # noqa: SLF001 - it has no other way
        finally:
            answer.close()
        return answer


class _Recorder:
    """One span of OpenTelemetry."""

    def __init__(self, tracer: Tracer, name: str, kind: str, parent: str) -> None:
        above = set_span_in_context(NonRecordingSpan(_context(parent))) if parent else set_span_in_context(_NONE)
        self._span: Span = tracer.start_span(
            name, context=above, kind=_KINDS[kind], record_exception=False, set_status_on_exception=False
        )
        found = self._span.get_span_context()
        self.traceparent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"

    def note(self, name: str, text: str) -> None:
        self._span.set_attribute(f"monoskope.{name}", text)

    def end(self, *, has_failed: bool) -> None:
        if has_failed:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


_NONE = NonRecordingSpan(SpanContext(0, 0, is_remote=False))


def _context(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))

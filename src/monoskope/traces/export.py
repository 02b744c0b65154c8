"""Spans are recorded and exported by OpenTelemetry, if its own environment variables ask for that.

`OTEL_TRACES_EXPORTER=otlp`, or an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`),
switches traces on. `OTEL_TRACES_EXPORTER=none` and `OTEL_SDK_DISABLED=true` keep them off. The protocol is OTLP over
HTTP with protobuf. OpenTelemetry is imported only when traces are on: it takes some hundred milliseconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from monoskope.traces import spans

PATIENCE_S: Final = 2.0
"""Seconds that a program which ends waits for its last spans to be exported. What is late is lost."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_MISSING = "traces are off: OpenTelemetry is not installed. Install monoskope[traces], or unset OTEL_TRACES_EXPORTER."
_OTHER = "traces are off: only the exporter `otlp` with the protocol `http/protobuf` is supported."


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the environment switches traces on."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter:
        return exporter != "none"
    return any(environment.get(name) for name in _ENDPOINTS)


class Traces:
    """The export of one process. `start` makes it; `stop` ends it."""

    def __init__(self, provider: Any | None = None, warning: str = "") -> None:  # noqa: ANN401 - not imported here
        self._provider = provider
        self.warning = warning
        """Why there are no traces though the environment asks for them; "" if all is well."""

    def stop(self) -> None:
        """Export what was recorded, within `PATIENCE_S`, and record nothing any more."""
        spans.record_with(None)
        if self._provider is not None:
            # In a thread, because the exporter's own limits are longer than a user waits.
            last = threading.Thread(target=self._provider.shutdown, daemon=True)
            last.start()
            last.join(PATIENCE_S)


def start(service: str, environment: Mapping[str, str], *, failed: Callable[[], None] = lambda: None) -> Traces:
    """Record and export spans from now on, if the environment asks for it.

    Args:
        service: The name of this program in traces, unless `OTEL_SERVICE_NAME` gives another.
        environment: Of this process; OpenTelemetry reads the rest of its variables itself.
        failed: Called in another thread when spans could not be exported.
    """
    if not wanted(environment):
        return Traces()
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if (exporter, protocol) != ("otlp", "http/protobuf"):
        return Traces(warning=_OTHER)
    try:
        from monoskope.traces.otlp import begin  # noqa: PLC0415 - takes long, and is an extra
    except ImportError:
        return Traces(warning=_MISSING)
    log = logging.getLogger("opentelemetry")
    # What OpenTelemetry says of a failed export may hold addresses and headers. Only the fact is passed on.
    log.handlers[:] = [_Failures(failed)]
    log.propagate = False
    return Traces(begin(service))


class _Failures(logging.Handler):
    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._failed = failed

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - its text is left out
        self._failed()

"""The metrics of one reactor process, under the names that docs/operate/monitor.md lists.

No label holds a URI, a subject, or an id of a request.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from monoskope.reactor.report.audit_log import AuditEntry

disable_created_metrics()  # type: ignore[no-untyped-call] # the library types it not

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(slots=True)
class ReactorMeters:
    """All of them, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    puts_refused: Counter = field(init=False)
    gauges: dict[str, Gauge] = field(default_factory=dict, init=False)
    """What is looked up when the metrics are read, by name."""

    def __post_init__(self) -> None:
        here = self.registry
        ProcessCollector(registry=here)
        self.requests = Counter(
            "m8_reactor_requests",
            "Requests that this process ended.",
            ["purpose", "outcome", "reason"],
            registry=here,
        )
        self.seconds = Histogram(
            "m8_reactor_request_duration_seconds",
            "From the sealed bytes, or the request if nothing was sealed, to its end.",
            ["purpose"],
            buckets=_BUCKETS,
            registry=here,
        )
        self.puts_refused = Counter(
            "m8_reactor_puts_refused",
            "Puts refused because their subject or signer had begun too many in the hour.",
            registry=here,
        )
        for name, (text, labels) in _VALUES.items():
            self.gauges[name] = Gauge(name, text, labels, registry=here)

    def ended(self, entry: AuditEntry, seconds: float) -> None:
        """Count a request that this process ended."""
        self.requests.labels(entry.purpose, entry.outcome, entry.reason).inc()
        self.seconds.labels(entry.purpose).observe(max(0.0, seconds))


_VALUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "m8_reactor_build_info": ("1, for the version that runs and its store.", ("version", "store")),
    "m8_reactor_attached": ("1 while this process is attached to m8.", ()),
    "m8_reactor_operating_log_failures": ("How often the operating log could not be written, since the start.", ()),
    "m8_reactor_draining": ("1 while this process stops.", ()),
    "m8_reactor_keys_alive": ("One-time keys that can still open something.", ()),
    "m8_reactor_open_requests": ("Requests of the store that have not ended, as this process knows them.", ()),
    "m8_reactor_receipts_bytes": ("Memory that the receipts take which say what is upstream, at most 32 MiB.", ()),
    "m8_reactor_gives_no_keys": ("1 for each reason for which this process gives no one-time keys.", ("reason",)),
    "m8_reactor_engine_health": ("1 for the state in which the engine was found last.", ("state",)),
    "m8_reactor_engine_checked_timestamp_seconds": ("When that was, seconds since 1970; 0 for never.", ()),
    "m8_reactor_server_certificate_expiry_timestamp_seconds": (
        "When the certificate of the m8 that is dialled expires, seconds since 1970; 0 if it was not seen yet.",
        (),
    ),
    "m8_reactor_ca_expiry_timestamp_seconds": ("When the first certificate in `ca_file` expires.", ()),
}

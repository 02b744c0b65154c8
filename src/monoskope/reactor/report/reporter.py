"""Report to m8: receipts are signed, audited, and sent until m8 has them or the request has ended otherwise.

A receipt that names no sealed bytes says that nothing was opened. Once STARTED is recorded that is no longer known. So
such a receipt, for example an heir's KEY_LOST, is not sent again if a STARTED came before it.

The metrics stand here, too, under the names that docs/operate/monitor.md lists. No label holds a URI, a subject, or an
id of a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from monoskope import operating_log
from monoskope.errors import Code
from monoskope.failpoints import failpoint
from monoskope.protocol.events import ReactorEvent, event_of
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.health import Health
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.appends import AppendRefusedError
from monoskope.reactor.link.open_requests import OpenRequests
from monoskope.reactor.report.audit_log import Audit, AuditEntry, of_receipt
from monoskope.reactor.report.known_receipts import KnownReceipts

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


def note_end(entry: AuditEntry, seconds: float, meters: ReactorMeters | None, *, taken: bool = True) -> None:
    """Log how a request ended, and count it.

    Args:
        entry: The entry of its end in the audit log.
        seconds: Since the sealed bytes came, or the request if nothing was sealed.
        meters: Count what this process ended.
        taken: Whether m8 took this end; it does not if the request ended in another way meanwhile.
    """
    operating_log.get().info(
        "request" if taken else "request ended otherwise",
        request_id=entry.request_id,
        uri=entry.uri,
        purpose=entry.purpose,
        outcome=entry.outcome,
        reason=entry.reason,
        detail=entry.detail,
        duration_ms=max(0, round(seconds * 1000)),
    )
    if taken and meters is not None:
        meters.requests.labels(entry.purpose, entry.outcome, entry.reason).inc()
        meters.seconds.labels(entry.purpose).observe(max(0.0, seconds))


class Log(Protocol):
    """m8's log, as far as a reactor may write to it."""

    async def append(self, request_id: bytes, expected_version: int, event: ReactorEvent) -> int:
        """Append to a request's stream and return its new version. Raises `AppendRefusedError`."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Signs receipts and sends them to m8."""

    identity: Identity
    log: Log
    requests: OpenRequests
    known: KnownReceipts
    audit: Audit
    health: Health | None = None
    """Takes note of every receipt that ends a request."""
    patience: float = 10.0
    """Seconds to wait for the delivery of an event that m8 recorded before our receipt."""
    meters: ReactorMeters | None = None
    """Counts every request that this process ends."""
    now: Callable[[], float] = time.monotonic

    async def start(self, grant: Grant, receipt: Receipt, version: int) -> int:
        """Append STARTED on `version` and return the stream's version then. Raises `AppendRefusedError`."""
        event = self._event(receipt)
        self.audit.write(of_receipt(grant, receipt))
        return await self.log.append(grant.request.request_id, version, event)

    async def end(self, grant: Grant, receipt: Receipt, version: int) -> bool:
        """Send the receipt that ends a request whose stream has `version`; return whether m8 took it.

        If the stream moved on without ending, the receipt is sent again on its new version.
        """
        request_id = grant.request.request_id
        entry = of_receipt(grant, receipt)
        self.audit.write(entry)
        self.known.remember(receipt)
        if self.health is not None:
            self.health.ended(receipt)
        asked = self.requests.get(request_id)
        arrived = asked.arrived if asked is not None else self.now()
        taken = await self._ended(request_id, receipt, version)
        note_end(entry, self.now() - arrived, self.meters, taken=taken)
        return taken

    async def _ended(self, request_id: bytes, receipt: Receipt, version: int) -> bool:
        failpoint("reactor.before-receipt")
        event = self._event(receipt)
        while True:
            try:
                await self.log.append(request_id, version, event)
            except AppendRefusedError as error:
                if error.reason != Code.CONFLICT.value:
                    return False
                request = await self.requests.moved(request_id, version, within=self.patience)
                if request is None or (request.state is State.WRITING and not receipt.sealed_sha256):
                    return False
                version = request.version
            else:
                failpoint("reactor.after-receipt")
                self.requests.ended(request_id)
                return True

    def _event(self, receipt: Receipt) -> ReactorEvent:
        return event_of(receipt, self.identity.sign(RECEIPT, receipt.content))

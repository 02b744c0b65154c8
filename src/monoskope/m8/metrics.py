"""What one m8 process counts, for Prometheus, under the names that docs/operate/monitor.md lists.

Metrics of calls and appends count what this process did. Those of requests count what is in the log, whichever m8
recorded it, from the start of this process on. No label holds a URI, a subject, or an id of a request.
"""

from __future__ import annotations

import collections
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.upload import NEW, Upload
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.readmodels.uploads import after
from monoskope.protocol.events import request_id_of, upload_stream
from monoskope.protocol.outcomes import State, spelled
from monoskope.protocol.wire import MalformedError

disable_created_metrics()  # type: ignore[no-untyped-call] # the library types it not

_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_APPEND_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_GROUP_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class Meters:
    """All of them, in a registry of their own: several m8 of one process, as in tests, do not disturb one another."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter, histogram = partial(Counter, registry=self.registry), partial(Histogram, registry=self.registry)
        self.calls = counter("m8_calls", "Calls that have ended, by their code.", ["method", "code"])
        waiting = "How long calls took, waiting for reactors included."
        self.call_seconds = histogram("m8_call_duration_seconds", waiting, ["method"], buckets=_CALL_BUCKETS)
        durable = "How long one durable write to the event log took, whatever it wrote."
        self.append_seconds = histogram("m8_append_duration_seconds", durable, buckets=_APPEND_BUCKETS)
        together = "Writes that were made durable together."
        self.append_group = histogram("m8_append_group_size", together, buckets=_GROUP_BUCKETS)
        self.write_failures = counter(
            "m8_database_write_failures", "Checks, one a second, that found a new failure to write the event log."
        )
        self.handshakes_refused = counter(
            "m8_tls_handshakes_refused", "TLS handshakes that were refused, because too many began."
        )
        ended = "Requests of the log that have ended, by outcome. Every m8 of one log counts all of them."
        self.requests = counter("m8_requests", ended, ["store", "purpose", "outcome"])
        whole = "From the first event of a request to its last, by the log's clock."
        self.request_seconds = histogram("m8_request_duration_seconds", whole, ["store"], buckets=_CALL_BUCKETS)
        self.audit_dropped = counter(
            "m8_audit_access_lines_dropped", "Access lines that did not fit into the queue of their sink.", ["sink"]
        )
        self.notices_sent = counter("m8_notices_sent", "Messages that were taken, digests too.", ["table"])
        self.notices_refused = counter(
            "m8_notices_refused", "Messages that a mail server took only without what others wrote.", ["table"]
        )
        self.puts_refused = counter(
            "m8_puts_refused", "Puts refused because their user had begun too many in the hour."
        )
        self.gauges = {
            name: Gauge(name, text, labels, registry=self.registry) for name, (text, labels) in _VALUES.items()
        }
        """What is looked up when the metrics are read, by name."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Count a call."""
        self.calls.labels(method, code).inc()
        self.call_seconds.labels(method).observe(seconds)

    def wrote(self, appends: int, seconds: float) -> None:
        """Count a group of writes that became durable together."""
        self.append_group.observe(appends)
        self.append_seconds.observe(seconds)


_VALUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "m8_build_info": ("1, for the version that runs.", ("version",)),
    "m8_start_time_seconds": ("When this process began to serve, seconds since 1970.", ()),
    "m8_certificate_expiry_timestamp_seconds": ("When the certificate of m8 expires, seconds since 1970.", ()),
    "m8_connections": ("Open connections of clients and reactors.", ()),
    "m8_watchers": ("Open calls of WatchEvents.", ()),
    "m8_subscribers": ("Reactors and watchers that follow the log in this process.", ()),
    "m8_subscribers_lag_events": ("How many events the slowest of them has not taken yet.", ()),
    "m8_feed_lag_events": ("How many events of the log this process has not passed on yet.", ()),
    "m8_database_up": ("1 if the database answers.", ()),
    "m8_database_writable": ("0 from a failed write on until one succeeds.", ()),
    "m8_database_last_position": ("The position of the last event.", ()),
    "m8_database_size_bytes": ("Bytes of the event log on disk.", ()),
    "m8_database_reserve": ("1 if the disk reserve for erasing is there.", ()),
    "m8_log_tree_lag_events": ("How many events the tree of the witnessed log does not have yet.", ()),
    "m8_log_checkpoint_age_seconds": ("How old its newest checkpoint is, 0 without one.", ()),
    "m8_log_signing_stopped": ("1 if m8 signs no checkpoints, though the log has keys.", ()),
    "m8_log_quorum_missing_seconds": (
        "For how long its newest checkpoint lacks a quorum of witnesses, 0 if all is well.",
        (),
    ),
    "m8_log_witness_failing": ("1 if the witness did not cosign when it was asked last.", ("witness",)),
    "m8_log_witness_cosigned_timestamp_seconds": (
        "When the witness cosigned last, seconds since 1970; 0 if never.",
        ("witness",),
    ),
    "m8_operating_log_failures": ("How often the operating log could not be written, since the start.", ()),
    "m8_draining": ("1 while m8 stops.", ()),
    "m8_timekeeper_lease_held": ("1 if this m8 is the one that keeps the deadlines.", ()),
    "m8_open_requests": ("Requests that have not ended; `granted` have a one-time key alive.", ("store", "state")),
    "m8_oldest_open_request_age_seconds": ("How long ago the oldest of them began, 0 for none.", ("store",)),
    "m8_open_changes": ("Changes that can be approved and executed.", ("store",)),
    "m8_oldest_open_change_age_seconds": ("How long ago the oldest of them was proposed, 0 for none.", ("store",)),
    "m8_store_active": ("1 if the store takes uploads.", ("store",)),
    "m8_reactors_attached": ("Reactors that are attached.", ("store",)),
    "m8_audit_exporting": ("1 if this m8 is the one that sends the events to the sink.", ("sink",)),
    "m8_audit_lag_events": ("Events that the sink has not taken yet; 0 from an m8 that does not send them.", ("sink",)),
    "m8_audit_failing_seconds": ("For how long the sink has not taken lines, 0 if all is well.", ("sink",)),
    "m8_notices_failing_seconds": ("For how long the table's recipients took no notice, 0 if all is well.", ("table",)),
    "m8_secrets_expiring": ("Secrets that expire within 7 days, at most 1,000 of all stores.", ("store",)),
    "m8_secrets_expired": ("Secrets that have expired, at most 1,000 of all stores.", ("store",)),
    "m8_secrets_drifted": ("Secrets that were found changed past m8, at most 1,000 of all stores.", ("store",)),
    "m8_rotations_overdue": (
        "Secrets whose label `due` is a past day, at most 1,000 of all stores.",
        ("store",),
    ),
    "m8_engine_health": ("Attached reactors, by how they found their engine last.", ("store", "state")),
}


STATES = tuple(state.name.lower() for state in State if state not in (State.NEW, State.ENDED))
"""The states of open requests, as labels."""


class RequestMeter:
    """Follows the requests of the log."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._open: dict[str, Upload] = {}

    def known(self, upload: Upload) -> None:
        """Take in a request that was open when this process started."""
        if upload.request is not None:
            self._open[upload_stream(upload.request_id)] = upload

    def saw(self, event: RecordedEvent) -> None:
        """Take in an event of the log, in its order."""
        if request_id_of(event.stream) is None:
            return
        try:
            upload = after(self._open.get(event.stream, NEW), event)
        except MalformedError:  # a newer m8 recorded it, and counts it
            self._open.pop(event.stream, None)
            return
        if upload is None:
            return
        if upload.state is not State.ENDED:
            self._open[event.stream] = upload
            return
        self._open.pop(event.stream, None)
        assert upload.request is not None, "what ended was asked for"
        purpose, outcome = upload.request.purpose, upload.outcome
        labels = spelled(upload_pb2.Purpose, purpose), spelled(upload_pb2.Outcome, outcome)
        self._meters.requests.labels(upload.store, *labels).inc()
        seconds = max(0, upload.since_ms - upload.began_ms) / 1000
        self._meters.request_seconds.labels(upload.store).observe(seconds)

    def counts(self) -> collections.Counter[tuple[str, str]]:
        """Return how many requests are open, by store and state."""
        return collections.Counter((one.store, one.state.name.lower()) for one in self._open.values())

    def oldest_ms(self) -> dict[str, int]:
        """Return when the oldest open request of each store began."""
        found: dict[str, int] = {}
        for one in self._open.values():
            found[one.store] = min(one.began_ms, found.get(one.store, one.began_ms))
        return found

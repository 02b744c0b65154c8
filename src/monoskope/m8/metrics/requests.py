"""Counts requests from the events of the feed. It holds the open ones, and nothing of those that have ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.metrics.meters import Meters
from monoskope.protocol.events import Step
from monoskope.protocol.outcomes import State, spelled
from monoskope.protocol.request import Request, parse_request

_STATES = {
    views_pb2.UPLOAD_STATE_REQUESTED: State.REQUESTED,
    views_pb2.UPLOAD_STATE_GRANTED: State.GRANTED,
    views_pb2.UPLOAD_STATE_UPLOADING: State.UPLOADING,
    views_pb2.UPLOAD_STATE_WRITING: State.WRITING,
}
_LEADS_TO = {step.event: step.leads_to for step in Step}
"""The state after each event of a request. The rows of one event lead to the same."""

STATES = tuple(state.name.lower() for state in _STATES.values())
"""The states of open requests, as labels."""


@dataclass(slots=True)
class _Open:
    store: str
    purpose: str
    since_ms: int
    state: str


class RequestMeter:
    """Follows the requests of the log."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._open: dict[str, _Open] = {}

    def known(self, stream: str, upload: views_pb2.SecretUpload) -> None:
        """Take in a request that was open when this process started."""
        state = _STATES.get(upload.state)
        if state is not None:
            purpose = spelled(upload_pb2.Purpose, upload.purpose)
            store = upload.uri.partition("://")[0]
            self._open[stream] = _Open(store, purpose, upload.requested_at_ms, state.name.lower())

    def saw(self, event: RecordedEvent) -> None:
        """Take in an event of the log, in its order. Only the first and the last of a request are parsed."""
        state = _LEADS_TO.get(event.type)
        if state is None:
            return
        if event.version == 1 and (request := _request(getattr(read(event), "request", b""))) is not None:
            purpose = spelled(upload_pb2.Purpose, request.purpose)
            self._open[event.stream] = _Open(request.uri.store, purpose, event.recorded_at_ms, "")
        known = self._open.get(event.stream)
        if known is None:
            return
        if state is State.ENDED:
            self._ended(event, known, getattr(read(event), "receipt", None))
        else:
            known.state = state.name.lower()

    def _ended(self, event: RecordedEvent, known: _Open, receipt: upload_pb2.Signed | None) -> None:
        del self._open[event.stream]
        self._meters.requests.labels(known.store, known.purpose, _outcome(receipt)).inc()
        seconds = max(0, event.recorded_at_ms - known.since_ms) / 1000
        self._meters.request_seconds.labels(known.store).observe(seconds)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many requests are open, by store and state."""
        return Counter((one.store, one.state) for one in self._open.values())

    def oldest_ms(self) -> dict[str, int]:
        """Return when the oldest open request of each store began."""
        found: dict[str, int] = {}
        for one in self._open.values():
            found[one.store] = min(one.since_ms, found.get(one.store, one.since_ms))
        return found


def _request(content: object) -> Request | None:
    try:
        return parse_request(content) if isinstance(content, bytes) and content else None
    except UsageError:
        return None


def _outcome(receipt: upload_pb2.Signed | None) -> str:
    """Return the outcome of an end; FAILED where m8 ended it without a receipt."""
    if receipt is None or not receipt.content:
        return spelled(upload_pb2.Outcome, upload_pb2.OUTCOME_FAILED)
    # m8 checked every receipt before it recorded it.
    return spelled(upload_pb2.Outcome, upload_pb2.Receipt.FromString(receipt.content).outcome)

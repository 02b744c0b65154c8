"""The events of a request: one row an event, the function that folds them, and the name of their stream. Pure.

Rules (docs/protocol.md, The walk):
- One stream a request. An event is appended only on the version that its author saw, so of several authors one wins.
- m8 records what users ask. A replica answers with a grant. From then on only the replica that gave the grant may open
  and write.
- WRITING begins with a STARTED receipt. Any replica of the store can end it, for the issuer may be dead. That a secret
  was copied, the issuer alone can know.
- m8 may end a request before WRITING, never after: it cannot know what happened upstream.
- ENDED is final.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.outcomes import Author, State, WrongStepError, one_of
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import REQUEST_ID_BYTES

ReceiptEvent = (
    events_pb2.SecretUploaded
    | events_pb2.SecretCompared
    | events_pb2.SecretDeleted
    | events_pb2.SecretVerified
    | events_pb2.SecretDriftDetected
    | events_pb2.SecretImported
    | events_pb2.SecretCopied
    | events_pb2.SecretUndeleted
    | events_pb2.SecretRolledBack
    | events_pb2.SecretsListed
)
"""The events that end a request and hold a receipt, nothing else."""
ReactorEvent = (
    events_pb2.SecretUploadKeyProvided | events_pb2.SecretUploadStarted | ReceiptEvent | events_pb2.SecretUploadFailed
)
"""The events that a reactor may append."""
RequestEvent = events_pb2.SecretUploadKeyRequested | events_pb2.SecretUploadRequested | ReactorEvent
"""All of them."""

_M8, _REPLICA, _ISSUER = frozenset({Author.M8}), frozenset({Author.REPLICA}), frozenset({Author.ISSUER})


class Step(Enum):
    """One row: an event, the states that it follows with those who may then record it, and the state after it.

    The outcomes are those of the receipt in it. An event that follows other states with another outcome has two rows.
    """

    KEY_REQUESTED = events_pb2.SecretUploadKeyRequested, {State.NEW: _M8}, State.REQUESTED
    KEY_PROVIDED = events_pb2.SecretUploadKeyProvided, {State.REQUESTED: _REPLICA}, State.GRANTED
    UPLOAD_REQUESTED = events_pb2.SecretUploadRequested, {State.GRANTED: _M8}, State.UPLOADING
    STARTED = events_pb2.SecretUploadStarted, {State.UPLOADING: _ISSUER}, State.WRITING, upload_pb2.OUTCOME_STARTED
    UPLOADED = events_pb2.SecretUploaded, {State.WRITING: _REPLICA}, State.ENDED, upload_pb2.OUTCOME_UPLOADED
    UNCHANGED = events_pb2.SecretUploaded, {State.UPLOADING: _ISSUER}, State.ENDED, upload_pb2.OUTCOME_UNCHANGED
    COMPARED = (
        events_pb2.SecretCompared,
        {State.UPLOADING: _ISSUER},
        State.ENDED,
        upload_pb2.OUTCOME_EQUAL,
        upload_pb2.OUTCOME_DIFFERENT,
    )
    DELETED = events_pb2.SecretDeleted, {State.WRITING: _REPLICA}, State.ENDED, upload_pb2.OUTCOME_DELETED
    VERIFIED = events_pb2.SecretVerified, {State.UPLOADING: _ISSUER}, State.ENDED, upload_pb2.OUTCOME_IN_SYNC
    DRIFT_DETECTED = (
        events_pb2.SecretDriftDetected,
        {State.UPLOADING: _ISSUER},
        State.ENDED,
        upload_pb2.OUTCOME_DRIFTED,
        upload_pb2.OUTCOME_GONE,
    )
    IMPORTED = events_pb2.SecretImported, {State.UPLOADING: _ISSUER}, State.ENDED, upload_pb2.OUTCOME_IMPORTED
    UNDELETED = events_pb2.SecretUndeleted, {State.WRITING: _REPLICA}, State.ENDED, upload_pb2.OUTCOME_UNDELETED
    ROLLED_BACK = events_pb2.SecretRolledBack, {State.WRITING: _REPLICA}, State.ENDED, upload_pb2.OUTCOME_ROLLED_BACK
    COPIED = events_pb2.SecretCopied, {State.WRITING: _ISSUER}, State.ENDED, upload_pb2.OUTCOME_COPIED
    LISTED = events_pb2.SecretsListed, {State.UPLOADING: _ISSUER}, State.ENDED, upload_pb2.OUTCOME_LISTED
    FAILED = (
        events_pb2.SecretUploadFailed,
        {
            State.REQUESTED: _REPLICA | _M8,
            State.GRANTED: _REPLICA | _M8,
            State.UPLOADING: _REPLICA | _M8,
            State.WRITING: _REPLICA,
        },
        State.ENDED,
        upload_pb2.OUTCOME_FAILED,
    )

    def __init__(
        self,
        message: type[RequestEvent],
        follows: Mapping[State, frozenset[Author]],
        leads_to: State,
        *outcomes: upload_pb2.Outcome,
    ) -> None:
        self.message = message
        self.follows = follows
        self.leads_to = leads_to
        self.outcomes = frozenset(outcomes)

    @property
    def event(self) -> str:
        """The event's name, as the log has it."""
        return self.message.DESCRIPTOR.name

    @property
    def title(self) -> str:
        """The event's name for people, with the outcome that tells it from its other row."""
        rows = [step for step in Step if step.message is self.message]
        return self.event if rows == [self] else f"{self.event} ({one_of(upload_pb2.Outcome, self.outcomes)})"


EVENTS: Mapping[str, type[RequestEvent]] = MappingProxyType({step.event: step.message for step in Step})
"""Every event of a request, by name."""


_STEPS: Mapping[type[Message], Sequence[Step]] = {
    kind: tuple(step for step in Step if step.message is kind) for kind in EVENTS.values()
}


def steps_of(event: Message) -> Sequence[Step]:
    """Return the rows of an event; none if it is none of a request's.

    The state tells which of several it is: no receipt is parsed here, for it is not verified yet.
    """
    return _STEPS.get(type(event), ())


def step_with(event: Message, outcome: upload_pb2.Outcome) -> Step | None:
    """Return the step that an event with a receipt of that outcome is, None if the two do not fit."""
    return next((step for step in Step if isinstance(event, step.message) and outcome in step.outcomes), None)


def receipt_of(event: Message) -> upload_pb2.Signed | None:
    """Return the receipt in an event, None if it has none."""
    if not isinstance(event, ReceiptEvent | events_pb2.SecretUploadStarted | events_pb2.SecretUploadFailed):
        return None
    return event.receipt if event.HasField("receipt") else None


def event_of(receipt: Receipt, signed: upload_pb2.Signed) -> ReactorEvent:
    """Return the event by which a reactor hands m8 a receipt, which is `signed`."""
    if receipt.outcome == upload_pb2.OUTCOME_FAILED:
        return events_pb2.SecretUploadFailed(reason=receipt.reason, receipt=signed, retry_after_s=receipt.retry_after_s)
    message = next(step.message for step in Step if receipt.outcome in step.outcomes)
    assert issubclass(message, ReceiptEvent | events_pb2.SecretUploadStarted), "every other outcome is in such an event"
    return message(receipt=signed)


def advance(state: State, step: Step, author: Author) -> State:
    """Return the state after `step` by `author`: for the code that decides whether to record it.

    Raises:
        WrongStepError: the table does not allow it.
    """
    allowed = step.follows.get(state, frozenset())
    if author in allowed or (author is Author.ISSUER and Author.REPLICA in allowed):
        return step.leads_to
    raise WrongStepError(state, f"{step.title} by {author.name}")


def follow(state: State, event: Message, *, version: int, seen: int) -> State | None:
    """Return the state after a recorded event; None if it cannot follow, and then it changes nothing but the version.

    m8's domain, its read models and reactors all fold a request's stream by this function.

    Args:
        state: The state before it.
        event: The event.
        version: Its place in its stream.
        seen: The last version that was taken in. What lies between was not delivered, as m8 delivers a reactor none of
            its own events: then it is enough that the event can follow what can have happened.
    """
    if state is State.NEW and version != 1:
        return None
    if seen == version - 1:
        return next((step.leads_to for step in steps_of(event) if state in step.follows), None)
    states = {state}
    for _ in range(min(version - seen - 1, len(State))):
        states |= {step.leads_to for step in Step if states & step.follows.keys()}
    return next((step.leads_to for step in steps_of(event) if states & step.follows.keys()), None)


_PREFIX = "upload/"


def upload_stream(request_id: bytes) -> str:
    """Return the stream of a request: `upload/<32 hex>`."""
    return _PREFIX + request_id.hex()


@functools.lru_cache(maxsize=1_024)
def request_id_of(stream: str) -> bytes | None:
    """Return the request id in `upload/<32 hex>`, None for another stream."""
    try:
        request_id = bytes.fromhex(stream.removeprefix(_PREFIX)) if stream.startswith(_PREFIX) else b""
    except ValueError:
        return None
    return request_id if len(request_id) == REQUEST_ID_BYTES and upload_stream(request_id) == stream else None

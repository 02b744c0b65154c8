"""m8's domain, its read models and a reactor say the same of a request, whatever its stream holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError
from monoskope.m8.domain.events import write
from monoskope.m8.domain.upload import NEW, Upload, evolve, request_key
from monoskope.m8.log.event_log import NewEvent, Put, RecordedEvent
from monoskope.m8.log.record import make
from monoskope.m8.readmodels import uploads
from monoskope.m8.readmodels.documents import project
from monoskope.m8.readmodels.uploads import USAGE, Usage, bytes_of
from monoskope.protocol import events, receipt
from monoskope.protocol.events import (
    EVENTS,
    ReactorEvent,
    ReceiptEvent,
    RequestEvent,
    Step,
    event_of,
    follow,
    receipt_of,
    request_id_of,
    step_with,
    steps_of,
    upload_stream,
)
from monoskope.protocol.outcomes import ENDS, TELLING, State, WrongStepError
from monoskope.protocol.receipt import parse_receipt
from monoskope.reactor.link.open_requests import OpenRequests
from tests.support.m8_walk import Walk, fingerprints
from tests.support.vectors import KEY_ID

WALK = Walk()
ID = WALK.request.request_id
STREAM = upload_stream(ID)
SIGNED = upload_pb2.Signed(content=b"x")
COPIED = WALK.receipt(upload_pb2.OUTCOME_COPIED, upstream_version="1", destination=SIGNED, **fingerprints(KEY_ID))
DRIFTED = WALK.drifted(WALK.uploaded().receipt)
MESSAGES: dict[Step, Message] = {
    Step.KEY_REQUESTED: WALK.asked(),
    Step.KEY_PROVIDED: WALK.provided(),
    Step.UPLOAD_REQUESTED: WALK.sent(),
    Step.STARTED: WALK.started(),
    Step.UPLOADED: WALK.uploaded(),
    Step.UNCHANGED: WALK.unchanged(),
    Step.COMPARED: WALK.compared(),
    Step.DELETED: WALK.deleted(),
    Step.VERIFIED: WALK.verified(WALK.uploaded().receipt),
    Step.DRIFT_DETECTED: DRIFTED,
    Step.IMPORTED: WALK.imported(),
    Step.UNDELETED: WALK.undeleted(),
    Step.ROLLED_BACK: WALK.rolled_back(),
    Step.LISTED: WALK.listed(),
    Step.COPIED: events_pb2.SecretCopied(receipt=COPIED),
    Step.FAILED: WALK.failed(),
}
STRANGE = [
    NewEvent("SomethingNew", b"x"),
    write(events_pb2.TokenRevoked(id="0" * 32)),
    write(events_pb2.SecretUploaded(receipt=WALK.compared().receipt)),
    write(events_pb2.SecretUploaded()),
    write(events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_EXPIRED)),
]
ANY = st.sampled_from([*(write(message) for message in MESSAGES.values()), *STRANGE])


def delivery(event: RecordedEvent) -> event_pb2.Event:
    return event_pb2.Event.FromString(event.record)


class Folds(RuleBasedStateMachine):
    """One stream with whatever in it, also what no m8 records, delivered as it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.events: list[RecordedEvent] = []
        self.steps: list[RecordedEvent] = []
        self.upload: Upload = NEW
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.reactor = OpenRequests()

    @initialize()
    def begin(self) -> None:
        """m8 opens a stream with the request: no document is of a stream that begins otherwise."""
        self.deliver(write(WALK.asked()))

    @rule(new=ANY)
    def deliver(self, new: NewEvent) -> None:
        self.version += 1
        event = make(
            new,
            position=self.version,
            stream=STREAM,
            version=self.version,
            recorded_at_ms=1_000,
            actor="anna",
            previous_hash=bytes(32),
        )
        self.events.append(event)
        before, self.upload = self.upload, self._folded(event)
        if self.upload.state is not before.state:
            self.steps.append(event)
        for change in project(event, lambda collection, key: self.bodies.get((collection, key))):
            if isinstance(change, Put):
                self.bodies[change.collection, change.key] = change.body
            else:
                self.bodies.pop((change.collection, change.key), None)
        self.reactor.apply(delivery(event), b"", now=1.0)

    def _folded(self, event: RecordedEvent) -> Upload:
        """The domain refuses what cannot follow; what it would record next has the next version all the same."""
        kind = EVENTS.get(event.type)
        try:
            return evolve(self.upload, events_pb2.TokenRevoked() if kind is None else kind.FromString(event.data))
        except WrongStepError:
            return evolve(self.upload, events_pb2.TokenRevoked())

    @invariant()
    def all_three_agree(self) -> None:
        state = self.upload.state
        shown = uploads.shown(self.events) or views_pb2.SecretUpload()
        name = "UNSPECIFIED" if state is State.NEW else state.name
        assert views_pb2.UploadState.Name(shown.state) == f"UPLOAD_STATE_{name}"
        assert bool(shown.outcome) == (state is State.ENDED)
        known = self.reactor.get(ID)
        assert (State.NEW if known is None else known.state) is (State.NEW if state is State.ENDED else state)
        assert known is None or known.version == self.version

    @invariant()
    def no_document_tells_of_what_was_passed_over(self) -> None:
        shown = uploads.shown(self.events)
        tells = shown is not None and shown.outcome in TELLING
        assert (("secrets", str(WALK.request.uri)) in self.bodies) == tells
        assert sum(collection == "secret-history" for collection, _ in self.bodies) == tells

    @invariant()
    def each_step_of_the_request_is_counted(self) -> None:
        counted = Usage.parse(self.bodies.get((USAGE, "anna")), 1_000)
        sealed = 1_648 if self.upload.sealed_sha256 else 0
        assert counted.size >= sum(bytes_of(len(event.record)) for event in self.steps) + sealed

    @invariant()
    def what_is_open_is_counted_once(self) -> None:
        is_open = self.upload.state not in {State.NEW, State.ENDED}
        assert (("open-uploads", ID.hex()) in self.bodies) == is_open
        assert self.bodies.get(("open-counts", "anna")) == (b"1" if is_open else None)


Folds.TestCase.settings = settings(stateful_step_count=12)
TestFolds = Folds.TestCase


@st.composite
def walks(draw: st.DrawFn) -> list[Step]:
    """The steps of a stream as m8 records one, from the beginning to its end or not so far."""
    state, steps = State.NEW, list[Step]()
    while state is not State.ENDED and (len(steps) < 2 or draw(st.booleans())):
        step = draw(st.sampled_from([step for step in Step if state in step.follows]))
        steps.append(step)
        state = step.leads_to
    return steps


@given(steps=walks(), data=st.data())
def test_a_reactor_that_is_not_told_its_own_events_follows(steps: Sequence[Step], data: st.DataObject) -> None:
    reactor = OpenRequests()
    for version, step in enumerate(steps, 1):
        message = MESSAGES[step]
        if isinstance(message, ReactorEvent) and data.draw(st.booleans(), label=f"{step.name} is its own"):
            continue
        delivered = event_pb2.Event(stream=STREAM, version=version, type=step.event, data=message.SerializeToString())
        request = reactor.apply(delivered, b"", now=1.0)
        assert request is not None
        assert (request.state, request.version) == (step.leads_to, version)


def test_the_domain_refuses_what_cannot_follow() -> None:
    granted = WALK.granted()
    for message in (WALK.asked(), WALK.provided(), WALK.started(), WALK.uploaded(), events_pb2.SecretUploaded()):
        with pytest.raises(WrongStepError):
            evolve(granted, message)
    late = evolve(NEW, events_pb2.TokenRevoked())
    with pytest.raises(WrongStepError):
        evolve(late, WALK.asked())
    with pytest.raises(AlreadyExistsError):
        request_key(late, request=WALK.request, subject="anna", last_receipt=None)


def test_each_event_has_a_row_and_a_place_among_the_types() -> None:
    assert set(get_args(RequestEvent)) == {step.message for step in Step}
    holding = {kind for kind in get_args(RequestEvent) if "receipt" in kind.DESCRIPTOR.fields_by_name}
    only = {kind for kind in holding if len(kind.DESCRIPTOR.fields) == 1} - {events_pb2.SecretUploadStarted}
    assert set(get_args(ReceiptEvent)) == only
    assert {step.message for step in Step if step.outcomes} == holding


def test_each_outcome_is_handed_over_by_the_event_that_its_row_names() -> None:
    outcomes = [outcome for step in Step for outcome in step.outcomes]
    assert sorted(outcomes) == sorted(ENDS | {upload_pb2.OUTCOME_STARTED})
    for step, message in MESSAGES.items():
        signed = receipt_of(message)
        if signed is not None:
            assert event_of(parse_receipt(signed.content), signed) == message
            assert step in steps_of(message)


def test_a_receipt_is_not_parsed_before_anybody_verified_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/protocol.md, Identities: readers fold what m8 shows before they know who signed it."""
    for module in (events, receipt):
        monkeypatch.setattr(module, "parse_receipt", pytest.fail, raising=False)
    ended = events_pb2.SecretUploaded(receipt=SIGNED)
    assert follow(State.WRITING, ended, version=5, seen=4) is State.ENDED


def test_an_event_fits_the_outcomes_of_its_rows_alone() -> None:
    for step, message in MESSAGES.items():
        for outcome in {outcome for each in Step for outcome in each.outcomes}:
            rows = [row for row in Step if row.message is step.message and outcome in row.outcomes]
            assert step_with(message, outcome) == (rows[0] if rows else None)


def test_an_end_that_this_version_cannot_read_is_an_end() -> None:
    ended = events_pb2.SecretUploaded(receipt=SIGNED)
    for state in (State.UPLOADING, State.WRITING):
        assert follow(state, ended, version=5, seen=4) is State.ENDED
    assert follow(State.REQUESTED, ended, version=2, seen=1) is None


def test_a_request_id_has_one_stream() -> None:
    assert request_id_of(STREAM) == ID
    for other in (STREAM.upper(), f"upload/{ID.hex().upper()}", f"{STREAM}00", f" {STREAM}", ID.hex()):
        assert request_id_of(other) is None

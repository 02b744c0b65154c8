"""Many authors at once, with what they saw a while ago: nothing illegal is recorded, and one of them wins."""

from __future__ import annotations

from google.protobuf.message import Message
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import NEW, Upload, fail_by_m8, request_key, request_upload
from monoskope.protocol.events import Step, steps_of
from monoskope.protocol.outcomes import Author, State
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, ISSUER, PEER, Walk
from tests.support.vectors import Signer, a_request

SIGNER = Signer()
APPENDS = ("provided", "started", "uploaded", "unchanged", "compared", "failed")


class Request(RuleBasedStateMachine):
    """One stream, and authors who decide on any state of it that they ever saw."""

    seen = Bundle("seen")

    @initialize(target=seen, purpose=st.sampled_from([upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_COMPARE]))
    def begin(self, purpose: upload_pb2.Purpose) -> Upload:
        self.walk = Walk(a_request(purpose=purpose), signer=SIGNER)
        self.events: list[Message] = []
        self.states = [State.NEW]
        self.ends = 0
        return NEW

    @rule(target=seen)
    def look(self) -> Upload:
        return self.walk.at(*self.events)

    @rule(upload=seen, user=st.sampled_from(["anna", "bob"]))
    def ask(self, upload: Upload, user: str) -> None:
        self._record(
            upload, lambda: request_key(upload, request=self.walk.request, subject=user, last_receipt=None), Author.M8
        )

    @rule(upload=seen, ciphertext=st.sampled_from([CIPHERTEXT, b"x" * 528]))
    def send(self, upload: Upload, ciphertext: bytes) -> None:
        self._record(
            upload,
            lambda: request_upload(
                upload, subject="anna", encapsulated_key=ENCAPSULATED, ciphertext=ciphertext, last_receipt=None
            ),
            Author.M8,
        )

    @rule(upload=seen)
    def give_up(self, upload: Upload) -> None:
        self._record(upload, lambda: fail_by_m8(upload, upload_pb2.REASON_KEY_LOST), Author.M8)

    @rule(upload=seen, what=st.sampled_from(APPENDS), replica=st.sampled_from([ISSUER, PEER]))
    def say(self, upload: Upload, what: str, replica: bytes) -> None:
        author = Author.ISSUER if upload.grant is not None and replica == ISSUER else Author.REPLICA
        self._record(
            upload, lambda: append_by_reactor(upload, getattr(self.walk, what)(), self.walk.by(replica)), author
        )

    def _record(self, upload: Upload, decide: object, author: Author) -> None:
        assert callable(decide)
        try:
            events = decide()
        except Error:
            return
        if not events or upload.version != len(self.events):
            return  # nothing to record, or somebody else was faster
        (event,) = events
        following = self.walk.at(*self.events, event).state
        [step] = [step for step in steps_of(event) if self.states[-1] in step.follows]
        authors = {author, Author.REPLICA} if author is Author.ISSUER else {author}
        assert step.follows[self.states[-1]] & authors
        assert step.leads_to is following
        self.events.append(event)
        self.states.append(following)
        self.ends += following is State.ENDED

    @invariant()
    def one_end_and_nothing_after_it(self) -> None:
        if hasattr(self, "states"):
            assert self.ends <= 1
            assert State.ENDED not in self.states[:-1]

    @invariant()
    def never_failed_by_m8_after_writing(self) -> None:
        if hasattr(self, "states") and State.WRITING in self.states:
            last = self.events[-1]
            assert steps_of(last) != [Step.FAILED] or getattr(last, "receipt").signature  # noqa: B009


TestRequest = Request.TestCase
TestRequest.settings = settings(max_examples=40, stateful_step_count=30)

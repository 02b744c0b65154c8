"""What a reactor appends over the wire, each once, even where no append is sure at first or several race."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest
from google.protobuf.message import Message
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import Code, Error, OutcomeUnknownError
from monoskope.host_port import HostPort
from monoskope.m8.cli.access import token
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.deadlines import fail_by_m8
from monoskope.m8.domain.upload import NEW, Upload, request_key, request_upload
from monoskope.m8.init import lay_out
from monoskope.m8.log.event_log import EventLog, Look, UnknownAppendError
from monoskope.protocol.events import Step, steps_of
from monoskope.protocol.outcomes import Author, State
from tests.support.fake_reactor import Appends, FakeReactor
from tests.support.http_calls import CallError
from tests.support.m8_user import Sealed, User, refusal
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, ISSUER, PEER, Walk
from tests.support.m8_world import World, sent, until_granted
from tests.support.vectors import KEY_ID, Signer, a_request

OTHER_KEY = "0123456789abcdef"


async def test_the_same_event_appended_again_is_not_recorded_twice(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    head = await world.app.log.head()
    again = await reactor.append(grant.request.request_id, 1, reactor.provided(grant))
    assert (again.error, again.version) == ("", 2)
    assert await world.app.log.head() == head


async def test_what_a_broken_session_repeats_is_recorded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request = a_request()
    await user.ask(request)
    append = world.app.log.append

    async def late(*event: Any, **rest: Any) -> Any:
        await append(*event, **rest)
        return await append(*event, **rest)

    grant = reactor.grant_for(request, "anna")
    monkeypatch.setattr(world.app.log, "append", late)
    answer = await reactor.append(request.request_id, 1, reactor.provided(grant))
    assert (answer.error, answer.version) == ("", 2)
    assert len(await world.app.log.read_stream(f"upload/{request.request_id.hex()}")) == 2


async def test_an_append_is_decided_on_what_is_remembered_and_else_all_is_read_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a network each read costs a trip, and a put has three of these appends."""
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request = a_request()
    await user.ask(request)
    await reactor.next("SecretUploadKeyRequested")  # to deliver it, m8 looks at it, too
    look, asked = world.app.log.look, []

    async def looking(after: Mapping[str, int], documents: Collection[tuple[str, str]] = ()) -> Look:
        asked.append(set(after))
        return await look(after, documents)

    monkeypatch.setattr(world.app.log, "look", looking)
    grant = reactor.grant_for(request, "anna")
    answer = await reactor.append(request.request_id, 1, reactor.provided(grant))
    assert (answer.error, answer.version, asked) == ("", 2, [])
    world.app.aggregates._kept.clear()  # as of another process
    answer = await reactor.append(
        request.request_id, 2, events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST)
    )
    assert (answer.error, answer.version) == ("", 3)
    assert asked == [{f"upload/{request.request_id.hex()}", "secret-stores", "fingerprint-key"}]


async def test_of_two_replicas_one_gives_the_key(world: World) -> None:
    user, first, second = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    request = a_request()
    await user.ask(request)
    provided = [(one, one.provided(one.grant_for(request, "anna"))) for one in (first, second)]
    answers = await asyncio.gather(*(one.append(request.request_id, 1, event) for one, event in provided))
    assert sorted(answer.error for answer in answers) == ["", "CONFLICT"]
    assert sorted(answer.version for answer in answers) == [0, 2]


async def test_another_stores_request_is_unknown_and_never_told(world: World) -> None:
    user, other = world.user("anna", "vault://app"), Signer()
    await world.administrator().create("local", other.shown)
    own = await world.attached()
    foreign = world.reactor(other, store="local")
    await foreign.attach()
    request = a_request()
    await user.ask(request)
    _, grant = await own.give_key()
    answer = await foreign.append(request.request_id, 1, foreign.provided(foreign.grant_for(request, "anna")))
    assert answer.error == "NOT_FOUND"
    await asyncio.gather(user.send(request.request_id, Sealed()), own.write(grant))
    assert foreign.delivered.empty()


async def test_receipts_with_wrong_digests_or_key_ids_are_refused(anna: User, reactor: FakeReactor) -> None:
    grant, sealed, sending = await sent(anna, reactor)
    request_id = grant.request.request_id
    other_grant = reactor.grant_for(grant.request, "anna")
    for lie, code in (
        (reactor.started(grant, b"x" * 32), "IDENTITY_CHANGED"),
        (reactor.started(other_grant, sealed.sha256), "IDENTITY_CHANGED"),
        (reactor.uploaded(grant, sealed.sha256), "CONFLICT"),
    ):
        assert (await reactor.append(request_id, 3, lie)).error == code
    assert (await reactor.append(request_id, 3, reactor.started(grant, sealed.sha256))).version == 4
    foreign = reactor.uploaded(grant, sealed.sha256, key_id=OTHER_KEY)
    assert (await reactor.append(request_id, 4, foreign)).error == "REFUSED"
    unsigned = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST)
    assert (await reactor.append(request_id, 4, unsigned)).error == "USAGE"
    assert (await reactor.append(request_id, 4, reactor.uploaded(grant, sealed.sha256, key_id=KEY_ID))).version == 5
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_peer_cannot_write_but_may_say_how_a_write_ended(world: World) -> None:
    user, issuer, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer)
    request_id, sealed = grant.request.request_id, Sealed()
    sending = asyncio.create_task(user.send(request_id, sealed))
    await peer.next("SecretUploadRequested")
    assert (await peer.append(request_id, 3, peer.started(grant, sealed.sha256))).error == "CONFLICT"
    await issuer.append(request_id, 3, issuer.started(grant, sealed.sha256))
    await issuer.leave()
    lost = peer.failed(grant, sealed.sha256, upload_pb2.REASON_OUTCOME_UNKNOWN)
    assert (await peer.append(request_id, 4, lost)).error == ""
    assert (await sending).reason == upload_pb2.REASON_OUTCOME_UNKNOWN


@pytest.mark.parametrize("heir_is_first", [True, False])
async def test_of_a_slow_issuer_and_its_heir_the_first_counts(world: World, heir_is_first: bool) -> None:
    user, issuer, heir = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant, sealed, sending = await sent(user, issuer)
    request_id = grant.request.request_id
    lost, started = heir.failed(grant, b"", upload_pb2.REASON_KEY_LOST), issuer.started(grant, sealed.sha256)
    if heir_is_first:
        assert (await heir.append(request_id, 3, lost)).version == 4
        assert (await issuer.append(request_id, 3, started)).error == "CONFLICT"
        assert (await sending).reason == upload_pb2.REASON_KEY_LOST
    else:
        assert (await issuer.append(request_id, 3, started)).version == 4
        for version in (3, 4):
            assert (await heir.append(request_id, version, lost)).error == "CONFLICT"
        assert (await issuer.append(request_id, 4, issuer.uploaded(grant, sealed.sha256))).version == 5
        assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_an_append_without_an_event_is_refused(reactor: FakeReactor) -> None:
    answer: asyncio.Future[reactor_pb2.Appended] = asyncio.get_running_loop().create_future()
    reactor.answers[9] = answer
    await reactor.call.write(reactor_pb2.AttachRequest(append=reactor_pb2.AppendEvent(call=9, request_id=bytes(16))))
    assert (await answer).error == "USAGE"


async def test_who_attaches_later_is_told_the_unfinished_requests_first(world: World) -> None:
    user, first = world.user("anna", "vault://app"), await world.attached()
    done, open_ = await until_granted(user, first), await until_granted(user, first)
    await asyncio.gather(user.send(done.request.request_id, Sealed()), first.write(done))
    second = world.reactor()
    attached = await second.attach()
    delivered = [await second.delivered.get() for _ in range(2)]
    assert [event.event.type for event in delivered] == ["SecretUploadKeyRequested", "SecretUploadKeyProvided"]
    assert {event.event.stream for event in delivered} == {f"upload/{open_.request.request_id.hex()}"}
    assert all(event.event.position <= attached.position for event in delivered)
    await user.ask(a_request())
    assert (await second.delivered.get()).event.position > attached.position


async def test_a_reactor_is_told_where_the_unfinished_requests_end(world: World) -> None:
    user, first = world.user("anna", "vault://app"), await world.attached()
    await until_granted(user, first)
    second = world.reactor()
    await second.open()
    await second.call.write(reactor_pb2.AttachRequest(attach=second.login()))
    assert (await second._read()).HasField("attached")
    await user.ask(a_request())
    delivered = [(await second._read()).WhichOneof("message") for _ in range(4)]
    assert delivered == ["delivery", "delivery", "caught_up", "delivery"]


async def test_the_issuer_that_attaches_again_is_told_the_sealed_secret_again(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant, _, sending = await sent(user, reactor)
    await reactor.leave()
    again = world.reactor(replica=reactor.replica)
    await again.attach()
    await again.write(grant)
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


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
TestRequest.settings = settings(stateful_step_count=30)


def forget(log: EventLog, monkeypatch: pytest.MonkeyPatch, *, recorded: bool) -> None:
    """Let the first append to each version of a stream end as unknown, with or without being recorded."""
    append, met = log.append, set[tuple[str, int | None]]()

    async def unknown(stream: str, expected_version: int | None, *arguments: Any, **named: Any) -> Any:
        first = (stream, expected_version) not in met
        met.add((stream, expected_version))
        done: Any = None
        if recorded or not first:
            done = await append(stream, expected_version, *arguments, **named)
        if first:
            raise UnknownAppendError
        return done

    monkeypatch.setattr(log, "append", unknown)


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call twice, as a client does that is told that what it needs is away."""
    await refusal("UNAVAILABLE", call())
    return await call()


async def appended(reactor: FakeReactor, request_id: bytes, version: int, event: Appends) -> None:
    """Append as a reactor does: the same again while m8 says that it is unavailable."""
    first = await reactor.append(request_id, version, event)
    assert (first.error, first.version) == ("UNAVAILABLE", 0)
    assert (await reactor.append(request_id, version, event)).version == version + 1


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_put_is_recorded_once_if_unsure(world: World, monkeypatch: pytest.MonkeyPatch, recorded: bool) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    forget(world.app.log, monkeypatch, recorded=recorded)
    request, sealed = a_request(uri="vault://app/db"), Sealed()
    request_id = await again(lambda: user.ask(request))
    grant = reactor.grant_for(request, "anna")
    await appended(reactor, request_id, 1, reactor.provided(grant))
    await refusal("UNAVAILABLE", user.send(request_id, sealed))
    sending = asyncio.create_task(user.send(request_id, sealed))
    await reactor.next("SecretUploadRequested")
    await appended(reactor, request_id, 3, reactor.started(grant, sealed.sha256))
    await appended(reactor, request_id, 4, reactor.uploaded(grant, sealed.sha256))
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED
    assert [event.type for event in (await user.events(request_id=request_id)).events] == [
        "SecretUploadKeyRequested",
        "SecretUploadKeyProvided",
        "SecretUploadRequested",
        "SecretUploadStarted",
        "SecretUploaded",
    ]


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_caller_that_does_not_send_again_is_told_that_it_is_not_known(
    world: World, administrator: User, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    forget(world.app.log, monkeypatch, recorded=recorded)
    with pytest.raises(CallError) as caught:
        await administrator.create("another", Signer().shown, active=False)
    assert caught.value.reason == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("recorded", [True, False])
async def test_an_unsure_login_attaches_once(world: World, monkeypatch: pytest.MonkeyPatch, recorded: bool) -> None:
    await world.attached()
    forget(world.app.log, monkeypatch, recorded=recorded)
    reactor = world.reactor()
    await reactor.open()
    with pytest.raises(CallError):
        await reactor.attach()
    assert isinstance(await world.reactor(replica=reactor.replica).attach(), reactor_pb2.Attached)
    attached = [event for event in await world.app.log.read_stream("reactor/vault") if event.type == "ReactorAttached"]
    assert len(attached) == 2


@pytest.mark.parametrize(
    ("command", "method", "fix"),
    [
        (("create", "--role", "administrator", "--subject", "root"), "issue", "nobody has that: revoke it"),
        (("revoke", "0" * 32), "revoke", "Revoke it again"),
    ],
)
def test_a_token_command_says_what_to_look_at(
    command: tuple[str, ...], method: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object, **__: object) -> None:
        raise UnknownAppendError

    monkeypatch.setattr(Tokens, method, lost)
    folder = lay_out(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0)).folder
    ended = click.testing.CliRunner().invoke(token, [command[0], "--dir", str(folder), *command[1:]])
    assert isinstance(ended.exception, OutcomeUnknownError)
    assert ended.exception.code is Code.OUTCOME_UNKNOWN
    assert fix in ended.exception.fix
    assert ended.stdout == ""

"""What m8 asks of who copies, what it records of copies, and the token that it gives the source's reactor."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError
from monoskope.m8.credentials.tokens import COPY_TTL_S, Tokens
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.principal import Principal
from monoskope.m8.readmodels.uploads import bytes_of
from monoskope.m8.service import session
from monoskope.m8.service.session import COPY_WITHIN_S
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError
from monoskope.protocol.open_receipt import put_request_id
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.wire import serialise
from monoskope.uri import SecretUri, UriPrefix
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import Sealed, User, refusal
from tests.support.m8_walk import PEER, Walk, fingerprints
from tests.support.m8_world import World, a_world, until_granted
from tests.support.vectors import KEY_ID, Signer, a_grant, a_request

COPY = upload_pb2.PURPOSE_COPY
EMPTY = hashlib.sha256(b"").digest()
URI = "vault://app/db"
DESTINATION = SecretUri.parse("local://app/db")
BOTH = ("vault://app", "local://app")
COPY_RIGHTS = frozenset({events_pb2.RIGHT_COPY, events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH})
NOTHING = Sealed(b"", b"")
DESTINATION_IDENTITY = Signer()


def a_copy(**fields: Any) -> Request:
    return a_request(purpose=COPY, destination=DESTINATION, **fields)


def there(grant: Grant) -> upload_pb2.Signed:
    receipt = make_receipt(
        grant=grant,
        sealed_sha256=b"s" * 32,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="w1",
        **fingerprints(KEY_ID),
    )
    return DESTINATION_IDENTITY.sign(RECEIPT, receipt.content)


def copied(walk: Walk, *, request_id: bytes = b"", **fields: Any) -> events_pb2.SecretCopied:
    put = a_grant(a_request(uri=str(DESTINATION), request_id=request_id or put_request_id(walk.request.request_id)))
    proof = {"destination": there(put), "destination_grant": DESTINATION_IDENTITY.sign(UPLOAD_GRANT, put.content)}
    fields = {"upstream_version": "1", **proof, **fingerprints(KEY_ID), **fields}
    return events_pb2.SecretCopied(receipt=walk.receipt(upload_pb2.OUTCOME_COPIED, **fields))


def test_only_the_issuer_says_that_it_copied_and_only_after_announcing_it() -> None:
    walk = Walk(a_copy(), digest=EMPTY)
    event = copied(walk)
    assert append_by_reactor(walk.writing(), event, walk.by()) == [event]
    assert walk.at(walk.asked(), walk.provided(), walk.sent(), walk.started(), event).state is State.ENDED
    for upload, by in ((walk.writing(), walk.by(PEER)), (walk.uploading(), walk.by())):
        with pytest.raises(WrongStepError):
            append_by_reactor(upload, event, by)
    failure = walk.failed(upload_pb2.REASON_OUTCOME_UNKNOWN)
    assert append_by_reactor(walk.writing(), failure, walk.by(PEER)) == [failure]


def test_a_put_that_is_not_this_copys_is_not_recorded_as_its_end() -> None:
    walk = Walk(a_copy(), digest=EMPTY)
    event = copied(walk, destination_grant=None)  # of an older reactor: what it did is done, and the log must tell
    assert append_by_reactor(walk.writing(), event, walk.by()) == [event]
    with pytest.raises(ProofError, match="another request"):
        append_by_reactor(walk.writing(), copied(walk, request_id=b"e" * 16), walk.by())


def test_a_copy_of_other_keys_is_not_recorded_as_its_end() -> None:
    walk = Walk(a_copy(keys=("other",)), digest=EMPTY)
    with pytest.raises(ProofError, match="other keys"):
        append_by_reactor(walk.writing(), copied(walk), walk.by())
    (shown,) = [key for key, _ in fingerprints(KEY_ID)["values"]]
    walk = Walk(a_copy(keys=(shown,)), digest=EMPTY)
    event = copied(walk)
    assert append_by_reactor(walk.writing(), event, walk.by()) == [event]


def test_what_a_copy_expects_is_not_looked_for_at_its_source() -> None:
    message = upload_pb2.UploadRequest.FromString(a_copy().content)
    message.expect, message.expect_version = upload_pb2.EXPECT_VERSION, "w0"
    walk = Walk(parse_request(serialise(message)), digest=EMPTY)
    started = walk.started()
    assert append_by_reactor(walk.uploading(), started, walk.by()) == [started]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        await world.administrator().create("local", DESTINATION_IDENTITY.shown, kind="age")
        yield world


def copier(world: World, **fields: Any) -> User:
    return world.user("anna", *BOTH, **{"rights": COPY_RIGHTS, **fields})


async def test_rights_are_needed_on_both_sides(world: World) -> None:
    await world.attached()
    await copier(world).ask(a_copy())
    for missing, word in (
        (events_pb2.RIGHT_COPY, "copy"),
        (events_pb2.RIGHT_PUT, "put"),
        (events_pb2.RIGHT_SEE_HASH, "see-hash"),
    ):
        await refusal("REFUSED", copier(world, rights=COPY_RIGHTS - {missing}).ask(a_copy()), word)
    user = world.user("anna", "vault://app", "third://app", rights=COPY_RIGHTS)
    await refusal("NOT_FOUND", user.ask(a_request(purpose=COPY, destination=SecretUri.parse("third://app/db"))))
    for prefix in BOTH:
        await refusal("NOT_FOUND", world.user("bob", prefix, rights=COPY_RIGHTS).ask(a_copy()))


async def test_rights_are_needed_at_both_places_of_one_store(world: World) -> None:
    await world.attached()

    def within() -> Request:
        return a_request(purpose=COPY, destination=SecretUri.parse("vault://team/db"), keys=("password",))

    await world.user("anna", "vault://app", "vault://team", rights=COPY_RIGHTS).ask(within())
    for prefix in ("vault://app", "vault://team", "vault://app/db"):
        await refusal("NOT_FOUND", world.user("bob", prefix, rights=COPY_RIGHTS).ask(within()))
    await refusal("REFUSED", copier(world, rights=COPY_RIGHTS - {events_pb2.RIGHT_PUT}).ask(to_next()), "put")


def to_next() -> Request:
    """A copy within one store and one prefix."""
    return a_request(purpose=COPY, destination=SecretUri.parse("vault://app/db.next"))


async def test_a_reactor_that_copies_to_its_own_store_hears_of_both_requests(world: World, given: list[str]) -> None:
    reactor = await world.attached()
    request = to_next()
    user = copier(world)
    _, sending = await writing(user, reactor, request)
    answer = await authorize(reactor, request.request_id)
    assert answer.token == "anna at vault://app/db.next"
    put = a_request(uri="vault://app/db.next", request_id=put_request_id(request.request_id))
    await user.ask(put)
    assert (await reactor.give_key())[0] == put.request_id
    assert len(given) == 1
    sending.cancel()
    await asyncio.wait({sending})


async def authorize(reactor: FakeReactor, request_id: bytes) -> reactor_pb2.CopyAuthorized:
    reactor.calls += 1
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    reactor.answers[reactor.calls] = answer
    asked = reactor_pb2.AuthorizeCopy(call=reactor.calls, request_id=request_id)
    await reactor.call.write(reactor_pb2.AttachRequest(authorize_copy=asked))
    async with asyncio.timeout(60):
        found: reactor_pb2.CopyAuthorized = await answer
    return found


async def writing(
    user: User, reactor: FakeReactor, request: Request, sealed: Sealed = NOTHING
) -> tuple[Grant, asyncio.Task[Any]]:
    await user.ask(request)
    _, grant = await reactor.give_key()
    sending = asyncio.create_task(user.send(request.request_id, sealed))
    await reactor.next("SecretUploadRequested")
    assert (await reactor.append(request.request_id, 3, reactor.started(grant, sealed.sha256))).error == ""
    return grant, sending


@pytest.fixture
def given(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the tokens that m8 gave; each is given once, and names who may put where."""
    found: list[str] = []

    async def issue(token_id: str, subject: str, destination: SecretUri) -> str:
        if token_id in found:
            raise ConflictError("that token was issued before.")
        found.append(token_id)
        return f"{subject} at {destination}"

    monkeypatch.setattr(world.app.issuing(), "issue_for_copy", issue)
    return found


async def test_a_copy_gets_one_token_to_put_at_its_destination(world: World, given: list[str]) -> None:
    reactor = await world.attached()
    request = a_copy(keys=("password",))
    grant, sending = await writing(copier(world), reactor, request)
    assert (await authorize(reactor, request.request_id)).token == f"anna at {DESTINATION}"
    assert len(given) == 1
    again = await authorize(reactor, request.request_id)
    assert (again.token, again.error) == ("", "CONFLICT")
    receipt = reactor.receipt(
        grant,
        EMPTY,
        upload_pb2.OUTCOME_COPIED,
        upstream_version="1",
        destination=there(a_grant(a_request(uri=str(DESTINATION)))),
        **fingerprints(KEY_ID),
    )
    assert (await reactor.append(request.request_id, 4, events_pb2.SecretCopied(receipt=receipt))).error == ""
    upload = await sending
    assert (upload.outcome, upload.state) == (upload_pb2.OUTCOME_COPIED, views_pb2.UPLOAD_STATE_ENDED)
    assert (await authorize(reactor, request.request_id)).error == "CONFLICT"
    events = (await copier(world).events(request_id=request.request_id)).events
    assert events[0].detail == f"COPY of {URI} to {DESTINATION}, keys password"
    assert events[-1].detail == "COPIED, version 1"


async def test_nobody_else_and_nothing_else_gets_a_token(world: World, given: list[str]) -> None:
    issuer, peer = await world.attached(), await world.attached()
    assert (await authorize(issuer, bytes(16))).error == "NOT_FOUND"
    early = await until_granted(copier(world), issuer, purpose=COPY, destination=DESTINATION)
    assert (await authorize(issuer, early.request.request_id)).error == "CONFLICT"
    put = a_request()
    _, sending = await writing(copier(world), issuer, put, Sealed())
    assert (await authorize(issuer, put.request_id)).error == "NOT_FOUND"
    sending.cancel()
    copy = a_copy()
    _, sending = await writing(copier(world), issuer, copy)
    assert (await authorize(peer, copy.request_id)).error == "REFUSED"
    assert given == []
    other = world.reactor(DESTINATION_IDENTITY, store="local")
    login = other.login
    await other.open()
    await other.attach(login(kind="age"))
    assert (await authorize(other, copy.request_id)).error == "NOT_FOUND"
    assert given == []
    sending.cancel()


async def test_a_token_is_not_given_long_after_the_copy_began(world: World, given: list[str]) -> None:
    reactor = await world.attached()
    late, in_time = a_copy(), a_copy()
    _, first = await writing(copier(world), reactor, late)
    world.clock.pass_s(COPY_WITHIN_S + 1)
    _, second = await writing(copier(world), reactor, in_time)
    world.clock.pass_s(COPY_WITHIN_S)
    assert (await authorize(reactor, late.request_id)).error == "CONFLICT"
    assert given == []
    assert (await authorize(reactor, in_time.request_id)).token
    first.cancel()
    second.cancel()


ROTATION = (
    commands_pb2.StartFingerprintKeyRotationRequest(key_id="b" * 16),
    commands_pb2.FinishFingerprintKeyRotationRequest(key_id="b" * 16, force=True),
)
REPLACEMENT = (commands_pb2.ReplaceSecretStoreIdentityRequest(name="vault", identity=Signer().shown),)


@pytest.mark.parametrize(
    ("calls", "code"), [(REPLACEMENT, "IDENTITY_CHANGED"), (ROTATION, "REFUSED")], ids=["identity", "fingerprint key"]
)
async def test_a_reactor_that_was_shut_out_gets_no_token(
    calls: tuple[Message, ...], code: str, world: World, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before its session hears of it, as of what another m8 has recorded just now."""
    monkeypatch.setattr(session, "_OURS", frozenset())
    reactor = await world.attached()
    request = a_copy()
    _, sending = await writing(copier(world), reactor, request)
    for call in calls:
        await world.administrator().call(call)
    assert (await authorize(reactor, request.request_id)).error == code
    assert given == []
    sending.cancel()


async def test_a_server_without_tokens_says_so(world: World) -> None:
    world.app.tokens = None
    reactor = await world.attached()
    request = a_copy()
    _, sending = await writing(copier(world), reactor, request)
    assert (await authorize(reactor, request.request_id)).error == "REFUSED"
    sending.cancel()


async def test_the_token_is_recorded_counts_for_minutes_and_is_given_once(world: World) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    tokens = Tokens(world.app.log, signing_key=Ed25519PrivateKey.generate(), audience="m8", clock=world.clock)
    jwt = await tokens.issue_for_copy("ab" * 16, "anna", DESTINATION)
    principal: Principal = await tokens.authenticate(jwt)
    assert (principal.subject, principal.token_id) == ("anna", "ab" * 16)
    assert principal.prefixes == (UriPrefix.parse(str(DESTINATION)),)
    assert principal.pairs[0].rights == {events_pb2.RIGHT_PUT}
    assert principal.expires_at_ms == world.clock() + COPY_TTL_S * 1000
    assert not principal.may(events_pb2.RIGHT_PUT, SecretUri.parse("local://app/other"))
    with pytest.raises(ConflictError):
        await tokens.issue_for_copy("ab" * 16, "anna", DESTINATION)
    [event] = await world.app.log.read_stream(f"token/{'ab' * 16}")
    counted = (await world.app.documents.usage("anna", event.recorded_at_ms)).size
    assert counted >= 2 * bytes_of(len(event.record)), "with its revocation, against who asked for the copy"

"""A hostile m8 before step 5: whatever it does to the grant, nothing is sent (docs/protocol.md, step 3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import PutResult
from monoskope.client.known_stores import KnownStores
from monoskope.errors import Error, IdentityChangedError, NotAgreedError, NotFoundError, RefusedError, UnavailableError
from monoskope.protocol.labels import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.request import make_request
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from monoskope.testing.scripted.client import client_for, was_received
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri

VALUE = b"correct horse battery staple \xff\x00"
URI = "vault://app/db"

KeyAnswer = queries_pb2.GetSecretUploadKeyResponse


@pytest.fixture(params=[True, False], ids=["key-at-once", "key-by-query"])
async def m8(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ScriptedM8]:
    """Whichever way the key comes, it is believed no more."""
    async with ScriptedM8().serving(tmp_path) as scripted:
        scripted.waits = request.param
        yield scripted


async def put(m8: ScriptedM8, known: KnownStores, uri: str = URI, *, subject: str = "alice") -> PutResult:
    async with client_for(m8, known.path.parent, subject=subject) as client:
        return await client.put_secret(uri, {"password": VALUE}, timeout=60)


async def refused(m8: ScriptedM8, known: KnownStores, kind: type[Error], uri: str = URI) -> str:
    """Put, expect an error of `kind`, and that nothing was sent; return its message."""
    with pytest.raises(kind) as caught:
        await put(m8, known, uri)
    assert m8.count("RequestUploadSecret") == 0
    assert not was_received(m8, VALUE)
    return caught.value.message


def bent(change: Callable[[Attempt], Attempt]) -> Callable[[Attempt], KeyAnswer]:
    """Answer with the signed grant of another attempt than the one asked for."""
    return lambda attempt: KeyAnswer(state=views_pb2.UPLOAD_STATE_GRANTED, grant=change(attempt).signed_grant())


def rewritten(field: str, value: object) -> Callable[[Attempt], KeyAnswer]:
    """Answer with the grant in which one field is changed, signed by the reactor itself."""

    def answer(attempt: Attempt) -> KeyAnswer:
        message = upload_pb2.UploadGrant.FromString(attempt.grant.content)
        setattr(message, field, value)
        signed = attempt.signer.sign(UPLOAD_GRANT, message.SerializeToString(deterministic=True))
        return KeyAnswer(state=views_pb2.UPLOAD_STATE_GRANTED, grant=signed)

    return answer


async def test_an_honest_walk_succeeds_and_shows_m8_no_value(m8: ScriptedM8, known: KnownStores) -> None:
    result = await put(m8, known)

    assert result.outcome == "UPLOADED"
    assert m8.count("RequestUploadSecret") == 1
    assert len(m8.attempts[0].sealed[0]) == 1_120 + 512 + 16
    assert not was_received(m8, VALUE)


async def test_the_key_comes_with_the_answer_or_is_asked_for(m8: ScriptedM8, known: KnownStores) -> None:
    await put(m8, known)

    assert m8.count("GetSecretUploadKey") == (0 if m8.waits else 1)


async def test_a_key_that_is_not_there_at_once_is_asked_for(m8: ScriptedM8, known: KnownStores) -> None:
    answers = [KeyAnswer(state=views_pb2.UPLOAD_STATE_REQUESTED)] * 3
    m8.key_answer = lambda attempt: answers.pop() if answers else m8.honest_key(attempt)

    assert (await put(m8, known)).outcome == "UPLOADED"
    assert m8.count("RequestSecretUploadKey") == 1
    assert m8.count("GetSecretUploadKey") == (3 if m8.waits else 4)


async def test_a_swapped_public_key_signed_by_another_identity_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    thief = Identity()
    m8.key_answer = bent(lambda attempt: m8.grant_for(attempt.request, signer=thief, key=OneTimeKey()))

    message = await refused(m8, known, IdentityChangedError)

    assert thief.shown in message
    assert m8.identity.shown in message


async def test_a_swapped_public_key_under_the_old_signature_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    def answer(attempt: Attempt) -> KeyAnswer:
        signed = attempt.signed_grant()
        signed.content = m8.grant_for(attempt.request).grant.content
        return KeyAnswer(state=views_pb2.UPLOAD_STATE_GRANTED, grant=signed)

    m8.key_answer = answer

    assert "does not verify" in await refused(m8, known, IdentityChangedError)


async def test_a_grant_signed_under_another_label_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.key_answer = lambda attempt: KeyAnswer(
        state=views_pb2.UPLOAD_STATE_GRANTED, grant=attempt.signer.sign(RECEIPT, attempt.grant.content)
    )

    assert "does not verify" in await refused(m8, known, IdentityChangedError)


async def test_the_grant_of_an_earlier_request_is_a_replay(m8: ScriptedM8, known: KnownStores) -> None:
    await put(m8, known)
    first = m8.attempts[0]
    m8.calls.clear()
    m8.key_answer = bent(lambda _: first)

    assert "another request" in await refused(m8, known, IdentityChangedError)


async def test_a_grant_for_another_uri_is_a_redirect(m8: ScriptedM8, known: KnownStores) -> None:
    def redirect(attempt: Attempt) -> Attempt:
        asked = attempt.request
        other = make_request(
            request_id=asked.request_id,
            purpose=asked.purpose,
            uri=SecretUri.parse("vault://app/elsewhere"),
            expect=asked.expect,
            suites=asked.suites,
        )
        return m8.grant_for(other)

    m8.key_answer = bent(redirect)

    assert "another request" in await refused(m8, known, IdentityChangedError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("suite", 2),
        ("public_key", bytes(1_215)),
        ("public_key", b"\xff" * 1_216),
        ("replica", b"short"),
        ("lifetime_s", 29),
        ("lifetime_s", 3_601),
        ("max_plaintext", 700),
        ("max_plaintext", 2_097_152),
        ("fingerprint_key_id", "no hex"),
        ("subject", ""),
        ("subject", "mallory"),
    ],
)
async def test_a_signed_grant_that_breaks_a_rule_gets_nothing(
    m8: ScriptedM8, known: KnownStores, field: str, value: object
) -> None:
    m8.key_answer = rewritten(field, value)

    await refused(m8, known, IdentityChangedError)


async def test_a_grant_that_is_not_in_its_one_form_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.key_answer = lambda attempt: KeyAnswer(
        state=views_pb2.UPLOAD_STATE_GRANTED,
        grant=attempt.signer.sign(UPLOAD_GRANT, attempt.grant.content + b"\x78\x01"),
    )

    assert "malformed" in await refused(m8, known, IdentityChangedError)


async def test_a_grant_for_another_user_than_the_tokens_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    with pytest.raises(IdentityChangedError, match="another user"):
        await put(m8, known, subject="bob")

    assert m8.count("RequestUploadSecret") == 0


async def test_a_store_that_shows_another_identity_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    other = Identity()
    m8.stores["vault"].identity = other.shown

    message = await refused(m8, known, IdentityChangedError)

    assert other.shown in message
    assert m8.identity.shown in message
    assert m8.count("RequestSecretUploadKey") == 0


async def test_an_identity_that_is_known_by_another_name_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.add_store("local", m8.identity, kind="age")

    message = await refused(m8, known, IdentityChangedError, "local://app/db")

    assert "'vault'" in message
    assert "'local'" in message


async def test_another_default_store_than_the_agreed_one_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.add_store("local", Identity(), kind="age")
    m8.default = "local"

    message = await refused(m8, known, IdentityChangedError, "app/db")

    assert "'vault'" in message
    assert "'local'" in message
    assert m8.count("RequestSecretUploadKey") == 0


async def test_an_answer_about_another_store_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.stores["vault"].name = "local"

    assert "'local'" in await refused(m8, known, IdentityChangedError)


async def test_first_contact_without_anybody_to_ask_gets_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    stranger = Identity()
    m8.add_store("local", stranger, kind="age")

    message = await refused(m8, known, NotAgreedError, "local://app/db")

    assert stranger.shown in message
    assert "first contact" in message
    assert known.identity(m8.server, "local") is None


@pytest.mark.parametrize(
    ("reason", "kind", "attempts"),
    [
        (upload_pb2.REASON_NO_REACTOR, UnavailableError, 1),
        (upload_pb2.REASON_KEY_LOST, UnavailableError, 4),
        (upload_pb2.REASON_UPSTREAM_UNAVAILABLE, UnavailableError, 4),
    ],
)
async def test_an_end_without_a_key_is_failure(
    m8: ScriptedM8, known: KnownStores, reason: upload_pb2.Reason, kind: type[Error], attempts: int
) -> None:
    m8.key_answer = lambda _: KeyAnswer(state=views_pb2.UPLOAD_STATE_ENDED, reason=reason)

    await refused(m8, known, kind)

    assert len({attempt.request.request_id for attempt in m8.attempts}) == attempts


async def test_an_end_that_shows_a_key_too_is_failure(m8: ScriptedM8, known: KnownStores) -> None:
    m8.key_answer = lambda attempt: KeyAnswer(
        state=views_pb2.UPLOAD_STATE_ENDED, grant=attempt.signed_grant(), reason=upload_pb2.REASON_STORE_INACTIVE
    )

    await refused(m8, known, RefusedError)


async def test_what_m8_refuses_before_step_5_is_told_as_it_is(m8: ScriptedM8, known: KnownStores) -> None:
    m8.failing["RequestSecretUploadKey"] = [NotFoundError("there is no such secret for you.", fix="Ask for a prefix.")]

    assert await refused(m8, known, NotFoundError) == "m8 says: there is no such secret for you."

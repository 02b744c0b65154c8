"""A credential counts only if this server signed it and its log issued it; a member's has the rights of bindings."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error, NotFoundError, RefusedError, UnauthenticatedError, UsageError
from monoskope.m8.credentials import tokens as module
from monoskope.m8.credentials.token_rules import MAX_TTL_S
from monoskope.m8.credentials.tokens import Issued, Tokens, read_signing_key
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, Aggregates
from monoskope.m8.domain.events import write
from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import documents
from monoskope.protocol.login import Member
from monoskope.uri import SecretUri
from tests.support.failures import failure
from tests.support.m8_world import Clock

NOW_S = 1_800_000_000
RIGHTS = (events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH)


@pytest.fixture
def clock() -> Clock:
    found = Clock()
    found.now_ms = NOW_S * 1000
    return found


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
async def log(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=clock, projector=documents.project)
    yield opened
    await opened.close()


@pytest.fixture
def tokens(log: SqliteLog, key: Ed25519PrivateKey, clock: Clock) -> Tokens:
    return Tokens(log, signing_key=key, audience="m8", clock=clock)


async def issue(tokens: Tokens, **changes: Any) -> Issued:
    arguments: dict[str, Any] = {
        "subject": "alice",
        "role": events_pb2.ROLE_USER,
        "prefixes": ["vault://team-a", "local://"],
        "rights": RIGHTS,
        "ttl_s": 3600,
    }
    return await tokens.issue(**{**arguments, **changes})


def jose(key: Ed25519PrivateKey) -> OKPKey:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return OKPKey.import_key(pem)


def segments(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


def join(*parts: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(segments(token)[1])
    return claims


def sign(claims: dict[str, Any], key: Ed25519PrivateKey) -> str:
    return jwt.encode({"alg": "Ed25519"}, claims, jose(key), algorithms=["Ed25519"])


async def refusal(tokens: Tokens, token: str) -> str:
    """Why `token` is refused; the reason must come with a fix and never with the token."""
    caught = await failure(UnauthenticatedError, tokens.authenticate(token))
    assert caught.fix
    for part in token.split("."):
        assert len(part) < 8 or part not in f"{caught!r}{caught}"
    return caught.message


async def test_a_token_says_who_its_holder_is(tokens: Tokens) -> None:
    issued = await issue(tokens)
    principal = await tokens.authenticate(issued.jwt)
    assert (principal.subject, principal.token_id) == ("alice", issued.id)
    assert principal.roles == {events_pb2.ROLE_USER}
    assert [str(prefix) for prefix in principal.prefixes] == ["local://", "vault://team-a"]
    assert {pair.rights for pair in principal.pairs} == {frozenset(RIGHTS)}
    assert principal.expires_at_ms == (NOW_S + 3600) * 1000
    assert issued.jwt not in repr(issued)


async def test_an_administrator_has_no_prefixes_and_no_rights(tokens: Tokens) -> None:
    issued = await issue(tokens, role=events_pb2.ROLE_ADMINISTRATOR, prefixes=[], rights=[])
    principal = await tokens.authenticate(issued.jwt)
    assert principal.is_administrator
    assert principal.pairs == ()


async def test_a_revoked_token_is_refused_by_another_process_at_once(
    tokens: Tokens, tmp_path: Path, key: Ed25519PrivateKey, clock: Clock
) -> None:
    issued = await issue(tokens)
    await tokens.authenticate(issued.jwt)
    elsewhere = await SqliteLog.open(tmp_path / "log.db", clock=clock, projector=documents.project)
    await Tokens(elsewhere, signing_key=key, audience="m8", clock=clock).revoke(issued.id)
    await elsewhere.close()
    assert await refusal(tokens, issued.jwt) == f"the token {issued.id} was revoked."


async def test_a_token_counts_until_its_last_moment_known_or_not(tokens: Tokens, clock: Clock) -> None:
    issued, unseen = await issue(tokens), await issue(tokens)
    for now_ms in (NOW_S * 1000, (NOW_S + 3600) * 1000 - 1):
        clock.now_ms = now_ms
        await tokens.authenticate(issued.jwt)
    clock.now_ms += 1
    for token in (issued, unseen):
        assert await refusal(tokens, token.jwt) == "the token expired at 2027-01-15T09:00:00Z."
    clock.now_ms = (NOW_S - 61) * 1000  # somebody set the clock back
    assert "is valid only from" in await refusal(tokens, issued.jwt)


async def test_knowing_a_token_vouches_for_no_other(tokens: Tokens) -> None:
    issued, other = await issue(tokens), await issue(tokens, subject="bob")
    await tokens.authenticate(issued.jwt)
    await tokens.authenticate(other.jwt)
    head, claims, _ = issued.jwt.split(".")
    assert "signature" in await refusal(tokens, f"{head}.{claims}.{other.jwt.split('.')[2]}")
    assert "signature" in await refusal(tokens, f"{head}.{other.jwt.split('.')[1]}.{issued.jwt.split('.')[2]}")


async def test_tokens_beyond_those_remembered_count_and_end(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VERIFIED", 2)
    every = [await issue(tokens, subject=f"user-{number}") for number in range(5)]
    for issued in every * 2:
        assert (await tokens.authenticate(issued.jwt)).token_id == issued.id
    await tokens.revoke(every[0].id)
    await tokens.revoke(every[4].id)
    assert "revoked" in await refusal(tokens, every[0].jwt)
    assert "revoked" in await refusal(tokens, every[4].jwt)
    await tokens.authenticate(every[1].jwt)


async def test_no_token_is_kept_in_memory(tokens: Tokens) -> None:
    issued = await issue(tokens)
    await tokens.authenticate(issued.jwt)
    kept = repr(vars(tokens))
    assert not any(part in kept for part in issued.jwt.split(".")[1:])


async def test_revoking_twice_is_recorded_once(tokens: Tokens, log: SqliteLog) -> None:
    issued = await issue(tokens)
    await tokens.revoke(issued.id)
    await tokens.revoke(issued.id)
    assert [event.type for event in await log.read_stream(f"token/{issued.id}")] == ["TokenIssued", "TokenRevoked"]


@pytest.mark.parametrize("token_id", ["", "x", "0" * 32, "../secret-stores"])
async def test_only_known_tokens_can_be_revoked(tokens: Tokens, log: SqliteLog, token_id: str) -> None:
    await failure(NotFoundError, tokens.revoke(token_id))
    assert await log.head() == 0


async def test_revocation_survives_a_rebuild(tokens: Tokens, log: SqliteLog) -> None:
    kept, revoked = await issue(tokens), await issue(tokens, subject="bob")
    await tokens.revoke(revoked.id)
    await log.rebuild()
    await tokens.authenticate(kept.jwt)
    assert "revoked" in await refusal(tokens, revoked.jwt)


async def test_the_list_shows_every_token_without_the_token(tokens: Tokens) -> None:
    alice, bob = await issue(tokens), await issue(tokens, subject="bob")
    await tokens.revoke(bob.id)
    listed = {issued.id: (issued, revoked) async for issued, revoked in tokens.list()}
    assert {key: revoked for key, (_, revoked) in listed.items()} == {alice.id: False, bob.id: True}
    assert listed[alice.id][0].prefixes == ["local://", "vault://team-a"]
    assert alice.jwt not in str(listed)


async def test_another_keys_signature_is_refused_and_a_key_that_the_token_brings_is_not_used(tokens: Tokens) -> None:
    stranger, claims = Ed25519PrivateKey.generate(), claims_of((await issue(tokens)).jwt)
    assert "its signature is wrong" in await refusal(tokens, sign(claims, stranger))
    header = {"alg": "Ed25519", "jwk": jose(stranger).as_dict(private=False)}
    await refusal(tokens, jwt.encode(header, claims, jose(stranger), algorithms=["Ed25519"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sub", "bob"),
        ("role", "administrator"),
        ("prefixes", ["local://", "vault://team-a", "vault://team-b"]),
        ("rights", ["put", "compare", "see-hash"]),
        ("exp", NOW_S + 999_999),
    ],
)
async def test_a_changed_claim_is_refused(tokens: Tokens, key: Ed25519PrivateKey, field: str, value: object) -> None:
    issued = await issue(tokens)
    claims = {**claims_of(issued.jwt), field: value}
    header, _, signature = segments(issued.jwt)
    tampered = join(header, json.dumps(claims).encode(), signature)
    assert "its signature is wrong" in await refusal(tokens, tampered)
    # Even whoever has the signing key gets no more than the log gave.
    assert "differs from what this server's log" in await refusal(tokens, sign(claims, key))


async def test_what_the_log_did_not_issue_or_for_another_audience_is_refused(
    log: SqliteLog, tokens: Tokens, tmp_path: Path, key: Ed25519PrivateKey, clock: Clock
) -> None:
    claims = {**claims_of((await issue(tokens)).jwt), "jti": os.urandom(16).hex()}
    assert "log does not know it" in await refusal(tokens, sign(claims, key))
    other = await SqliteLog.open(tmp_path / "other.db", clock=clock, projector=documents.project)
    issued = await issue(Tokens(other, signing_key=key, audience="m8", clock=clock))
    await other.close()
    assert "log does not know it" in await refusal(tokens, issued.jwt)
    issued = await issue(Tokens(log, signing_key=key, audience="staging", clock=clock))
    assert "another audience" in await refusal(tokens, issued.jwt)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "somebody"}, "was not issued by m8"),
        ({"aud": ["m8", "staging"]}, "claims are not those"),
        ({"iat": NOW_S + 61}, "is valid only from"),
        ({"nbf": NOW_S + 61}, "is valid only from"),
        ({"exp": NOW_S}, "expired at"),
        ({"exp": 10**18}, "differs from what"),
        ({"exp": str(NOW_S + 3600)}, "claims are not those"),
        ({"exp": NOW_S + 3600.5}, "claims are not those"),
        ({"admin": True}, "claims are not those"),
        ({"jti": None}, "claims are not those"),
    ],
)
async def test_signed_claims_are_checked_too(
    tokens: Tokens, key: Ed25519PrivateKey, changes: dict[str, object], reason: str
) -> None:
    claims = {**claims_of((await issue(tokens)).jwt), **changes}
    assert reason in await refusal(tokens, sign(claims, key))


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "exp", "iat", "jti", "role", "prefixes", "rights"])
async def test_no_claim_may_be_missing(tokens: Tokens, key: Ed25519PrivateKey, missing: str) -> None:
    claims = claims_of((await issue(tokens)).jwt)
    del claims[missing]
    assert "claims are not those" in await refusal(tokens, sign(claims, key))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
async def test_alg_none_is_refused(tokens: Tokens, alg: str) -> None:
    _, payload, signature = segments((await issue(tokens)).jwt)
    header = json.dumps({"alg": alg, "typ": "JWT"}).encode()
    for end in (b"", signature):
        assert "not a token of m8" in await refusal(tokens, join(header, payload, end))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["raw", "pem"])
async def test_an_hmac_keyed_with_the_public_key_is_refused(
    tokens: Tokens, key: Ed25519PrivateKey, alg: str, form: str
) -> None:
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    secret = OctKey.import_key(base64.b64encode(public.public_bytes_raw() if form == "raw" else pem))
    forged = jwt.encode({"alg": alg}, claims_of((await issue(tokens)).jwt), secret, algorithms=[alg])
    assert "not a token of m8" in await refusal(tokens, forged)


async def test_other_signature_algorithms_are_refused(tokens: Tokens, key: Ed25519PrivateKey) -> None:
    claims = claims_of((await issue(tokens)).jwt)
    elliptic = jwt.encode({"alg": "ES256"}, claims, ECKey.generate_key("P-256"), algorithms=["ES256"])
    await refusal(tokens, elliptic)
    header, payload = json.dumps({"alg": "EdDSA", "typ": "JWT"}).encode(), json.dumps(claims).encode()
    signed = join(header, payload)
    await refusal(tokens, f"{signed}.{join(key.sign(signed.encode()))}")


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "ä.ö.ü", "A" * 20_000, "Bearer x.y.z"])
async def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    assert await refusal(tokens, text) == "the credential is not a token of m8."


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=st.text(max_size=200) | st.lists(st.binary(max_size=60), max_size=4).map(lambda parts: join(*parts)))
async def test_any_text_is_refused_in_our_own_words(tokens: Tokens, text: str) -> None:
    await failure(UnauthenticatedError, tokens.authenticate(text))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "m8"}, "subject"),
        ({"subject": "reactor/vault/00000000"}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "a" * 129}, "subject"),
        ({"ttl_s": 0}, "--ttl"),
        ({"ttl_s": MAX_TTL_S + 1}, "--ttl"),
        ({"prefixes": ["team-a"]}, "prefix"),
        ({"prefixes": []}, "prefix"),
        ({"rights": []}, "one prefix and one right; without them it could do nothing. Add for example --prefix"),
        ({"rights": [events_pb2.RIGHT_UNSPECIFIED]}, "right"),
        ({"role": events_pb2.ROLE_UNSPECIFIED}, "role"),
        ({"role": events_pb2.ROLE_ADMINISTRATOR}, "administrator"),
    ],
)
async def test_no_token_breaks_a_rule(tokens: Tokens, log: SqliteLog, changes: dict[str, object], field: str) -> None:
    assert field in str(await failure(UsageError, issue(tokens, **changes)))
    assert await log.head() == 0


async def test_documents_come_from_token_events_alone(log: SqliteLog) -> None:
    event = events_pb2.FingerprintKeyAdopted(key_id="0" * 16)
    await log.append("fingerprint-key", 0, [NewEvent("FingerprintKeyAdopted", event.SerializeToString())], actor="m8")
    assert await log.scan(documents.TOKENS, limit=10) == []
    assert await log.scan(documents.REVOCATIONS, limit=10) == []


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda path: path.write_bytes(b"x" * 31), UsageError),
        (lambda path: path.chmod(0o640), RefusedError),
        (Path.unlink, UsageError),
    ],
)
def test_a_changed_signing_key_is_refused(tmp_path: Path, spoil: Callable[[Path], None], error: type[Error]) -> None:
    path = tmp_path / "token-signing.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    read_signing_key(path)
    spoil(path)
    with pytest.raises(error, match=r"token-signing\.key"):
        read_signing_key(path)


ANNA = Member.parse("user:corp:anna")
TEAM = Member.parse("group:corp:team-a")
ADMIN = Member.parse("user:corp:root")
PUT, SEE_HASH, DELETE = events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH, events_pb2.RIGHT_DELETE


async def bind(log: SqliteLog, name: str, member: Member, *, actor: str = "m8/os/root", **what: Any) -> None:
    event = events_pb2.RoleBindingCreated(name=name, members=[str(member)], **what)
    await log.append("role-bindings", None, [write(event)], actor=actor)


async def test_a_token_of_a_member_names_it_and_is_allowed_nothing_by_itself(tokens: Tokens, log: SqliteLog) -> None:
    issued = await tokens.issue_for_member(ANNA, ttl_s=60, issuer="https://id", issuer_subject="7", groups=[TEAM])
    principal = await tokens.authenticate(issued.jwt)
    assert (principal.subject, principal.member, principal.groups) == ("user:corp:anna", ANNA, (TEAM,))
    assert (principal.issuer, principal.issuer_subject) == ("https://id", "7")
    assert (principal.roles, principal.pairs) == (frozenset(), ())
    assert (await Aggregates(log).get(ROLE_BINDINGS)).bound(principal) == principal


async def test_rights_come_from_the_bindings_of_now_and_roles_add_up(tokens: Tokens, log: SqliteLog) -> None:
    issued = await tokens.issue_for_member(ANNA, ttl_s=60, groups=[TEAM])
    principal, aggregates = await tokens.authenticate(issued.jwt), Aggregates(log)
    await bind(log, "anna", ANNA, role=events_pb2.ROLE_USER, prefix="vault://a", rights=[PUT])
    await bind(log, "team", TEAM, role=events_pb2.ROLE_USER, prefix="vault://b", rights=[DELETE])
    await bind(log, "audit", TEAM, role=events_pb2.ROLE_AUDITOR)
    bound = (await aggregates.get(ROLE_BINDINGS)).bound(principal)
    a, b = SecretUri.parse("vault://a/x"), SecretUri.parse("vault://b/x")
    assert bound.may(PUT, a)
    assert bound.may(DELETE, b)
    assert not bound.may(DELETE, a), "two bindings together would grant what neither does"
    assert not bound.may(PUT, b), "two bindings together would grant what neither does"
    assert bound.sees_all
    assert not bound.is_administrator
    await log.append("role-bindings", None, [write(events_pb2.RoleBindingDeleted(name="team"))], actor="m8/os/root")
    assert not (await aggregates.get(ROLE_BINDINGS)).bound(principal).may(DELETE, b)


async def test_a_binding_gives_nothing_to_who_created_it_even_by_a_group(tokens: Tokens, log: SqliteLog) -> None:
    await bind(log, "mine", TEAM, role=events_pb2.ROLE_USER, prefix="vault://a", rights=[PUT], actor=str(ADMIN))
    secret = SecretUri.parse("vault://a/x")
    for member, allowed in ((ADMIN, False), (ANNA, True)):
        issued = await tokens.issue_for_member(member, ttl_s=60, groups=[TEAM])
        bound = await tokens.authenticate(issued.jwt)
        assert bound.may(PUT, secret) is allowed


@pytest.mark.parametrize("groups", [[ANNA], [Member.parse(f"group:corp:g{n}") for n in range(33)]], ids=["no", "33"])
async def test_what_no_token_can_name_is_refused(tokens: Tokens, log: SqliteLog, groups: list[Member]) -> None:
    await failure(UsageError, tokens.issue_for_member(ANNA, ttl_s=60, groups=groups))
    await failure(UsageError, tokens.issue_for_member(TEAM, ttl_s=60), "no group holds a token")
    with pytest.raises(UsageError, match="only role bindings give"):
        await tokens.issue(subject="eve", role=events_pb2.ROLE_AUDITOR, ttl_s=60)
    assert await log.head() == 0

"""Credentials and calls that no honest client sends, at the real m8: what is said, and that m8 goes on."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.seal import Sealed, seal
from monoskope.protocol.payload import Payload, encode
from monoskope.settings import write_private
from tests.e2e.conftest import Team
from tests.e2e.inside import Caller, inside, put_inside
from tests.e2e.ran import UPLOADED, ok, refused
from tests.support.http_calls import CallError
from tests.support.m8_world import refused as refuses
from tests.support.vectors import a_request

# --- credentials ---


@dataclass(frozen=True, slots=True)
class Forger:
    """Knows a good token, and the key that signs them."""

    token: str
    key: Ed25519PrivateKey

    @property
    def claims(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(decode(self.token.split(".")[1]))
        return found

    def signed(self, key: Ed25519PrivateKey | None = None, **changes: object) -> str:
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return jwt.encode(
            {"alg": "Ed25519"}, {**self.claims, **changes}, OKPKey.import_key(pem), algorithms=["Ed25519"]
        )


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def tampered(forger: Forger) -> str:
    head, _, signature = forger.token.split(".")
    return ".".join((head, encoded({**forger.claims, "prefixes": ["vault://", "local://"]}), signature))


def keyed_with_the_public_key(forger: Forger) -> str:
    public = forger.key.public_key().public_bytes_raw()
    return jwt.encode({"alg": "HS256"}, forger.claims, OctKey.import_key(public), algorithms=["HS256"])


TOKENS: dict[str, tuple[Callable[[Forger], str], str]] = {
    "expired": (lambda forger: forger.signed(exp=int(time.time()) - 1), "the token expired at 20"),
    "not yet valid": (lambda forger: forger.signed(nbf=2**33), "the token is valid only from"),
    "foreign": (lambda forger: forger.signed(Ed25519PrivateKey.generate()), "its signature is wrong"),
    "tampered": (tampered, "its signature is wrong"),
    "cut": (lambda forger: forger.token[:-8], "its signature is wrong"),
    "alg none": (
        lambda forger: f"{encoded({'alg': 'none'})}.{forger.token.split('.')[1]}.",
        "the credential is not a token of m8",
    ),
    "alg none with the signature": (
        lambda forger: ".".join((encoded({"alg": "none"}), *forger.token.split(".")[1:])),
        "the credential is not a token of m8",
    ),
    "HMAC with the public key": (keyed_with_the_public_key, "the credential is not a token of m8"),
    "wrong audience": (lambda forger: forger.signed(aud="another-m8"), "the token is for another audience"),
    "wrong issuer": (lambda forger: forger.signed(iss="somebody"), "the token was not issued by m8"),
    "more rights, signed": (
        lambda forger: forger.signed(prefixes=["vault://", "local://"]),
        "the token differs from what this server's log has of it",
    ),
    "never issued, signed": (
        lambda forger: forger.signed(jti="0" * 32),
        "the token is signed, but this server's log does not know it",
    ),
    "no JWT": (lambda _: "s.IamAVaultToken", "the credential is not a token of m8"),
}


@pytest.fixture(scope="module")
def forger(patient: Team) -> Forger:
    seed = (patient.cluster.folder / "m8" / "token-signing.key").read_bytes()
    return Forger(patient.user.token_file.read_text().strip(), Ed25519PrivateKey.from_private_bytes(seed))


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_does_not_count_is_refused_with_the_reason(
    patient: Team, forger: Forger, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make, said = TOKENS[name]
    token, file = make(forger), tmp_path_factory.mktemp("token") / "token"
    write_private(file, token.encode())
    for ran in (
        put_inside(patient.user, patient.uri("local"), "--token-file", str(file)),
        inside(patient.user, "get", "secrets", "--token-file", str(file), "-o", "json"),
    ):
        assert said in refused(ran, 10)
        assert token not in ran.err
        assert "m8 token create" in ran.err or "Wait" in ran.err
    assert token not in patient.cluster.m8.log.read_text()


def test_a_revoked_token_is_named_by_its_id(team: Team) -> None:
    token_id = json.loads(decode(team.user.token_file.read_text().split(".")[1]))["jti"]
    team.cluster.must("m8", "token", "revoke", "--dir", "m8", token_id)
    assert f"the token {token_id} was revoked" in refused(put_inside(team.user, team.uri("local")), 10)


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe"])
def test_a_file_that_holds_no_token_is_named(
    patient: Team, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("token") / "token"
    write_private(file, content)
    ran = put_inside(patient.user, patient.uri("local"), "--token-file", str(file))
    assert f"{file} does not hold a token" in refused(ran, 2)


@pytest.mark.parametrize("headers", [(), (("authorization", "Basic YTpi"),), (("authorization", "Bearer"),)])
async def test_a_call_without_a_token_is_refused(patient: Team, headers: tuple[tuple[str, str], ...]) -> None:
    caller = Caller.of(patient.cluster, patient.user)
    caller.headers = headers
    with refuses("UNAUTHENTICATED") as said:
        await caller.ask(a_request(uri=patient.uri("local")))
    assert "carries no token" in said.message


# --- requests ---


async def test_anothers_request_id_is_nobodys(patient: Team, team: Team) -> None:
    """Ben has all rights where Anna has them, and still learns nothing of her request."""
    cluster, uri = patient.cluster, patient.uri("local", "hers")
    ben = cluster.add_user(f"ben-of-{team.name}", prefixes=[f"local://{patient.name}"])
    anna, other = Caller.of(cluster, patient.user), Caller.of(cluster, ben)
    request = a_request(uri=uri)
    grant = await anna.granted(request, cluster.identities["local"])
    sealed = seal(encode(Payload({"password": b"from ben"})), grant)
    with refuses("ALREADY_EXISTS") as taken:
        await other.ask(request)
    with refuses("NOT_FOUND") as key:
        await other.key(request.request_id)
    with refuses("NOT_FOUND") as sent:
        await other.send(request.request_id, sealed)
    with refuses("NOT_FOUND") as unknown:
        await other.key(os.urandom(16))
    assert "request id" in taken.message
    assert patient.user.name not in taken.message
    assert key.message == sent.message == unknown.message


def test_a_request_out_of_sight_looks_like_one_that_is_not(patient: Team, team: Team) -> None:
    put = ok(put_inside(patient.user, patient.uri("local", "mine"))).json()
    there = inside(team.user, "get", "upload", put["request_id"], "-o", "json")
    nowhere = inside(team.user, "get", "upload", "0" * 32, "-o", "json")
    assert refused(there, 4).replace(put["request_id"], "0" * 32) == refused(nowhere, 4)


@pytest.mark.parametrize("given", ["", "xyz", "0" * 31, "0" * 33, "G" * 32])
def test_what_is_no_request_id_is_refused_with_the_rule(patient: Team, given: str) -> None:
    assert "32 hex digits" in refused(inside(patient.user, "get", "upload", given, "-o", "json"), 2)


async def test_the_same_request_and_the_same_sealed_bytes_twice_are_one_upload(patient: Team) -> None:
    cluster, caller = patient.cluster, Caller.of(patient.cluster, patient.user)
    request = a_request(uri=patient.uri("local", "twice"))
    grant = await caller.granted(request, cluster.identities["local"])
    assert await caller.granted(request, cluster.identities["local"]) == grant
    sealed = seal(encode(Payload({"password": b"once"})), grant)
    first = await caller.send(request.request_id, sealed)
    again = await caller.send(request.request_id, sealed)
    after = await caller.ask(request)
    assert first.outcome == upload_pb2.OUTCOME_UPLOADED
    assert again == first
    assert after == request.request_id
    events = cluster.must(
        "m8", "events", "--dir", "m8", "--stream", f"upload/{request.request_id.hex()}", "-o", "json"
    ).json()
    assert [event["type"] for event in events] == UPLOADED


async def test_another_request_or_sealed_body_under_a_used_id_is_refused(patient: Team) -> None:
    cluster, caller = patient.cluster, Caller.of(patient.cluster, patient.user)
    request = a_request(uri=patient.uri("local", "first"))
    grant = await caller.granted(request, cluster.identities["local"])
    with refuses("ALREADY_EXISTS") as other_request:
        await caller.ask(a_request(uri=patient.uri("local", "second"), request_id=request.request_id))
    await caller.send(request.request_id, seal(encode(Payload({"password": b"one"})), grant))
    with refuses("ALREADY_EXISTS") as other_body:
        await caller.send(request.request_id, seal(encode(Payload({"password": b"two"})), grant))
    assert other_request.message == other_body.message
    assert "first" not in other_request.message


async def test_sealed_bytes_before_a_key_was_given_are_refused(patient: Team, team: Team) -> None:
    caller = Caller.of(patient.cluster, team.user)
    with refuses("NOT_FOUND") as refusal:
        await caller.send(os.urandom(16), Sealed(os.urandom(1120), os.urandom(528)))
    assert "there is no such request, or it is not yours" in refusal.message


# --- sizes ---


def over(size: int) -> commands_pb2.RequestUploadSecretRequest:
    return commands_pb2.RequestUploadSecretRequest(
        request_id=bytes(16), encapsulated_key=bytes(1120), ciphertext=bytes(size)
    )


async def test_a_message_of_5_mib_is_refused_before_it_is_read(patient: Team) -> None:
    caller = Caller.of(patient.cluster, patient.user)
    with pytest.raises(CallError, match="resource_exhausted: the body has more than"):
        await caller.call(over(5 * 1_048_576))
    assert (await stores(caller)) >= {"vault", "local"}


async def test_17_kib_of_headers_are_refused(patient: Team) -> None:
    caller = Caller.of(patient.cluster, patient.user)
    ca_file = patient.cluster.folder / "m8" / "ca.crt"
    host, _, port = patient.cluster.server.rpartition(":")
    connection = http.client.HTTPSConnection(
        host, int(port), timeout=60, context=ssl.create_default_context(cafile=ca_file)
    )
    with contextlib.closing(connection):
        connection.request("GET", "/healthz", headers={"X-Request-Id": "a" * 17 * 1024})
        assert connection.getresponse().status == 431
    assert (await stores(caller)) >= {"vault", "local"}


async def test_a_field_out_of_its_range_is_named(patient: Team) -> None:
    caller = Caller.of(patient.cluster, patient.user)
    with refuses("USAGE") as short:
        await caller.send(b"short", Sealed(bytes(1120), bytes(528)))
    with refuses("USAGE") as key:
        await caller.send(bytes(16), Sealed(bytes(1119), bytes(528)))
    assert "request_id" in short.message
    assert "encapsulated_key" in key.message


async def stores(caller: Caller) -> set[str]:
    """The stores that m8 lists: it is up, and serves."""
    answer = await caller.call(queries_pb2.ListSecretStoresRequest())
    return {store.name for store in answer.stores}

"""Sealing, opened again as a reactor would; the subject of a token; the table of reasons."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes import encoded
from monoskope.client.seal import Sealed, seal
from monoskope.client.walk import reasons
from monoskope.client.walk.trust import subject_of
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import make_request
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri

VECTORS = json.loads((Path(__file__).parents[2] / "vectors.json").read_text())


def attempt() -> Attempt:
    request = make_request(
        request_id=bytes(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://app/db"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(SUITE_1,),
    )
    return ScriptedM8().grant_for(request)


def opened(sealed: Sealed, by: Attempt, info: bytes) -> bytes:
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    key = MLKEM768X25519PrivateKey(by.key.mlkem, by.key.x25519)
    return suite.decrypt(sealed.encapsulated_key + sealed.ciphertext, key, info)


@pytest.mark.parametrize("vector", VECTORS["fingerprints"])
def test_what_is_sealed_is_the_one_plaintext_and_opens_under_the_grant(vector: dict[str, object]) -> None:
    secret, size = vector["secret"], vector["padded_size"]
    assert isinstance(secret, dict)
    assert isinstance(size, int)
    one = attempt()
    plaintext = encoded({key: base64.b64decode(value) for key, value in secret.items()})

    sealed = seal(plaintext, one.grant)

    assert (len(sealed.encapsulated_key), len(sealed.ciphertext)) == (1_120, size + 16)
    assert opened(sealed, one, b"m8/sealed-secret/v1\x00" + one.grant.content) == str(
        vector["plaintext_without_padding"]
    ).encode().ljust(size)


def test_it_opens_under_no_other_grant() -> None:
    one, other = attempt(), attempt()
    sealed = seal(encoded({"k": b"v"}), one.grant)

    for by, grant in ((other, one), (one, other)):
        with pytest.raises(InvalidTag):
            opened(sealed, by, b"m8/sealed-secret/v1\x00" + grant.grant.content)


def jwt(claims: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


def test_a_token_names_its_subject() -> None:
    assert subject_of(jwt(b'{"sub":"alice"}')) == "alice"
    assert subject_of(jwt('{"sub":"Zoë"}'.encode())) == "Zoë"


@pytest.mark.parametrize("claims", [b"{}", b'{"sub":7}', b'{"sub":""}', b"[]", b"no json", b"\xff"])
def test_a_token_without_a_subject_names_none(claims: bytes) -> None:
    assert subject_of(jwt(claims)) is None


@given(st.text())
def test_any_text_is_a_token_or_none(text: str) -> None:
    assert subject_of(text) is None or "." in text


def test_every_reason_has_its_own_sentence() -> None:
    known = set(upload_pb2.Reason.values()) - {upload_pb2.REASON_UNSPECIFIED}

    assert set(reasons.MEANINGS) == known
    assert len({meaning.message for meaning in reasons.MEANINGS.values()}) == len(known)
    for reason in reasons.MEANINGS:
        error = reasons.error_for(reason, "vault://app/db")
        assert error.message.startswith("vault://app/db: ")
        assert reasons.name(reason) in error.message
        assert error.fix

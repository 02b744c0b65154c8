"""Signatures under an identity, and the signed steps from one to the next."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.errors import UsageError
from monoskope.protocol.hello import Hello, open_hello
from monoskope.protocol.identity import (
    IDENTITY_ROTATION,
    REACTOR_HELLO,
    RECEIPT,
    UPLOAD_GRANT,
    ProofError,
    check_shown,
    follow,
    rotation_content,
    verify,
)
from tests.support.vectors import KEY_ID, Signer

SIGNER = Signer()
SHOWN = "SHA256:MQJTUz847hm/Lc/bnL+se9bfNZ62DeTL3nsTVCN3LC4"
SIGNATURE = SIGNER.sign(RECEIPT, b"content").signature


def test_a_good_signature_verifies() -> None:
    verify(SIGNER.public, RECEIPT, b"content", SIGNATURE)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_a_wrong_size_is_named(size: int) -> None:
    with pytest.raises(ProofError, match="an identity key does not have 32 bytes"):
        verify(b"k" * size, RECEIPT, b"content", SIGNATURE)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_a_wrong_size_is_named(size: int) -> None:
    with pytest.raises(ProofError, match="a signature does not have 64 bytes"):
        verify(SIGNER.public, RECEIPT, b"content", SIGNATURE.ljust(65)[:size])


@pytest.mark.parametrize(
    ("public", "label", "content", "signature"),
    [
        (Signer().public, RECEIPT, b"content", SIGNATURE),
        (SIGNER.public, UPLOAD_GRANT, b"content", SIGNATURE),
        (SIGNER.public, RECEIPT, b"Content", SIGNATURE),
        (SIGNER.public, RECEIPT, b"content", bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]),
    ],
    ids=["another key", "another label", "another content", "another signature"],
)
def test_anything_else_does_not_verify(public: bytes, label: bytes, content: bytes, signature: bytes) -> None:
    with pytest.raises(ProofError, match="a signature does not verify"):
        verify(public, label, content, signature)


@pytest.mark.parametrize(
    "text", ["", "SHA256:", SHOWN + "=", SHOWN[:-1], SHOWN.lower(), "x" + SHOWN, SHOWN + "\n", SHOWN[:-1] + "-"]
)
def test_what_is_no_shown_identity_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not valid: 'SHA256:' and 43 characters"):
        check_shown(text)


def step(old: Signer, new: Signer) -> identity_pb2.SignedRotation:
    content = rotation_content("vault", old.public, new.public)
    return identity_pb2.SignedRotation(
        content=content,
        old_signature=old.sign(IDENTITY_ROTATION, content).signature,
        new_signature=new.sign(IDENTITY_ROTATION, content).signature,
    )


A, B, C, D = Signer(), Signer(), Signer(), Signer()


def test_the_chain_is_followed_from_the_pin() -> None:
    steps = [step(A, B), step(B, C), step(C, D)]
    assert follow(A.shown, steps, store="vault") == [B.shown, C.shown, D.shown]
    assert follow(C.shown, steps, store="vault") == [D.shown]
    assert follow(D.shown, steps, store="vault") == []
    assert follow(Signer().shown, steps, store="vault") == []


def opened(hello: Hello) -> Hello:
    signed = A.sign(REACTOR_HELLO, hello.serialise())
    return open_hello(signed, identity=A.shown, challenge=b"c" * 32, servers=["m8:7443", "localhost:7443"])


def test_a_replayed_hello_is_refused() -> None:
    hello = Hello("m8:7443", "vault", b"r" * 16, b"c" * 32, KEY_ID)
    assert opened(hello) == hello
    with pytest.raises(ProofError, match="another challenge"):
        opened(Hello("m8:7443", "vault", b"r" * 16, b"d" * 32, KEY_ID))

"""What vectors-messages.json leaves open of rotations and hellos; test_message_vectors.py checks all that it says."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.protocol.hello import Hello, open_hello
from monoskope.protocol.identity import IDENTITY_ROTATION, REACTOR_HELLO, ProofError, follow, rotation_content
from tests.support.vectors import KEY_ID, Signer


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

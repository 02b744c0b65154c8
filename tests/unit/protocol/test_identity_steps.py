"""Rotations and hellos: how an identity moves on, and how a reactor proves it."""

from __future__ import annotations

import itertools

import pytest

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.errors import UsageError
from monoskope.protocol.hello import Hello, open_hello, parse_hello
from monoskope.protocol.identity import (
    IDENTITY_ROTATION,
    REACTOR_HELLO,
    RECEIPT,
    ProofError,
    follow,
    open_rotation,
    rotation_content,
)
from monoskope.protocol.wire import MalformedError, serialise
from tests.support.vectors import KEY_ID, Signer


def step(
    old: Signer, new: Signer, *, store: str = "vault", label: bytes = IDENTITY_ROTATION
) -> identity_pb2.SignedRotation:
    content = rotation_content(store, old.public, new.public)
    return identity_pb2.SignedRotation(
        content=content,
        old_signature=old.sign(label, content).signature,
        new_signature=new.sign(label, content).signature,
    )


A, B, C, D = Signer(), Signer(), Signer(), Signer()


def test_the_chain_is_followed_from_the_pin() -> None:
    steps = [step(A, B), step(B, C), step(C, D)]
    assert follow(A.shown, steps, store="vault") == [B.shown, C.shown, D.shown]
    assert follow(C.shown, steps, store="vault") == [D.shown]
    assert follow(D.shown, steps, store="vault") == []
    assert follow(Signer().shown, steps, store="vault") == []


def test_a_broken_chain_is_refused() -> None:
    with pytest.raises(ProofError, match="chain"):
        follow(A.shown, [step(A, B), step(C, D)], store="vault")


def test_a_chain_back_to_an_earlier_identity_is_refused() -> None:
    with pytest.raises(ProofError, match="earlier"):
        follow(A.shown, [step(A, B), step(B, A)], store="vault")


def test_sixty_four_steps_are_followed_and_no_more() -> None:
    keys = [Signer() for _ in range(66)]
    steps = [step(old, new) for old, new in itertools.pairwise(keys)]
    assert follow(keys[0].shown, steps[:64], store="vault")[-1] == keys[64].shown
    with pytest.raises(ProofError, match="more than 64"):
        follow(keys[0].shown, steps, store="vault")


def test_steps_before_the_pin_do_not_count_to_the_sixty_four() -> None:
    keys = [Signer() for _ in range(66)]
    steps = [step(old, new) for old, new in itertools.pairwise(keys)]
    assert follow(keys[1].shown, steps, store="vault")[-1] == keys[65].shown
    assert follow(keys[64].shown, steps, store="vault") == [keys[65].shown]
    assert follow(keys[65].shown, steps, store="vault") == []


@pytest.mark.parametrize("name", ["old_signature", "new_signature"])
def test_both_signatures_are_needed(name: str) -> None:
    signed = step(A, B)
    setattr(signed, name, C.sign(IDENTITY_ROTATION, signed.content).signature)
    with pytest.raises(ProofError, match="does not verify"):
        open_rotation(signed, store="vault")


def test_a_step_for_another_store_is_refused() -> None:
    with pytest.raises(ProofError, match="another store"):
        open_rotation(step(A, B, store="other"), store="vault")


def test_a_step_under_another_label_is_refused() -> None:
    with pytest.raises(ProofError, match="does not verify"):
        open_rotation(step(A, B, label=RECEIPT), store="vault")


def test_a_step_onto_itself_is_refused() -> None:
    with pytest.raises(MalformedError, match="differ"):
        open_rotation(step(A, A), store="vault")


@pytest.mark.parametrize(("old", "new", "field"), [(31, 32, "old_key"), (32, 33, "new_key")])
def test_keys_of_a_wrong_size_are_refused(old: int, new: int, field: str) -> None:
    content = rotation_content("vault", b"o" * old, b"n" * new)
    signed = identity_pb2.SignedRotation(content=content, old_signature=b"s" * 64, new_signature=b"s" * 64)
    with pytest.raises(MalformedError) as caught:
        open_rotation(signed, store="vault")
    assert caught.value.field == field


def test_a_step_of_a_bad_store_name_is_refused() -> None:
    with pytest.raises(UsageError, match="store name"):
        open_rotation(step(A, B, store="Vault"), store="Vault")


HELLO = Hello("m8:7443", "vault", b"r" * 16, b"c" * 32, KEY_ID)


def opened(hello: Hello, *, signer: Signer = A, label: bytes = REACTOR_HELLO) -> Hello:
    signed = signer.sign(label, hello.serialise())
    return open_hello(signed, identity=A.shown, challenge=b"c" * 32, servers=["m8:7443", "localhost:7443"])


def test_a_good_hello_opens() -> None:
    assert opened(HELLO) == HELLO


def test_a_hello_by_another_identity_is_refused() -> None:
    with pytest.raises(ProofError, match="not by the store's identity"):
        opened(HELLO, signer=B)


def test_a_hello_under_another_label_is_refused() -> None:
    with pytest.raises(ProofError, match="does not verify"):
        opened(HELLO, label=RECEIPT)


def test_a_replayed_hello_is_refused() -> None:
    with pytest.raises(ProofError, match="another challenge"):
        opened(Hello("m8:7443", "vault", b"r" * 16, b"d" * 32, KEY_ID))


def test_a_hello_made_for_another_server_is_refused() -> None:
    with pytest.raises(ProofError, match="not a name of this one"):
        opened(Hello("evil:7443", "vault", b"r" * 16, b"c" * 32, KEY_ID))


@pytest.mark.parametrize(
    ("field", "value"), [("replica", b"x" * 15), ("challenge", b"x" * 31), ("fingerprint_key_id", "zz")]
)
def test_a_field_that_breaks_its_rule_is_named(field: str, value: object) -> None:
    message = identity_pb2.ReactorHello()
    message.ParseFromString(HELLO.serialise())
    setattr(message, field, value)
    with pytest.raises(MalformedError) as caught:
        parse_hello(serialise(message))
    assert caught.value.field == field


def test_a_hello_of_a_bad_store_name_is_refused() -> None:
    message = identity_pb2.ReactorHello()
    message.ParseFromString(HELLO.serialise())
    message.store = "Vault"
    with pytest.raises(UsageError, match="store name"):
        parse_hello(serialise(message))

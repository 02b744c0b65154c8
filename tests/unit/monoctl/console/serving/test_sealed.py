"""What a page sends opens at its own console, once; what a console answers is believed by its page alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import Code
from monoskope.monoctl.console.channel import (
    NUMBER_SIZE,
    OVERHEAD,
    REMEMBERED,
    Beginning,
    Channel,
    NotThePageError,
    Numbers,
    nonce_of,
    shown,
)
from tests.support.console import PageSide, a_token, as_text, derived, proven

TOKEN, KEY = a_token(), a_token()
NONCE = bytes(range(16))
BODY = b"\0\0\0\2{}correct horse battery staple"


def refused(channel: Channel, operation: str, sealed: bytes) -> None:
    with pytest.raises(NotThePageError) as caught:
        channel.open(operation, sealed)
    assert caught.value.code is Code.UNAUTHENTICATED
    assert str(caught.value) == str(NotThePageError())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_what_the_page_seals_opens_and_shows_nothing_on_its_way() -> None:
    sealed = PageSide(TOKEN, KEY).seal("put", BODY)
    assert len(sealed) == len(BODY) + OVERHEAD
    assert b"horse" not in sealed
    assert Channel(TOKEN, KEY).open("put", sealed) == BODY


@given(st.binary(max_size=300), st.sampled_from(["put", "patch", "names", "compare", "delete"]))
def test_any_body_of_any_operation_opens_as_it_was(body: bytes, operation: str) -> None:
    assert Channel(TOKEN, KEY).open(operation, PageSide(TOKEN, KEY).seal(operation, body)) == body


@given(st.integers(0, 8 * (len(BODY) + OVERHEAD) - 1))
def test_a_flipped_bit_anywhere_is_refused(bit: int) -> None:
    sealed = bytearray(PageSide(TOKEN, KEY).seal("put", BODY))
    sealed[bit // 8] ^= 1 << bit % 8
    refused(Channel(TOKEN, KEY), "put", bytes(sealed))


@given(st.binary(max_size=100))
def test_what_the_page_never_made_is_refused(made_up: bytes) -> None:
    refused(Channel(TOKEN, KEY), "put", made_up)


@given(st.integers(0, len(BODY) + OVERHEAD - 1))
def test_a_body_that_was_cut_is_refused(size: int) -> None:
    refused(Channel(TOKEN, KEY), "put", PageSide(TOKEN, KEY).seal("put", BODY)[:size])


@pytest.mark.parametrize("other", ["compare", "pu", "put ", "Put", ""])
def test_a_body_that_was_made_for_another_operation_is_refused(other: str) -> None:
    refused(Channel(TOKEN, KEY), other, PageSide(TOKEN, KEY).seal("put", BODY))


@pytest.mark.parametrize(
    ("token", "key"), [(a_token(), KEY), (TOKEN, a_token()), (KEY, TOKEN)], ids=["key", "token", "swapped"]
)
def test_whoever_has_the_token_or_the_key_alone_can_send_nothing(token: bytes, key: bytes) -> None:
    refused(Channel(TOKEN, KEY), "put", PageSide(token, key).seal("put", BODY))


def test_a_body_opens_once() -> None:
    channel, sealed = Channel(TOKEN, KEY), PageSide(TOKEN, KEY).seal("delete", BODY)
    channel.open("delete", sealed)
    refused(channel, "delete", sealed)


def test_a_forged_body_uses_no_number_up() -> None:
    channel, page = Channel(TOKEN, KEY), PageSide(TOKEN, KEY)
    refused(channel, "put", PageSide(a_token(), KEY).seal("put", BODY, number=2**95))
    assert channel.open("put", page.seal("put", BODY)) == BODY


def test_bodies_that_overtake_one_another_all_open_once() -> None:
    channel, page = Channel(TOKEN, KEY), PageSide(TOKEN, KEY)
    sent = [page.seal("secrets", b"%d" % at) for at in range(REMEMBERED)]
    assert [channel.open("secrets", one) for one in reversed(sent)] == [
        b"%d" % at for at in reversed(range(REMEMBERED))
    ]
    for one in sent:
        refused(channel, "secrets", one)


def test_a_body_from_long_ago_is_refused_even_if_it_never_came() -> None:
    channel, page = Channel(TOKEN, KEY), PageSide(TOKEN, KEY)
    old = page.seal("put", BODY)
    for _ in range(REMEMBERED):
        channel.open("whoami", page.seal("whoami", b"{}"))
    refused(channel, "put", old)


@given(st.lists(st.integers(-5, 3 * REMEMBERED), max_size=60))
def test_no_number_is_taken_twice_and_each_that_is_new_enough_is_taken(numbers: list[int]) -> None:
    taken, kept = set[int](), Numbers()
    for number in numbers:
        expected = number > 0 and number not in taken and number > max(taken, default=0) - REMEMBERED
        assert kept.take(number) is expected
        if expected:
            taken.add(number)


def test_the_nonces_of_aes_gcm_are_the_numbers_and_none_is_used_twice() -> None:
    page = PageSide(TOKEN, KEY)
    nonces = {page.seal("put", BODY)[:NUMBER_SIZE] for _ in range(100)}
    assert nonces == {number.to_bytes(12, "big") for number in range(1, 101)}


def test_the_page_believes_an_answer() -> None:
    proof = Channel(TOKEN, KEY).prove("put", NONCE, 200, BODY)
    assert PageSide(TOKEN, KEY).is_proven("put", NONCE, 200, BODY, proof)
    assert len(proof) == 43


@pytest.mark.parametrize(
    ("operation", "nonce", "status", "body"),
    [
        ("patch", NONCE, 200, BODY),
        ("put", bytes(16), 200, BODY),
        ("put", NONCE, 201, BODY),
        ("put", NONCE, 200, BODY + b" "),
        ("put", NONCE, 200, b""),
    ],
    ids=["operation", "nonce", "status", "longer", "empty"],
)
def test_the_page_believes_no_answer_to_something_else(operation: str, nonce: bytes, status: int, body: bytes) -> None:
    proof = Channel(TOKEN, KEY).prove("put", NONCE, 200, BODY)
    assert not PageSide(TOKEN, KEY).is_proven(operation, nonce, status, body, proof)


@pytest.mark.parametrize(("token", "key"), [(a_token(), KEY), (TOKEN, a_token())], ids=["key", "token"])
def test_whoever_has_the_token_or_the_key_alone_can_prove_nothing(token: bytes, key: bytes) -> None:
    proof = Channel(token, key).prove("put", NONCE, 200, BODY)
    assert not PageSide(TOKEN, KEY).is_proven("put", NONCE, 200, BODY, proof)


def test_begin_names_the_token_and_its_answer_proves_that_the_token_is_known() -> None:
    assert Beginning(TOKEN).name == as_text(derived(TOKEN, "name of the token"))
    assert Beginning(TOKEN).name != as_text(TOKEN)
    expected = proven(derived(TOKEN, "answer to begin"), "begin", NONCE, 200, BODY)
    assert Beginning(TOKEN).prove(NONCE, 200, BODY) == expected
    assert Beginning(a_token()).prove(NONCE, 200, BODY) != expected


def test_all_keys_are_different() -> None:
    purposes = ("name of the token", "answer to begin", "bodies", "answers")
    assert len({derived(TOKEN + KEY, purpose) for purpose in purposes}) == len(purposes)


@pytest.mark.parametrize(
    "header", ["", "x", shown(bytes(15)), shown(bytes(17)), shown(bytes(16)) + "==", "é" * 22, "A" * 21 + "B"]
)
def test_a_nonce_is_exactly_16_bytes_in_one_form(header: str) -> None:
    assert nonce_of(header) is None
    assert nonce_of(shown(NONCE)) == NONCE


def test_a_channel_shows_no_key() -> None:
    assert repr(Channel(TOKEN, KEY)) == "<Channel>"

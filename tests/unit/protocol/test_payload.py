from __future__ import annotations

import base64
import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, BadPayloadError, Payload, decode, encode, padded_size
from tests.support.vectors import VECTORS, secret

KEYS = st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True).filter(
    lambda key: key != "." and not key.startswith("..")
)
SECRETS = st.dictionaries(KEYS, st.binary(max_size=200), min_size=1, max_size=12)
GOOD = encode(Payload({"a": b"a"}))


@pytest.mark.parametrize("vector", VECTORS["fingerprints"])
def test_vectors_encode_to_their_padded_plaintext(vector: dict[str, Any]) -> None:
    plaintext = encode(Payload(secret(vector)))
    assert plaintext.rstrip(b" ").decode() == vector["plaintext_without_padding"]
    assert len(plaintext) == vector["padded_size"]


@pytest.mark.parametrize("text", VECTORS["bad_plaintexts"])
def test_bad_plaintexts_of_the_vectors_are_refused_alike(text: str) -> None:
    padded = text.encode().ljust(padded_size(len(text)))
    with pytest.raises(BadPayloadError) as caught:
        decode(padded)
    assert str(caught.value) == str(BadPayloadError())


@pytest.mark.parametrize("plaintext", [b"\xff" * 512, b"[" * 512, GOOD * 2], ids=["no text", "deep", "twice"])
def test_what_is_no_payload_in_its_shape_is_refused(plaintext: bytes) -> None:
    with pytest.raises(BadPayloadError):
        decode(plaintext)


@given(SECRETS)
def test_what_is_encoded_decodes_to_the_same(values: dict[str, bytes]) -> None:
    plaintext = encode(Payload(values))
    assert dict(decode(plaintext)) == values
    assert len(plaintext) == padded_size(len(plaintext.rstrip(b" ")))


@given(SECRETS, st.data())
def test_any_flipped_byte_is_refused_or_means_another_secret(values: dict[str, bytes], data: st.DataObject) -> None:
    plaintext = bytearray(encode(Payload(values)))
    at = data.draw(st.integers(0, len(plaintext) - 1))
    plaintext[at] ^= data.draw(st.integers(1, 255))
    try:
        payload = decode(bytes(plaintext))
    except BadPayloadError:
        return
    assert encode(payload) == bytes(plaintext)
    assert dict(payload) != values


@given(st.binary(max_size=600))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    try:
        payload = decode(content)
    except BadPayloadError:
        return
    assert encode(payload) == content


def test_keys_are_in_byte_order_whatever_the_order_given() -> None:
    assert list(Payload({"b": b"", "B": b"", "a": b"", "_": b""})) == ["B", "_", "a", "b"]


@pytest.mark.parametrize("key", ["", ".", "..", "..a", "a b", "a/b", "é", "a" * 254, "a\n"])
def test_a_bad_key_is_named_with_its_rule(key: str) -> None:
    with pytest.raises(UsageError, match="not valid: 1 to 253"):
        Payload({key: b"x"})


@pytest.mark.parametrize("key", ["a", ".a", "a.", "-", "a..b", "a" * 253])
def test_odd_but_allowed_keys_arrive(key: str) -> None:
    assert list(decode(encode(Payload({key: b"x"})))) == [key]


@pytest.mark.parametrize("count", [0, 65])
def test_the_number_of_keys_is_limited(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 64 keys"):
        Payload({f"k{number}": b"" for number in range(count)})


def test_the_largest_secret_fits_and_one_byte_more_does_not() -> None:
    overhead = len('{"k":""}')
    largest = (MAX_PADDED - overhead) // 4 * 3
    assert len(encode(Payload({"k": b"x" * largest}))) == MAX_PADDED
    with pytest.raises(UsageError, match="at most 1048576"):
        encode(Payload({"k": b"x" * (largest + 3)}))


@pytest.mark.parametrize(("size", "padded"), [(0, 512), (512, 512), (513, 1024), (1024, 1024), (1_048_576, 1_048_576)])
def test_a_size_is_padded_to_the_next_step(size: int, padded: int) -> None:
    assert padded_size(size) == padded


def test_a_payload_shows_its_keys_and_never_its_values() -> None:
    payload = Payload({"password": b"hunter2-very-secret"})
    for text in (repr(payload), str(payload), f"{payload}"):
        assert "password" in text
        assert "hunter2" not in text
        assert base64.b64encode(b"hunter2-very-secret").decode() not in text


def test_a_payload_is_never_copied_or_pickled() -> None:
    payload = Payload({"a": b"b"})
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="never pickled or copied"):
            attempt(payload)

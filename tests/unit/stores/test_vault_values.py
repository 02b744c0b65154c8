"""Bytes into an engine of text and back: exactly, or not at all."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.vault.versions import either_way, from_engine, needs_flag, to_engine

KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
VALUES = st.binary(max_size=60) | st.text(max_size=30).map(str.encode) | st.sampled_from([b"gIEA/w==", b"", b"\x80"])
SECRETS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5)


@given(SECRETS)
def test_what_is_read_is_what_was_written_or_nothing(values: dict[str, bytes]) -> None:
    payload = Payload(values)
    flagged = needs_flag(payload)
    in_engine = json.loads(json.dumps(to_engine(payload, binary=True)))
    read = from_engine(in_engine)
    for key in either_way(read, flagged=flagged):
        assert flagged
        assert values[key] in {read[key], base64.b64decode(read[key])}
    certain = read.keys() - either_way(read, flagged=flagged)
    assert {key: read[key] for key in certain} == {key: values[key] for key in certain}


@given(SECRETS)
def test_text_is_always_read_back_without_the_flag(values: dict[str, bytes]) -> None:
    payload = Payload(values)
    if not needs_flag(payload):
        read = from_engine(to_engine(payload, binary=False))
        assert (dict(read), either_way(read, flagged=False)) == (values, frozenset())


@given(SECRETS)
def test_a_flag_left_by_another_version_never_gives_other_bytes(values: dict[str, bytes]) -> None:
    read = from_engine(to_engine(Payload(values), binary=True))
    certain = read.keys() - either_way(read, flagged=True)
    assert {key: read[key] for key in certain} == {key: values[key] for key in certain}


def test_bytes_are_refused_by_the_name_of_their_key_alone() -> None:
    with pytest.raises(StoreRefusedError, match="raw") as caught:
        to_engine(Payload({"raw": b"secret\xff"}), binary=False)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", [1, 1.5, True, None, [], {}, "\ud800"])
def test_what_is_not_text_is_not_read(value: object) -> None:
    with pytest.raises(CannotReadError):
        from_engine({"k": value})

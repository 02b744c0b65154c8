"""What a hostile client or m8 can try against a one-time key."""

from __future__ import annotations

import hashlib
import json
import string
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import SEALED_SECRET, UPLOAD_GRANT, labelled, open_signed
from monoskope.protocol.payload import BadPayloadError, Payload, decode, encode
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import GrantedKey, OneTimeKeys
from monoskope.reactor.reasons import FailedError
from tests.support.reactor_requests import SECRET, ask, seal
from tests.support.reactor_world import SEED, Clock, K, World, rules

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "vectors.json").read_text())
PLAIN = encode(Payload(SECRET))
FIRST = string.ascii_letters + string.digits + "_"
"""What a key may begin with."""
GOOD = b'{"a":"YQ=="}'


def table(clock: Clock | None = None, **changes: int) -> OneTimeKeys:
    identity = Identity(SEED, store="memory")
    return OneTimeKeys(identity, rules(bytes(16), FingerprintKey(K), **changes), now=clock or Clock())


def opened(keys: OneTimeKeys, request: Request, sealed: bytes) -> Payload:
    return keys.open(request.request_id, sealed[:1_120], sealed[1_120:])


def new_grant(keys: OneTimeKeys) -> tuple[Request, GrantedKey]:
    request = ask()
    return request, keys.grant(request, "alice")


def reason(failed: pytest.ExceptionInfo[FailedError]) -> str:
    return upload_pb2.Reason.Name(failed.value.reason)


def test_a_grant_says_what_it_must_under_the_stores_identity() -> None:
    keys = table()
    request, granted = new_grant(keys)
    identity = Identity(SEED, store="memory").shown
    grant = parse_grant(open_signed(granted.signed, UPLOAD_GRANT, identity))
    assert grant == granted.grant
    assert grant.request.content == request.content
    assert (grant.subject, grant.suite, grant.lifetime_s, grant.max_plaintext) == ("alice", 1, 300, 131_072)
    assert len(grant.public_key) == 1_216
    assert grant.fingerprint_key_id == VECTORS["key_id"]


def test_what_was_sealed_for_a_grant_opens_once() -> None:
    keys = table()
    request, granted = new_grant(keys)
    sealed = seal(granted.grant, PLAIN)
    assert dict(opened(keys, request, sealed)) == SECRET
    with pytest.raises(FailedError) as failed:
        opened(keys, request, sealed)
    assert reason(failed) == "REASON_KEY_LOST"
    assert len(keys) == 0


def test_each_request_has_a_key_of_its_own() -> None:
    keys = table()
    (first, one), (_, two) = new_grant(keys), new_grant(keys)
    assert one.grant.public_key != two.grant.public_key
    with pytest.raises(BadPayloadError):
        opened(keys, first, seal(two.grant, PLAIN))


def test_what_was_sealed_under_another_grants_info_opens_nothing() -> None:
    keys = table()
    (request, granted), (_, other) = new_grant(keys), new_grant(keys)
    for info in (labelled(SEALED_SECRET, other.grant.content), granted.grant.content, b"", labelled(UPLOAD_GRANT)):
        with pytest.raises((BadPayloadError, FailedError)) as failed:
            opened(keys, request, seal(granted.grant, PLAIN, info=info))
        request, granted = new_grant(keys)
        assert failed.type is BadPayloadError


def test_the_encapsulated_key_of_another_sealing_opens_nothing() -> None:
    keys = table()
    request, granted = new_grant(keys)
    one, two = seal(granted.grant, PLAIN), seal(granted.grant, PLAIN)
    with pytest.raises(BadPayloadError):
        opened(keys, request, two[:1_120] + one[1_120:])


@pytest.mark.parametrize(
    ("start", "end"), [(1, None), (0, -1), (0, 1_120), (0, 1_119), (0, 0), (0, 1_120 + 16), (512, None)]
)
def test_truncated_sealed_bytes_open_nothing_and_use_the_key_up(start: int, end: int | None) -> None:
    keys = table()
    request, granted = new_grant(keys)
    with pytest.raises(BadPayloadError):
        opened(keys, request, seal(granted.grant, PLAIN)[start:end])
    assert keys.granted(request.request_id) is None


@pytest.mark.parametrize(("secret", "cut"), [(SECRET, 1_121), ({"a": bytes(600)}, 1_120 + 512)])
def test_the_parts_cannot_be_cut_elsewhere(secret: dict[str, bytes], cut: int) -> None:
    """Also where both lengths are allowed."""
    keys = table()
    request, granted = new_grant(keys)
    sealed = seal(granted.grant, encode(Payload(secret)))
    with pytest.raises(BadPayloadError):
        keys.open(request.request_id, sealed[:cut], sealed[cut:])


def test_lengths_are_looked_at_before_the_lifetime() -> None:
    clock = Clock()
    keys = table(clock, lifetime_s=30)
    request, granted = new_grant(keys)
    clock.time += 31
    with pytest.raises(BadPayloadError):
        opened(keys, request, seal(granted.grant, PLAIN)[:-1])


@given(st.integers(min_value=0, max_value=len(PLAIN) + 1_135), st.integers(min_value=1, max_value=255))
def test_sealed_bytes_with_one_byte_changed_open_nothing(place: int, mask: int) -> None:
    keys = table()
    request, granted = new_grant(keys)
    sealed = bytearray(seal(granted.grant, PLAIN))
    sealed[place] ^= mask
    with pytest.raises(BadPayloadError):
        opened(keys, request, bytes(sealed))


@given(st.binary(max_size=3_000))
def test_arbitrary_bytes_open_nothing(sealed: bytes) -> None:
    keys = table()
    request, _ = new_grant(keys)
    with pytest.raises(BadPayloadError):
        opened(keys, request, sealed)


@given(
    st.dictionaries(
        st.builds(str.__add__, st.sampled_from(FIRST), st.text(st.sampled_from(FIRST + ".-"), max_size=20)),
        st.binary(max_size=200),
        min_size=1,
        max_size=64,
    )
)
def test_every_secret_arrives_as_it_was_sealed(secret: dict[str, bytes]) -> None:
    keys = table()
    request, granted = new_grant(keys)
    assert dict(opened(keys, request, seal(granted.grant, encode(Payload(secret))))) == secret


BAD_PLAINTEXTS = [
    *(text.encode().ljust(512) for text in VECTORS["bad_plaintexts"]),
    GOOD,
    *(GOOD.ljust(size) for size in (256, 513, 768, 1_024)),
    *(GOOD.ljust(512, padding) for padding in (b"\n", b"\0")),
    b" " + GOOD.ljust(511),
    *(byte * 512 for byte in (b"", b" ", b"\xff")),
    b"[" * 131_072,
]


def test_every_bad_plaintext_under_a_valid_grant_gets_the_same_answer() -> None:
    answers = set()
    for plaintext in BAD_PLAINTEXTS:
        keys = table()
        request, granted = new_grant(keys)
        with pytest.raises(BadPayloadError) as refused:
            opened(keys, request, seal(granted.grant, plaintext))
        error = refused.value
        answers.add((type(error), error.args, str(error), repr(error)))
    assert len(answers) == 1


@pytest.mark.parametrize("index", range(len(BAD_PLAINTEXTS)))
async def test_every_bad_plaintext_gets_the_same_receipt(index: int) -> None:
    world = World()
    sealed = world.sealed()
    bad = seal(sealed.grant, BAD_PLAINTEXTS[index])
    arrived = replace(sealed, ciphertext=bad[1_120:], encapsulated_key=bad[:1_120], sha256=hashlib.sha256(bad).digest())
    assert await world.handler.handle(arrived)
    receipt = world.receipt()
    assert world.outcomes() == ["FAILED BAD_PAYLOAD"]
    assert receipt.sealed_sha256 == arrived.sha256
    assert (receipt.upstream_version, receipt.fingerprint, receipt.values) == ("", "", ())
    assert world.memory.calls == ["read_version"]


@pytest.mark.parametrize(("most", "opens"), [(512, False), (1_024, True)])
def test_a_plaintext_is_as_large_as_the_grant_allows(most: int, *, opens: bool) -> None:
    keys = table(max_plaintext=most)
    request, granted = new_grant(keys)
    sealed = seal(granted.grant, encode(Payload({"a": bytes(600)})))
    if opens:
        assert len(opened(keys, request, sealed)["a"]) == 600
    else:
        with pytest.raises(BadPayloadError):
            opened(keys, request, sealed)


@pytest.mark.parametrize(("after", "opens"), [(29.9, True), (30.0, False), (10_000.0, False)])
def test_a_key_lives_as_long_as_its_grant_says(after: float, *, opens: bool) -> None:
    clock = Clock()
    keys = table(clock, lifetime_s=30)
    request, granted = new_grant(keys)
    clock.time += after
    sealed = seal(granted.grant, PLAIN)
    if opens:
        assert dict(opened(keys, request, sealed)) == SECRET
    else:
        with pytest.raises(FailedError) as failed:
            opened(keys, request, sealed)
        assert reason(failed) == "REASON_EXPIRED"


def test_an_expired_key_is_swept_and_still_answered_for_a_while() -> None:
    clock = Clock()
    keys = table(clock, lifetime_s=30)
    request, granted = new_grant(keys)
    clock.time += 31
    keys.sweep()
    assert len(keys) == 0
    assert keys.granted(request.request_id) == granted
    with pytest.raises(FailedError) as failed:
        opened(keys, request, seal(granted.grant, PLAIN))
    assert reason(failed) == "REASON_EXPIRED"
    request, granted = new_grant(keys)
    clock.time += 30 + 120
    keys.sweep()
    assert keys.granted(request.request_id) is None


def test_a_repeated_request_gets_the_same_grant_and_a_changed_one_none() -> None:
    keys = table()
    request, granted = new_grant(keys)
    assert keys.grant(request, "alice") is granted
    with pytest.raises(FailedError) as failed:
        keys.grant(request, "mallory")
    assert reason(failed) == "REASON_KEY_LOST"
    assert len(keys) == 1


@pytest.mark.parametrize("end", ["opened", "forgotten", "cleared", "expired"])
def test_a_request_gets_one_key_in_its_life(end: str) -> None:
    clock = Clock()
    keys = table(clock)
    request, granted = new_grant(keys)
    if end == "opened":
        opened(keys, request, seal(granted.grant, PLAIN))
    elif end == "forgotten":
        keys.forget(request.request_id)
    elif end == "cleared":
        keys.clear()
    else:
        clock.time += 300
    with pytest.raises(FailedError) as failed:
        keys.grant(request, "alice")
    assert reason(failed) == "REASON_KEY_LOST"
    assert len(keys) == 0


def test_a_request_gets_one_key_however_many_ended_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.keys._REMEMBERED", 2)
    keys = table()
    ended = [new_grant(keys)[0] for _ in range(3)]
    for request in ended:
        keys.discard(request.request_id)
    for request in ended:
        with pytest.raises(FailedError) as failed:
            keys.grant(request, "alice")
        assert reason(failed) == "REASON_KEY_LOST"


def test_the_key_is_dropped_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []

    def parse(plaintext: bytes) -> Payload:
        frame = sys._getframe(1)
        assert frame.f_code.co_name == "open"
        kept.append(frame.f_locals["entry"].private)
        return decode(plaintext)

    monkeypatch.setattr("monoskope.reactor.keys.decode", parse)
    keys = table()
    request, granted = new_grant(keys)
    assert dict(opened(keys, request, seal(granted.grant, PLAIN))) == SECRET
    assert kept == [None]


def test_only_so_many_keys_are_alive() -> None:
    clock = Clock()
    keys = table(clock, alive=6)
    for _ in range(3):
        new_grant(keys)
    with pytest.raises(FailedError) as failed:
        new_grant(keys)
    assert reason(failed) == "REASON_RATE_LIMITED"
    clock.time += 300
    new_grant(keys)
    assert len(keys) == 1


def test_no_repr_shows_a_key() -> None:
    keys = table()
    _, granted = new_grant(keys)
    text = repr(keys) + repr(granted) + repr(keys._table)
    assert "private" not in text
    assert "x25519" not in text.lower()
    assert granted.grant.public_key.hex()[:32] not in text

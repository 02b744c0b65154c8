"""When an issuer's keys are read, how long they are believed, and what is no JWKS."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.m8.issuers import jose
from monoskope.m8.issuers.jose import parse_jwks
from monoskope.m8.issuers.keys import IssuerKeys
from tests.support.issuers import claims_of, ec_key, ed_key, jwk, jwks, minted, rsa_key

OLD, NEW = jwks(jwk(rsa_key(), "a")), jwks(jwk(rsa_key("b"), "b"))


class Source:
    """An issuer with a clock that a test moves."""

    def __init__(self) -> None:
        self.content = OLD
        self.down = False
        self.readings = 0
        self.now = 1_000.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.keys = IssuerKeys(self.read, "the keys", clock=lambda: self.now)

    async def read(self) -> bytes:
        self.readings += 1
        await self.gate.wait()
        if self.down:
            raise UnavailableError("the issuer does not answer.")
        return self.content

    async def found(self, kid: str) -> str:
        token = jose.parse(minted(claims_of(), key=rsa_key(kid), header={"kid": kid}))
        try:
            token.verify(await self.keys.find(token))
        except ExchangeRefusedError as error:
            return error.refusal.value
        return "found"


async def test_keys_are_read_at_their_first_use_and_kept() -> None:
    source = Source()
    assert source.readings == 0
    assert [await source.found("a") for _ in range(3)] == ["found"] * 3
    source.now += 299
    assert await source.found("a") == "found"
    assert source.readings == 1
    source.now += 1
    assert await source.found("a") == "found"
    assert source.readings == 2


async def test_a_key_that_the_issuer_withdrew_counts_for_five_minutes_at_most() -> None:
    source = Source()
    assert await source.found("a") == "found"
    source.content = NEW
    source.now += 300
    assert await source.found("a") == "KEY_UNKNOWN"


async def test_a_new_key_is_found_at_once_but_unknown_ones_cause_one_reading_a_minute() -> None:
    source = Source()
    assert await source.found("a") == "found"
    source.now += 60
    source.content = NEW
    assert await source.found("b") == "found"
    assert source.readings == 2
    for _ in range(100):
        assert await source.found("c") == "KEY_UNKNOWN"
    assert source.readings == 2
    source.now += 60
    assert await source.found("c") == "KEY_UNKNOWN"
    assert source.readings == 3


async def test_many_exchanges_at_once_wait_for_one_reading_and_one_that_hangs_up_stops_none() -> None:
    source = Source()
    source.gate.clear()
    calls = [asyncio.create_task(source.found("a")) for _ in range(50)]
    while not source.readings:
        await asyncio.sleep(0)
    calls[0].cancel()
    source.gate.set()
    assert await asyncio.gather(*calls[1:]) == ["found"] * 49
    assert source.readings == 1


async def test_keys_at_hand_are_used_while_others_are_read() -> None:
    source = Source()
    assert await source.found("a") == "found"
    source.now += 60
    source.gate.clear()
    waits = asyncio.create_task(source.found("c"))
    while source.readings < 2:
        await asyncio.sleep(0)
    assert await source.found("a") == "found"
    assert not waits.done()
    source.gate.set()
    assert await waits == "KEY_UNKNOWN"


async def test_while_the_issuer_is_down_its_keys_are_believed_for_an_hour() -> None:
    source = Source()
    assert await source.found("a") == "found"
    source.down = True
    source.now += 3_599
    assert await source.found("a") == "found"
    source.now += 1
    assert await source.found("a") == "ISSUER_UNAVAILABLE"
    source.down = False
    assert await source.found("a") == "ISSUER_UNAVAILABLE"
    source.now += 60
    assert await source.found("a") == "found"


async def test_an_issuer_that_is_down_at_the_start_is_asked_once_a_minute() -> None:
    source = Source()
    source.down = True
    for _ in range(20):
        assert await source.found("a") == "ISSUER_UNAVAILABLE"
    assert source.readings == 1
    source.down = False
    source.now += 60
    assert await source.found("a") == "found"


async def test_what_is_no_jwks_leaves_the_keys_before_it() -> None:
    source = Source()
    assert await source.found("a") == "found"
    source.content = b"<html>"
    source.now += 400
    assert await source.found("a") == "found"


SMALL = {
    "kty": "RSA",
    "kid": "a",
    "e": "AQAB",
    "n": "sT3u0Ki9Y7r9fSTwdkV-nMOXmN2CVUz9x1zHhQWZkZ8lH2gM8hdvcI8QfFz1IAPrhTHjfTH7Gv0hEmWlTLPzK5y0EJkAz6O1gDd6TTeCCFxw"
    "_ZTGdJ3mY9pUzXZ2oQk2hWbVvX3gIp1J8b6e7S9oFq0y8H0d4i4eHk1p3a0",
}


@pytest.mark.parametrize(
    "key",
    {
        "for encryption": jwk(rsa_key(), "a", use="enc"),
        "to sign alone": jwk(rsa_key(), "a", key_ops=["sign"]),
        "operations that are no list": jwk(rsa_key(), "a", key_ops="verify"),
        "without a name": {**rsa_key().as_dict(private=False)},
        "a secret": {"kty": "oct", "kid": "a", "k": "AAAA"},
        "RSA below 2,048 bits": SMALL,
        "an exponent that is none": {**jwk(rsa_key(), "a"), "e": "!"},
        "a point beside the curve": {**jwk(ec_key(), "a"), "y": "AAAA"},
        "another curve": {"kty": "EC", "kid": "a", "crv": "secp256k1", "x": "AA", "y": "AA"},
        "X25519": {"kty": "OKP", "kid": "a", "crv": "X25519", "x": "A" * 43},
        "an alg that is a list": jwk(rsa_key(), "a", alg=["RS256"]),
        "a name that is a number": {**jwk(rsa_key(), "a"), "kid": 1},
        "a part that is missing": {"kty": "RSA", "kid": "a", "n": "AQAB"},
        "no object": ["a"],
    }.items(),
    ids=lambda case: case[0],
)
def test_keys_that_cannot_verify_are_left_out(key: tuple[str, Any]) -> None:
    good = jwk(ed_key(), "good")
    found = parse_jwks(json.dumps({"keys": [key[1], good]}).encode(), "the keys")
    assert list(found) == [("good", "OKP")]


def test_of_two_keys_with_one_name_none_counts_and_nothing_private_is_kept() -> None:
    found = parse_jwks(jwks(jwk(rsa_key(), "a"), jwk(rsa_key("b"), "a"), jwk(ec_key(), "a")), "the keys")
    assert list(found) == [("a", "EC")]
    private = {**ec_key().as_dict(private=True), "kid": "a"}
    key, _ = parse_jwks(jwks(private), "the keys")["a", "EC"]
    assert not key.is_private


@pytest.mark.parametrize(
    "content",
    {
        "nothing": b"",
        "HTML": b"<html></html>",
        "an array": b"[]",
        "no keys": b"{}",
        "keys that are an object": b'{"keys": {}}',
        "no key": b'{"keys": []}',
        "keys twice": b'{"keys": [], "keys": []}',
        "too many keys": json.dumps({"keys": [{}] * 257}).encode(),
        "too large": b'{"keys": [], "x": "' + b"x" * 262_144 + b'"}',
        "deep": b'{"keys": ' + b"[" * 100_000,
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_no_jwks_is_refused_and_not_repeated(content: tuple[str, bytes]) -> None:
    with pytest.raises(UsageError, match="the keys"):
        parse_jwks(content[1], "the keys")

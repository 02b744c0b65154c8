"""How m8 gets an issuer's keys, when it reads them again, how long they are believed, and what is no JWKS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import Error, RefusedError, UnavailableError, UsageError
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.issuers import jose
from monoskope.m8.issuers.discovery import Discovery
from monoskope.m8.issuers.jose import MAX_JWKS, parse_jwks
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.settings import IssuerFile, RuleFile, checked
from tests.support.failures import failure
from tests.support.https_issuer import DOCUMENT, HttpsIssuer, https_issuer
from tests.support.issuers import claims_of, ec_key, ed_key, jwk, jwks, minted, rsa_key

KEYS = jwks(jwk(rsa_key(), "a"))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsIssuer]:
    with https_issuer(tmp_path_factory.mktemp("issuer")) as found:
        yield found


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes no issuer silent."""
    monkeypatch.setattr("monoskope.m8.issuers.discovery.TIMEOUT_S", 60.0)


@pytest.fixture
def issuer(serving: HttpsIssuer) -> HttpsIssuer:
    serving.answers.clear()
    serving.asked.clear()
    serving.publish(KEYS)
    return serving


def discovery(issuer: str, folder: Path, **fields: Any) -> Discovery:
    file = IssuerFile("corp", "m8", (RuleFile(match={}, name_claim="sub"),), issuer=issuer, **fields)
    return Discovery(checked([file], folder / "m8.toml")[0])


def of(issuer: HttpsIssuer, folder: Path, **fields: Any) -> Discovery:
    return discovery(issuer.url, folder, **{"ca_file": str(issuer.ca_file), **fields})


async def trouble(found: Discovery) -> str:
    caught = await failure(UnavailableError, found.read())
    assert caught.fix
    return caught.message


async def test_keys_are_where_the_discovery_document_says(issuer: HttpsIssuer, tmp_path: Path) -> None:
    found = of(issuer, tmp_path)
    found.check()
    assert issuer.asked == []
    assert await found.read() == KEYS
    assert issuer.asked == [(DOCUMENT, ""), ("/keys", "")]


async def test_an_address_in_the_settings_is_asked_without_a_document(issuer: HttpsIssuer, tmp_path: Path) -> None:
    issuer.answers["/openid/v1/jwks?x=1"] = issuer.answers["/keys"]
    named = f"{issuer.url}/openid/v1/jwks?x=1"
    elsewhere = discovery("https://other.example", tmp_path, ca_file=str(issuer.ca_file), jwks_uri=named)
    assert await elsewhere.read() == KEYS
    assert issuer.asked == [("/openid/v1/jwks?x=1", "")]


async def test_the_cluster_is_shown_its_token_as_it_is_now(issuer: HttpsIssuer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    found = of(issuer, tmp_path, token_file="token")
    found.check()
    await found.read()
    (tmp_path / "token").write_text("two")
    await found.read()
    assert [shown for _, shown in issuer.asked] == ["Bearer one"] * 2 + ["Bearer two"] * 2
    (tmp_path / "token").write_text("two\r\nX: y")
    await failure(UsageError, found.read(), "does not hold a token")


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"jwks_uri": "https://elsewhere.example/keys"},
        {"jwks_uri": "https://127.0.0.1/keys"},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": ["/keys"]},
    ],
    ids=["another issuer", "no issuer", "another host", "another port", "http", "a file", "none", "a list"],
)
async def test_a_document_sends_m8_nowhere_else(issuer: HttpsIssuer, tmp_path: Path, document: dict[str, Any]) -> None:
    issuer.publish(KEYS, **document)
    said = await trouble(of(issuer, tmp_path))
    assert "elsewhere" not in said
    assert issuer.asked == [(DOCUMENT, "")]


@pytest.mark.parametrize("path", [DOCUMENT, "/keys"])
async def test_no_redirect_is_followed(issuer: HttpsIssuer, tmp_path: Path, path: str) -> None:
    issuer.answers["/moved"] = issuer.answers[path]
    issuer.answers[path] = (302, {"Location": f"{issuer.url}/moved"}, b"")
    assert "answers with 302" in await trouble(of(issuer, tmp_path))
    assert issuer.asked_for("/moved") == 0


async def test_answers_have_256_kib_at_most(issuer: HttpsIssuer, tmp_path: Path) -> None:
    padded = json.dumps({**json.loads(KEYS), "x": ""}).encode()
    padded = padded[:-2] + b"x" * (MAX_JWKS - len(padded)) + padded[-2:]
    issuer.publish(padded)
    assert await of(issuer, tmp_path).read() == padded
    issuer.publish(padded + b" ")
    assert "too large" in await trouble(of(issuer, tmp_path))


async def test_an_issuer_that_fails_is_told_of(issuer: HttpsIssuer, tmp_path: Path) -> None:
    issuer.answers["/keys"] = (503, {}, b"secret words of the issuer")
    said = await trouble(of(issuer, tmp_path))
    assert said == "the keys of issuer corp: the issuer answers with 503."
    issuer.answers[DOCUMENT] = (200, {}, b"[]")
    assert "is no JSON object" in await trouble(of(issuer, tmp_path))
    assert "no connection" in await trouble(discovery("https://127.0.0.1:1", tmp_path))


async def test_an_issuer_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.issuers.discovery.TIMEOUT_S", 0.2)
    with https_issuer(tmp_path) as issuer:  # one of its own: what it reads late is asked of no other test
        issuer.wait.clear()
        assert "time" in await trouble(of(issuer, tmp_path))


async def test_an_issuer_whose_certificate_nobody_vouches_for_is_not_asked(issuer: HttpsIssuer, tmp_path: Path) -> None:
    assert "certificate was refused" in await trouble(discovery(issuer.url, tmp_path))
    named = issuer.url.replace("127.0.0.1", "127.0.0.2")
    said = await trouble(discovery(named, tmp_path, ca_file=str(issuer.ca_file)))
    assert "no connection" in said or "certificate was refused" in said
    assert issuer.asked == []


async def test_a_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    found = discovery("https://corp.example", tmp_path, jwks_file="keys.json")
    (tmp_path / "keys.json").write_bytes(KEYS)
    found.check()
    assert await found.read() == KEYS
    (tmp_path / "keys.json").write_bytes(b"{}")
    assert await found.read() == b"{}"


@pytest.mark.parametrize("field", ["jwks_file", "ca_file"])
async def test_a_file_that_others_can_write_says_nothing_of_whom_to_believe(tmp_path: Path, field: str) -> None:
    """Who writes keys of their own into it could be every member of the issuer."""
    file = tmp_path / "file"
    file.write_bytes(KEYS)
    found = discovery("https://127.0.0.1:1", tmp_path, **{field: "file"})
    for mode in (0o666, 0o664, 0o646):
        file.chmod(mode)
        with pytest.raises(RefusedError, match=f"mode {mode:04o}") as caught:
            found.check()
        assert caught.value.fix == f"Run: chmod go-w {file}"
        await failure(RefusedError, found.read())


@pytest.mark.parametrize("field", ["jwks_file", "ca_file", "token_file"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_files_are_looked_at_before_anybody_asks(tmp_path: Path, field: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(Error, match=str(tmp_path / "file")) as caught:
        discovery("https://corp.example", tmp_path, **{field: "file"}).check()
    assert isinstance(caught.value, UsageError)
    assert caught.value.fix


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
    source.content = NEW
    source.now += 300
    assert await source.found("a") == "KEY_UNKNOWN", "a key that was withdrawn counts for five minutes at most"


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
    source.content = b"<html>"
    source.now += 400
    assert await source.found("a") == "found", "what is no JWKS leaves the keys before it"
    source.down = True
    source.now += 3_199
    assert await source.found("a") == "found"
    source.now += 1
    assert await source.found("a") == "ISSUER_UNAVAILABLE"
    source.down, source.content = False, OLD
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
    assert list(parse_jwks(json.dumps({"keys": [key[1], good]}).encode(), "the keys")) == [("good", "OKP")]


def test_of_two_keys_with_one_name_none_counts_and_nothing_private_is_kept() -> None:
    found = parse_jwks(jwks(jwk(rsa_key(), "a"), jwk(rsa_key("b"), "a"), jwk(ec_key(), "a")), "the keys")
    assert list(found) == [("a", "EC")]
    key, _ = parse_jwks(jwks({**ec_key().as_dict(private=True), "kid": "a"}), "the keys")["a", "EC"]
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

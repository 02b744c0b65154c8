"""How m8 gets an issuer's keys over HTTPS, from a file, and from whom it takes none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import Error, RefusedError, UnavailableError, UsageError
from monoskope.m8.issuers.discovery import Discovery
from monoskope.m8.issuers.jose import MAX_JWKS
from monoskope.m8.issuers.settings import IssuerFile, RuleFile, checked
from tests.support.https_issuer import DOCUMENT, HttpsIssuer, https_issuer
from tests.support.issuers import jwk, jwks, rsa_key

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
    with pytest.raises(UnavailableError) as caught:
        await found.read()
    assert caught.value.fix
    return caught.value.message


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
    with pytest.raises(UsageError, match="does not hold a token"):
        await found.read()


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


async def test_an_issuer_that_never_answers_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        with pytest.raises(RefusedError):
            await found.read()


@pytest.mark.parametrize("field", ["jwks_file", "ca_file", "token_file"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_files_are_looked_at_before_anybody_asks(tmp_path: Path, field: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(Error, match=str(tmp_path / "file")) as caught:
        discovery("https://corp.example", tmp_path, **{field: "file"}).check()
    assert isinstance(caught.value, UsageError)
    assert caught.value.fix

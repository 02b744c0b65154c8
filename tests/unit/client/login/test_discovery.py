"""A hostile discovery document, and answers that are none: nothing is sent where the user did not name it."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.client.login.credential import IssuerAwayError
from monoskope.client.login.issuer import Issuer, OAuthError, discover, origin_of
from monoskope.errors import Code, Error, ProtocolError, UsageError
from tests.support.scripted_issuer import ScriptedIssuer


def test_an_honest_document_is_taken(scripted: ScriptedIssuer) -> None:
    scripted.says(scopes_supported=["openid"], authorization_response_iss_parameter_supported=True)
    found = discover(scripted.issuer())
    assert found.token_endpoint == f"{scripted.url}/token"
    assert (found.scopes, found.names_itself) == (frozenset({"openid"}), True)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"])
@pytest.mark.parametrize(
    "value",
    [
        "https://evil.example/x",
        "http://localhost/x",
        "https://localhost:1/x",
        "https://localhost@evil.example/x",
        "https://evil.example\\@localhost/x",
        "javascript:alert(1)",
        "https://localhost/\x1b[2J",
        "https://localhost/#x",
    ],
)
def test_an_endpoint_elsewhere_is_refused_and_shown_escaped(scripted: ScriptedIssuer, name: str, value: str) -> None:
    scripted.says(**{name: value})
    with pytest.raises(ProtocolError) as caught:
        discover(scripted.issuer())
    assert name in caught.value.message
    assert caught.value.message.isprintable()
    assert [path for path, _ in scripted.asked] == ["/.well-known/openid-configuration"]


def test_an_endpoint_at_a_host_that_the_user_names_is_taken(scripted: ScriptedIssuer) -> None:
    scripted.says(token_endpoint="https://tokens.example.org/x", jwks_uri="https://keys.example.org:8443/x")
    found = discover(scripted.issuer(hosts="tokens.example.org keys.example.org:8443"))
    assert found.token_endpoint == "https://tokens.example.org/x"
    with pytest.raises(ProtocolError, match="jwks_uri"):
        discover(scripted.issuer(hosts="tokens.example.org keys.example.org"))


@pytest.mark.parametrize("issuer", ["https://evil.example", "https://localhost", None, "URL/"])
def test_a_document_of_another_issuer_is_refused(scripted: ScriptedIssuer, issuer: str | None) -> None:
    scripted.says(issuer=issuer and issuer.replace("URL", scripted.url))
    with pytest.raises(ProtocolError, match="says that it is another one"):
        discover(scripted.issuer())


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (302, {}, Code.PROTOCOL),
        (404, {}, Code.PROTOCOL),
        (200, b"<html>", Code.PROTOCOL),
        (200, b"[1]", Code.PROTOCOL),
        (200, b"[" * 100_000, Code.PROTOCOL),
        (200, b" " * 262_145, Code.PROTOCOL),
        (500, {}, Code.UNAVAILABLE),
        (429, {}, Code.UNAVAILABLE),
    ],
    ids=["redirect", "missing", "html", "array", "deep", "large", "broken", "busy"],
)
def test_what_is_no_document_is_told_apart(scripted: ScriptedIssuer, status: int, content: Any, code: Code) -> None:
    scripted.answers["/.well-known/openid-configuration"] = [(status, content)]
    with pytest.raises(Error) as caught:
        discover(scripted.issuer())
    assert caught.value.code is code
    assert len(scripted.asked) == 1  # no redirect is followed


def test_an_issuer_that_is_not_there_is_away(scripted: ScriptedIssuer) -> None:
    with pytest.raises(IssuerAwayError, match="the issuer's host localhost does not answer"):
        discover(Issuer("https://localhost:1", ca_file=str(scripted.ca_file)))


def test_what_an_issuer_says_is_escaped(scripted: ScriptedIssuer) -> None:
    said = {"error": "bad\x1b[31m", "error_description": "\u202eevil" + "x" * 500}
    scripted.answers["/token"] = [(400, said)]
    with pytest.raises(OAuthError) as caught:
        scripted.issuer().post(f"{scripted.url}/token", {})
    refused = caught.value.refused(scripted.url)
    assert refused.code is Code.REFUSED
    assert refused.message.isprintable()
    assert len(refused.message) < 400


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "https://", "https://a:b@c.example", "https://a.example/?x=1", "ftp://x", "https://é.example"],
)
def test_an_issuer_is_an_https_url(url: str) -> None:
    with pytest.raises(UsageError):
        Issuer(url)


def test_an_origin_has_a_port() -> None:
    assert origin_of("https://a.example/x") == ("a.example", 443)
    assert origin_of("https://A.example:8443") == ("a.example", 8443)
    assert origin_of("https://a.example:x") is None

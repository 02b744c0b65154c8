"""What an issuer's discovery document and its ID token must say before a client believes them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc.jwk import ECKey

from monoskope.client.login.credential import IssuerAwayError
from monoskope.client.login.id_token import check_audience, checked, claims_of, lifetime_s
from monoskope.client.login.issuer import Issuer, OAuthError, discover, origin_of
from monoskope.errors import Code, Error, ProtocolError, UnauthenticatedError, UsageError
from tests.support.scripted_issuer import ScriptedIssuer


def check(scripted: ScriptedIssuer, text: object, **changed: Any) -> Any:
    given: dict[str, Any] = {
        "keys": {"keys": [scripted.key.as_dict(private=False)]},
        "issuer": scripted.url,
        "client_id": "monoctl",
        "audience": "monoctl",
        "nonce": "n",
    }
    return checked(text, **given | changed)


def test_an_honest_token_is_taken(scripted: ScriptedIssuer) -> None:
    found = check(scripted, scripted.id_token())
    assert (found.subject, found.lasts_s) == ("anna", 3600)
    assert found.text not in repr(found)


@pytest.mark.parametrize("claims", [{"aud": ["monoctl"]}, {"azp": "monoctl"}])
def test_other_forms_of_the_same_are_taken(scripted: ScriptedIssuer, claims: dict[str, Any]) -> None:
    assert check(scripted, scripted.id_token(**claims)).subject == "anna"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "names another issuer"),
        ({"aud": "other"}, "audience is not exactly 'monoctl'"),
        ({"aud": ["monoctl", "other"]}, "audience is not exactly 'monoctl'"),
        ({"aud": None}, "audience is not exactly 'monoctl'"),
        ({"azp": "other"}, "given to another client"),
        ({"nonce": "other"}, "its nonce is another one"),
        ({"nonce": None}, "its nonce is another one"),
        ({"sub": None}, "names no one"),
        ({"sub": ["anna"]}, "names no one"),
        ({"exp": None}, "does not say when"),
        ({"iat": True}, "does not say when"),
    ],
    ids=lambda value: "-".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else "",
)
def test_a_token_for_another_login_is_refused(scripted: ScriptedIssuer, claims: dict[str, Any], why: str) -> None:
    with pytest.raises(UnauthenticatedError, match=why):
        check(scripted, scripted.id_token(**claims))


@pytest.mark.parametrize(("off_s", "said"), [(3600, "60 minutes ahead of"), (-3600, "60 minutes behind")])
def test_a_clock_that_is_far_off_is_named(scripted: ScriptedIssuer, off_s: int, said: str) -> None:
    now = int(time.time()) - off_s
    with pytest.raises(UnauthenticatedError, match=said):
        check(scripted, scripted.id_token(iat=now, exp=now + 7200))


def test_a_token_that_nobody_signed_is_refused(scripted: ScriptedIssuer) -> None:
    head, body, signature = scripted.id_token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    other = ECKey.generate_key("P-256", {"kid": "one"})
    hmac_head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "one"}).encode()).decode().rstrip("=")
    signed = hmac.digest(scripted.key.as_pem(private=False), f"{hmac_head}.{body}".encode(), "sha256")
    by_public_key = base64.urlsafe_b64encode(signed).decode().rstrip("=")
    forged = [
        f"{none}.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        scripted.id_token(key=other),
        f"{hmac_head}.{body}.{by_public_key}",
        scripted.id_token(header={"kid": "two"}),
        scripted.id_token(header={"typ": "at+jwt"}),
        scripted.id_token() + "x" * 20_000,
        "no token",
    ]
    for text in forged:
        with pytest.raises(UnauthenticatedError, match="no key of the issuer has signed the ID token") as caught:
            check(scripted, text)
        assert text not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_keys_that_are_not_known_do_no_harm(scripted: ScriptedIssuer) -> None:
    own = scripted.key.as_dict(private=False)
    strange: list[Any] = [{"kty": "new"}, {"kty": "oct", "k": "AAAA", "kid": "one"}, "none", {}, own]
    assert check(scripted, scripted.id_token(), keys={"keys": strange}).subject == "anna"
    with pytest.raises(UnauthenticatedError):
        check(scripted, scripted.id_token(), keys={"keys": [own | {"use": "enc"}]})
    with pytest.raises(UnauthenticatedError):
        check(scripted, scripted.id_token(), keys={})


def test_a_refresh_brings_no_other_person(scripted: ScriptedIssuer) -> None:
    with pytest.raises(UnauthenticatedError, match="names another person"):
        check(scripted, scripted.id_token(), subject="bert")


@pytest.mark.parametrize("missing", [None, "", 3])
def test_no_id_token_is_told(scripted: ScriptedIssuer, missing: object) -> None:
    with pytest.raises(UnauthenticatedError, match="the issuer gave no ID token"):
        check(scripted, missing)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.e30.c.d", "a.W10.c", "a.\u00e9.c", "a." + "x" * 20_000 + ".c"])
def test_what_is_no_token_has_no_claims(text: str) -> None:
    assert claims_of(text) == {}
    assert lifetime_s(text) == 900
    with pytest.raises(UnauthenticatedError):
        check_audience(text, "m8", where="it", fix="")


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

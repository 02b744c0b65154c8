"""What an ID token must say: each fault that a thief, or an issuer, could make is refused before it is kept or sent."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc.jwk import ECKey

from monoskope.client.login.id_token import check_audience, checked, claims_of, lifetime_s
from monoskope.errors import UnauthenticatedError
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
def test_a_token_that_is_not_for_this_login_is_refused(
    scripted: ScriptedIssuer, claims: dict[str, Any], why: str
) -> None:
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

"""Every refusal of a token of an issuer, with its exact word, and what is taken. No refusal repeats the token."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import Code
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.issuers import jose
from monoskope.m8.issuers.settings import Issuer, IssuerFile, RuleFile, checked
from monoskope.m8.issuers.verifying import Verified
from monoskope.protocol.login import ExchangeRefusal
from tests.support.issuers import (
    ISSUER,
    NOW_S,
    claims_of,
    ec_key,
    ed_key,
    encoded,
    issuers_of,
    jwk,
    jwks,
    minted,
    rsa_key,
)


def an_issuer(*rules: RuleFile, **fields: Any) -> Issuer:
    given = {"name": "corp", "issuer": ISSUER, "audience": "m8", **fields}
    file = IssuerFile(rules=rules or (RuleFile(match={}, name_claim="sub"),), **given)
    return checked([file], Path("m8.toml"))[0]


async def verified(token: str, *rules: RuleFile, content: bytes = b"", **fields: Any) -> Verified:
    return await issuers_of(an_issuer(*rules, **fields), content=content).verify(token, now_s=NOW_S)


async def refusal(token: str, *rules: RuleFile, content: bytes = b"", **fields: Any) -> str:
    with pytest.raises(ExchangeRefusedError) as caught:
        await verified(token, *rules, content=content, **fields)
    error = caught.value
    for part in token.split("."):
        assert len(part) < 20 or part not in f"{error!s} {error!r}"
    assert error.message
    assert error.fix
    return error.refusal.value


async def test_a_token_stands_for_the_member_that_the_rule_names() -> None:
    found = await verified(minted(claims_of()))
    assert str(found.member) == "user:corp:f3b1c7a0-6d2e-4b6e-9a39-0f6a2f1f8f11"
    assert (found.expires_s, found.groups, found.is_mutable) == (NOW_S + 300, (), False)
    assert found.subject == "f3b1c7a0-6d2e-4b6e-9a39-0f6a2f1f8f11"


ALGORITHMS: dict[str, Any] = {
    "RS256": rsa_key,
    "RS512": rsa_key,
    "PS256": rsa_key,
    "ES256": lambda: ec_key("P-256"),
    "ES384": lambda: ec_key("P-384"),
    "ES512": lambda: ec_key("P-521"),
    "Ed25519": ed_key,
    "EdDSA": ed_key,
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_algorithms_of_issuers_are_taken(algorithm: str) -> None:
    key = ALGORITHMS[algorithm]()
    content = jwks(jwk(key, "a"), jwk(rsa_key("b"), "b"))
    token = minted(claims_of(), key=key, algorithm=algorithm)
    assert (await verified(token, content=content)).member.issuer == "corp"
    # One bit of the signature more.
    head, _, signature = token.rpartition(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert await refusal(f"{head}.{other}", content=content) == "SIGNATURE"


def with_header(**header: Any) -> str:
    return minted(claims_of(), header=header)


def hmac_with_the_public_key() -> str:
    """What RFC 8725, 2.1 warns of: the public key, in the form that everybody has, as the secret of an HMAC."""
    signed = f"{encoded({'alg': 'HS256', 'kid': 'a'})}.{encoded(claims_of())}"
    public = rsa_key().as_pem(private=False)
    return f"{signed}.{encoded(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'a'})}.{encoded(claims_of())}."


def twice(name: str) -> str:
    return minted(f'{json.dumps(claims_of())[:-1]}, "{name}": "m8"}}'.encode())


FORMS: dict[str, tuple[str, str]] = {
    "jku": (with_header(jku="https://evil.example.com/keys"), "HEADER_JKU"),
    "jwk": (with_header(jwk=jwk(ec_key(), "a")), "HEADER_JWK"),
    "x5u": (with_header(x5u="https://evil.example.com/cert"), "HEADER_X5U"),
    "x5c": (with_header(x5c=["MIIB"]), "HEADER_X5C"),
    "crit": (with_header(crit=["exp"], exp=1), "HEADER_CRIT"),
    "empty crit": (with_header(crit=[]), "HEADER_CRIT"),
    "b64": (with_header(b64=False), "HEADER_CRIT"),
    "none": (unsigned("none"), "ALGORITHM_NONE"),
    "None, with something in the place of a signature": (unsigned("nOnE") + "AA", "ALGORITHM_NONE"),
    "no signature": (unsigned("RS256"), "MALFORMED"),
    "HMAC with the public key": (hmac_with_the_public_key(), "ALGORITHM_HMAC"),
    "HS512": (with_header(alg="HS512"), "ALGORITHM_HMAC"),
    "an algorithm that m8 does not take": (with_header(alg="ES256K"), "ALGORITHM"),
    "SHA-1": (with_header(alg="RS1"), "ALGORITHM"),
    "encryption": (with_header(alg="RSA-OAEP"), "ALGORITHM"),
    "no algorithm": (with_header(alg=None), "MALFORMED"),
    "an algorithm that is a list": (with_header(alg=["RS256"]), "MALFORMED"),
    "an access token": (with_header(typ="at+jwt"), "TYPE"),
    "a logout token": (with_header(typ="logout+jwt"), "TYPE"),
    "a logout token without a typ": (
        minted(claims_of(events={"http://schemas.openid.net/event/backchannel-logout": {}})),
        "TYPE",
    ),
    "a typ that is no text": (with_header(typ=1), "TYPE"),
    "Keycloak's access token": (minted(claims_of(typ="Bearer")), "TYPE"),
    "no kid": (with_header(kid=None), "KEY_ID"),
    "an empty kid": (with_header(kid=""), "KEY_ID"),
    "a kid that is a path": (with_header(kid="../../../../dev/null"), "KEY_UNKNOWN"),
    "a kid that is too long": (with_header(kid="a" * 257), "KEY_ID"),
    "another kid": (with_header(kid="b"), "KEY_UNKNOWN"),
    "another algorithm than the key's": (minted(claims_of(), key=ec_key(), algorithm="ES256"), "KEY_UNFIT"),
    "another key": (minted(claims_of(), key=rsa_key("b")), "SIGNATURE"),
    "too large": (minted(claims_of(filler="x" * 16_384)), "TOO_LARGE"),
    "two parts": ("e30.e30", "MALFORMED"),
    "encrypted": ("e30.e30.e30.e30.e30", "MALFORMED"),
    "nothing": ("", "MALFORMED"),
    "padding": (minted(claims_of()) + "=", "MALFORMED"),
    "the other alphabet": ("+" + minted(claims_of())[1:], "MALFORMED"),
    "not ASCII": (minted(claims_of()) + "é", "MALFORMED"),
    "a claim twice": (twice("aud"), "MALFORMED"),
    "an array": (minted([1]), "MALFORMED"),
    "not a number": (minted(b'{"exp": NaN}'), "MALFORMED"),
    "deep": (minted(b'{"a":' + b"[" * 4_000), "MALFORMED"),
    "not UTF-8": (minted(b'{"a": "\xff"}'), "MALFORMED"),
    "another issuer": (minted(claims_of(iss="https://elsewhere.example.com")), "ISSUER"),
    "nearly the issuer": (minted(claims_of(iss=ISSUER + "/")), "ISSUER"),
    "no issuer": (minted(claims_of(iss=None)), "ISSUER"),
    "an issuer that is a list": (minted(claims_of(iss=[ISSUER])), "ISSUER"),
    "another audience": (minted(claims_of(aud="m9")), "AUDIENCE"),
    "no audience": (minted(claims_of(aud=None)), "AUDIENCE"),
    "an audience inside another": (minted(claims_of(aud="m8.example.com")), "AUDIENCE"),
    "an empty list of audiences": (minted(claims_of(aud=[])), "AUDIENCE"),
    "an audience that is no text": (minted(claims_of(aud=["m8", 1])), "AUDIENCE"),
    "several audiences": (minted(claims_of(aud=["m8", "other"])), "SEVERAL_AUDIENCES"),
    "several audiences, another client": (minted(claims_of(aud=["m8", "other"], azp="other")), "AUTHORIZED_PARTY"),
    "another client": (minted(claims_of(azp="other")), "AUTHORIZED_PARTY"),
    "a client that is a list": (minted(claims_of(azp=["m8"])), "AUTHORIZED_PARTY"),
    "no exp": (minted(claims_of(exp=None)), "TIMES"),
    "no iat": (minted(claims_of(iat=None)), "TIMES"),
    "an exp that is a text": (minted(claims_of(exp=str(NOW_S + 60))), "TIMES"),
    "an exp that is true": (minted(claims_of(exp=True)), "TIMES"),
    "an exp beyond numbers": (minted(claims_of(exp=10**300)), "TIMES"),
    "an nbf that is a text": (minted(claims_of(nbf="now")), "TIMES"),
    "expired now": (minted(claims_of(exp=NOW_S, iat=NOW_S - 300)), "EXPIRED"),
    "expired an hour ago": (minted(claims_of(exp=NOW_S - 3_600, iat=NOW_S - 3_900)), "EXPIRED"),
    "issued in 31 s": (minted(claims_of(iat=NOW_S + 31)), "NOT_YET_VALID"),
    "issued in an hour": (minted(claims_of(iat=NOW_S + 3_600, exp=NOW_S + 3_900)), "NOT_YET_VALID"),
    "issued a day and a second ago": (minted(claims_of(iat=NOW_S - 86_401)), "TOO_OLD"),
    "issued at the beginning of time": (minted(claims_of(iat=0, nbf=NOW_S)), "TOO_OLD"),
    "valid for a day and a second": (minted(claims_of(exp=NOW_S + 86_401)), "TOO_LONG"),
    "valid for ever": (minted(claims_of(exp=2**53 - 1)), "TOO_LONG"),
    "valid in 31 s": (minted(claims_of(nbf=NOW_S + 31)), "NOT_YET_VALID"),
    "no sub": (minted(claims_of(sub=None)), "SUBJECT"),
    "an empty sub": (minted(claims_of(sub="")), "SUBJECT"),
    "a sub that is a number": (minted(claims_of(sub=7)), "SUBJECT"),
    "a sub with a line end": (minted(claims_of(sub="a\nb")), "SUBJECT"),
    "a sub that is too long": (minted(claims_of(sub="a" * 256)), "SUBJECT"),
    "a sub with a colon as name": (minted(claims_of(sub="a:b")), "NAME"),
    "a sub with a space as name": (minted(claims_of(sub="a b")), "NAME"),
    "a sub that would be another member": (minted(claims_of(sub="corp:group:x")), "NAME"),
    "a sub that is too long for a name": (minted(claims_of(sub="a" * 129)), "NAME"),
    "a sub in another script": (minted(claims_of(sub="\u0430nna")), "NAME"),
}


@pytest.mark.parametrize("what", FORMS)
async def test_what_is_refused_says_why_by_its_own_word(what: str) -> None:
    token, word = FORMS[what]
    assert await refusal(token) == word


@pytest.mark.parametrize(
    "claims",
    [
        claims_of(aud=["m8"]),
        claims_of(azp="m8"),
        claims_of(azp="monoctl"),
        claims_of(aud=["m8", "other"], azp="monoctl"),
        claims_of(iat=NOW_S + 30),
        claims_of(nbf=NOW_S + 30),
        claims_of(iat=NOW_S - 0.5, exp=NOW_S + 1.5),
        claims_of(typ="ID"),
        claims_of(iat=NOW_S - 86_400),
        claims_of(exp=NOW_S + 86_400),
    ],
    ids=[
        *("one in a list", "own client", "named client", "several for it", "30 s", "nbf 30 s", "fractions", "typ ID"),
        *("a day old", "for a day"),
    ],
)
async def test_what_is_at_the_edge_is_taken(claims: dict[str, Any]) -> None:
    found = await verified(minted(claims, header={"typ": None}), client_ids=("monoctl",))
    assert (found.member.issuer, found.expires_s) == ("corp", int(claims["exp"]))


async def test_a_key_that_says_what_it_is_for_is_used_for_that_alone() -> None:
    token = minted(claims_of(), algorithm="RS512")
    assert await refusal(token, content=jwks(jwk(rsa_key(), "a", alg="RS256"))) == "KEY_UNFIT"
    key = ec_key("P-384")
    await verified(minted(claims_of(), key=key, algorithm="ES384"), content=jwks(jwk(key, "a")))
    wrong = minted(claims_of(), key=ec_key("P-256"), algorithm="ES256")
    assert await refusal(wrong, content=jwks(jwk(key, "a"))) == "KEY_UNFIT"


CODES = {
    Code.USAGE: {"TOKEN_TYPE"},
    Code.REFUSED: {"NO_ISSUERS", "NO_RULE", "SEVERAL_RULES", "NAME", "EMAIL_UNVERIFIED", "GROUPS", "TOO_MANY_GROUPS"}
    | {"ISSUER_CHANGED", "SUBJECT_CHANGED"},
    Code.UNAVAILABLE: {"ISSUER_UNAVAILABLE"},
}


def test_the_code_says_whether_another_token_helps() -> None:
    """UNAUTHENTICATED lets a client bring a new one; after the others it does not."""
    found = {refusal.value: ExchangeRefusedError(refusal, "why.").code for refusal in ExchangeRefusal}
    for code, words in CODES.items():
        assert {found.pop(word) for word in words} == {code}
    assert set(found.values()) == {Code.UNAUTHENTICATED}


async def test_two_texts_of_one_token_are_one_for_what_is_exchanged_once() -> None:
    """Of an ECDSA signature anybody can make another valid one: (r, n - s) in place of (r, s)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    content = jwks(jwk(ec_key(), "a"))
    token = minted(claims_of(), key=ec_key(), algorithm="ES256")
    signature = jose.parse(token).signature
    turned = signature[:32] + (order - int.from_bytes(signature[32:])).to_bytes(32)
    other = f"{token.rpartition('.')[0]}.{encoded(turned)}"
    assert other != token
    assert (await verified(token, content=content)).digest == (await verified(other, content=content)).digest


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: f"{encoded(raw)}.{encoded(raw)}.{encoded(raw)}"))
def test_nothing_but_a_refusal_comes_of_what_anybody_may_send(text: str) -> None:
    with pytest.raises(ExchangeRefusedError):
        jose.parse(text)


def test_neither_a_token_nor_what_was_verified_shows_itself() -> None:
    assert repr(jose.parse(minted(claims_of(sub="somebody")))) == "<Token>"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("iss", "aud", "azp", "sub", "exp", "iat", "nbf", "typ", "email_verified", "email", "groups")
ANYTHING = issuers_of(
    an_issuer(RuleFile(match={}, name_claim="email", mutable=True, groups="groups")), content=jwks(jwk(ed_key(), "a"))
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
async def test_whatever_an_issuer_signs_is_taken_or_refused_and_never_a_defect(changes: dict[str, Any]) -> None:
    claims = {**claims_of(email="anna@example.com", email_verified=True), **changes}
    try:
        found = await ANYTHING.verify(minted(claims, key=ed_key(), algorithm="Ed25519"), now_s=NOW_S)
    except ExchangeRefusedError:
        return
    assert (found.subject, found.member.name) == (claims["sub"], claims["email"])
    assert claims["email_verified"] is True
    assert found.expires_s <= claims["exp"]

"""`POST /oauth2/token`: the form of RFC 8693, read strictly, and refused by the codes of OAuth."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.m8.http import token_endpoint
from monoskope.m8.service.exchange import ID_TOKEN, JWT
from tests.support.exchanging import FORM, GRANT, PATH, Exchanging
from tests.support.http_calls import ask
from tests.support.issuers import claims_of, minted
from tests.support.m8_world import PAGE


async def test_the_form_of_rfc_8693_gives_the_same_token(m8: Exchanging) -> None:
    answered = await m8.form(minted(claims_of(sub="anna")), requested_token_type="urn:ietf:params:oauth:token-type:access_token", audience="m8", client_id="monoctl")  # fmt: skip  # noqa: E501
    assert answered.status == 200
    found = answered.json
    assert (found["token_type"], found["expires_in"]) == ("Bearer", 300)
    assert answered.headers["pragma"] == "no-cache"
    assert str((await m8.principal(found["access_token"])).member) == "user:corp:anna"


FORMS: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "invalid_request"),
    "JSON": (b'{"grant_type": "x"}', 400, "invalid_request"),
    "another grant": (b"grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
    "a name twice": (f"grant_type={GRANT}&grant_type={GRANT}".encode(), 400, "invalid_request"),
    "a name twice, escaped": (f"grant_type={GRANT}&grant%5Ftype={GRANT}".encode(), 400, "invalid_request"),
    "a broken escape": (b"grant_type=%zz", 400, "invalid_request"),
    "an escape of no text": (b"grant_type=%ff", 400, "invalid_request"),
    "no equals": (b"grant_type", 400, "invalid_request"),
    "too many": (b"&".join(b"a%d=1" % number for number in range(40)), 400, "invalid_request"),
    "a character that needs an escape": (b"grant_type=a b", 400, "invalid_request"),
}


@pytest.mark.parametrize("what", FORMS)
async def test_forms_are_read_strictly(m8: Exchanging, what: str) -> None:
    body, status, error = FORMS[what]
    answered = await m8.post(body)
    assert (answered.status, answered.json["error"]) == (status, error)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"scope": "openid"}, "invalid_scope"),
        ({"resource": "https://m8.example.com"}, "invalid_target"),
        ({"audience": "other"}, "invalid_target"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"actor_token_type": JWT}, "invalid_request"),
        ({"client_secret": "x"}, "invalid_request"),
        ({"client_assertion": "x"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"requested_token_type": JWT}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
async def test_what_m8_does_not_do_is_refused_by_the_codes_of_oauth(
    m8: Exchanging, fields: dict[str, str], error: str
) -> None:
    answered = await m8.form(minted(claims_of()), **fields)
    assert (answered.status, answered.json["error"]) == (400, error)
    assert await m8.recorded() == []


async def test_what_is_no_form_or_too_large_is_refused_by_its_head(m8: Exchanging) -> None:
    body = urlencode({"grant_type": GRANT}).encode()
    for kind in ("application/json", "multipart/form-data", f"{FORM[1]}; charset=latin-1", ""):
        assert (await m8.post(body, kind=("Content-Type", kind))).status == 415
    basic = ("Authorization", "Basic YTpi")
    answered = await m8.post(body, basic)
    assert (answered.status, answered.json["error"]) == (401, "invalid_client")
    assert answered.headers["www-authenticate"] == "Bearer"
    assert (await m8.post(b"a=" + b"x" * 20_480)).status == 413
    assert (await m8.form("a." * 9_000)).json["error"] == "invalid_request"
    got = await ask(m8.world.address, "GET", PATH)
    assert (got.status, got.headers["allow"]) == (405, "POST")


async def test_pages_that_may_call_may_exchange_and_no_others(m8: Exchanging) -> None:
    answered = await m8.form(minted(claims_of()), ("Origin", PAGE))
    assert answered.headers["access-control-allow-origin"] == PAGE
    wrong = await m8.post(b"x", ("Origin", PAGE), kind=("Content-Type", "text/plain"))
    assert wrong.headers["access-control-allow-origin"] == PAGE
    other = await ask(m8.world.address, "POST", PATH, FORM, ("Origin", "https://evil.example"), body=b"a=b")
    assert other.status == 403


async def test_the_answer_over_connect_is_not_to_be_stored(m8: Exchanging) -> None:
    body = json.dumps({"subjectToken": minted(claims_of()), "subjectTokenType": ID_TOKEN}).encode()
    path = "/monoskope.api.gateway.v1.AccessService/ExchangeToken"
    answered = await ask(m8.world.address, "POST", path, ("Content-Type", "application/json"), body=body)
    assert (answered.status, answered.headers["cache-control"]) == (200, "no-store")


@given(st.dictionaries(st.text(max_size=20).filter(bool), st.text(max_size=20).filter(bool), max_size=8))
def test_a_form_says_what_was_written_into_it(fields: dict[str, str]) -> None:
    body = urlencode(fields, encoding="utf-8", errors="strict", quote_via=quote).encode()
    assert token_endpoint.parse_form(body) == fields


@given(st.binary(max_size=60))
def test_no_bytes_break_the_form(body: bytes) -> None:
    token_endpoint.parse_form(body)

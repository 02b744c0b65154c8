"""The exchange by its method and at `POST /oauth2/token`: what comes out, what is recorded, and what is refused."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.http.connect import error_in
from monoskope.errors import RateLimitedError
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import member_stream
from monoskope.m8.http import token_endpoint
from monoskope.m8.issuers.discovery import Discovery
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.settings import RuleFile
from monoskope.m8.issuers.verifying import Issuers
from monoskope.m8.limits.logins import PER_MEMBER, Exchanges
from monoskope.m8.limits.subjects import Quota
from monoskope.m8.readmodels.uploads import bytes_of
from monoskope.m8.service.exchange import ID_TOKEN, JWT, TTL_S
from monoskope.protocol.login import ExchangeRefusal, Member
from tests.support.exchanging import FORM, GRANT, PATH, Exchanging, an_issuer, mutable, refused, word
from tests.support.failures import failure
from tests.support.http_calls import Call, CallError, ask
from tests.support.issuers import ISSUER, NOW_S, claims_of, jwk, jwks, keys_of, minted, rsa_key
from tests.support.log_lines import calls, strangers
from tests.support.m8_user import refused as refused_by_m8
from tests.support.m8_world import PAGE

ANNA = Member.parse("user:corp:anna@example.com")


async def bind(m8: Exchanging, *groups: str) -> None:
    rights = [events_pb2.RIGHT_PUT]
    await m8.world.administrator().bind("team", *groups, role=events_pb2.ROLE_USER, prefix="vault://app", rights=rights)


async def test_a_token_comes_out_that_names_the_member_and_has_no_rights(m8: Exchanging) -> None:
    names = ("json", "proto")
    for name in names:
        answer = await m8.exchange(minted(claims_of(sub=name)), JWT, name)
        assert answer.member == f"user:corp:{name}"
        assert answer.expires_at_ms == (NOW_S + 300) * 1000
        principal = await m8.principal(answer.access_token)
        assert (str(principal.member), principal.roles, principal.pairs) == (answer.member, frozenset(), ())
        assert (principal.issuer, principal.issuer_subject) == (ISSUER, name)
    issued = [event for event in await m8.recorded() if isinstance(event, events_pb2.TokenIssued)]
    assert [(event.subject, event.member, list(event.prefixes), list(event.rights)) for event in issued] == [
        (f"user:corp:{name}", f"user:corp:{name}", [], []) for name in names
    ]


async def test_a_token_lives_15_minutes_at_most_and_never_longer_than_what_went_in(m8: Exchanging) -> None:
    for lives_s, expected_s in ((1, 1), (899, 899), (900, 900), (86_400, TTL_S)):
        answer = await m8.exchange(minted(claims_of(sub=f"a{lives_s}", exp=NOW_S + lives_s)))
        assert answer.expires_at_ms == (NOW_S + expected_s) * 1000
    fraction = await m8.exchange(minted(claims_of(sub="fraction", exp=NOW_S + 10.9)))
    assert fraction.expires_at_ms == (NOW_S + 10) * 1000


async def test_of_the_groups_those_count_that_a_binding_names(m8: Exchanging) -> None:
    groups = ["ops", "everybody", "/a", "other"]
    before = await m8.exchange(minted(claims_of(sub="early", groups=groups)))
    await bind(m8, "group:corp:ops", "group:other:everybody")
    answer = await m8.exchange(minted(claims_of(sub="anna", groups=groups)))
    principal = await m8.principal(answer.access_token)
    assert [str(group) for group in principal.groups] == ["group:corp:ops"]
    assert [str(pair.prefix) for pair in principal.pairs] == ["vault://app"]
    assert (await m8.principal(before.access_token)).groups == ()


async def test_more_than_32_groups_that_count_are_refused(m8: Exchanging) -> None:
    names = [f"g{number}" for number in range(33)]
    await bind(m8, *(f"group:corp:{name}" for name in names))
    assert await refused(m8, minted(claims_of(sub="anna", groups=names))) == "TOO_MANY_GROUPS"
    assert len(await m8.recorded()) == 1


async def test_nothing_is_recorded_of_what_is_refused(m8: Exchanging) -> None:
    """Not even the issuer's name, before a rule matched."""
    m8.configure(an_issuer(rules=(RuleFile(match={"hd": "example.com"}, name_claim="sub"),)))
    assert await refused(m8, minted(claims_of())) == "NO_RULE"
    assert await refused(m8, minted(claims_of(aud="other"))) == "AUDIENCE"
    assert await m8.recorded() == []
    await m8.exchange(minted(claims_of(hd="example.com")))
    first, second = await m8.recorded()
    assert first == events_pb2.IssuerRegistered(name="corp", issuer=ISSUER)
    assert isinstance(second, events_pb2.TokenIssued)


async def test_a_short_name_stands_for_one_issuer_for_ever(m8: Exchanging) -> None:
    await m8.exchange(minted(claims_of()))
    other = "https://evil.example.com"
    m8.configure(an_issuer(issuer=other))
    assert await refused(m8, minted(claims_of(iss=other))) == "ISSUER_CHANGED"
    m8.configure(an_issuer(issuer=other, name="corp2"))
    assert (await m8.exchange(minted(claims_of(iss=other)))).member.startswith("user:corp2:")


async def test_a_name_that_changed_hands_is_refused_to_the_second_holder(m8: Exchanging) -> None:
    m8.configure(mutable(once=False))

    def token(subject: str, **changes: Any) -> str:
        return minted(claims_of(sub=subject, **{"email": ANNA.name, "email_verified": True, **changes}))

    for _ in range(2):
        assert (await m8.exchange(token("1"))).member == str(ANNA)
    assert await refused(m8, token("2")) == "SUBJECT_CHANGED"
    assert await refused(m8, token("1", email_verified=None)) == "EMAIL_UNVERIFIED"
    [event] = await m8.world.app.log.read_stream(member_stream(ANNA))
    assert read(event) == events_pb2.MemberRegistered(member=str(ANNA), issuer_subject="1")


async def test_two_first_holders_at_once_are_one(m8: Exchanging) -> None:
    m8.configure(mutable())
    tokens = [minted(claims_of(sub=str(number), email=ANNA.name, email_verified=True)) for number in range(8)]
    ends = await asyncio.gather(*(m8.exchange(token) for token in tokens), return_exceptions=True)
    assert sum(isinstance(end, access_pb2.ExchangeTokenResponse) for end in ends) == 1
    assert {word(end) for end in ends if isinstance(end, CallError)} == {"SUBJECT_CHANGED"}


async def test_a_token_is_exchanged_once_whichever_way(m8: Exchanging) -> None:
    token = minted(claims_of())
    ends = await asyncio.gather(*(m8.exchange(token) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(end, access_pb2.ExchangeTokenResponse) for end in ends) == 1
    assert await refused(m8, token) == "REPLAYED"
    m8.configure(an_issuer(once=False))
    first, second = await m8.exchange(token), await m8.exchange(token)
    assert first.access_token != second.access_token


async def test_a_token_that_went_in_is_no_token_of_m8(m8: Exchanging) -> None:
    token = minted(claims_of(aud="m8", iss=ISSUER))
    for authorization in (f"Bearer {token}", f"bearer {token}"):
        with pytest.raises(CallError) as caught:
            await Call(m8.world.address, access_pb2.WhoAmIRequest(), (("Authorization", authorization),)).answer()
        assert caught.value.code == "unauthenticated"


async def test_m8s_own_token_gets_no_later_one(m8: Exchanging) -> None:
    answer = await m8.exchange(minted(claims_of()))
    assert await refused(m8, answer.access_token) == "KEY_ID"


async def test_the_kind_of_the_token_is_named(m8: Exchanging) -> None:
    for kind in ("", "urn:ietf:params:oauth:token-type:access_token", "id_token"):
        caught = await failure(CallError, m8.exchange(minted(claims_of()), kind))
        assert (caught.code, word(caught)) == ("invalid_argument", "TOKEN_TYPE")


async def test_an_m8_without_issuers_refuses_and_blames_nobody(m8: Exchanging) -> None:
    m8.configure()
    for _ in range(30):
        assert await refused(m8, minted(claims_of())) == "NO_ISSUERS"


async def test_the_clients_error_has_the_word(m8: Exchanging) -> None:
    caught = await failure(CallError, m8.exchange(minted(claims_of(exp=NOW_S - 1, iat=NOW_S - 60))))
    error = error_in(caught.status)
    assert error is not None
    assert (error.code.value, error.reason_name) == ("UNAUTHENTICATED", "EXPIRED")
    assert "the token has expired, by m8's clock" in error.message


@pytest.mark.parametrize(
    ("offset_s", "end"),
    [(-3_600, "NOT_YET_VALID"), (-60, "NOT_YET_VALID"), (-29, ""), (60, ""), (3_600, "EXPIRED")],
    ids=["an hour slow", "a minute slow", "29 s slow", "a minute fast", "an hour fast"],
)
async def test_m8s_clock_may_be_off_a_little(m8: Exchanging, offset_s: int, end: str) -> None:
    m8.world.clock.pass_s(offset_s)
    token = minted(claims_of())
    if end:
        assert await refused(m8, token) == end
    else:
        assert (await m8.exchange(token)).expires_at_ms <= (NOW_S + 300) * 1000


async def test_an_address_whose_tokens_are_refused_must_wait_and_is_told_so(m8: Exchanging) -> None:
    m8.world.app.exchanges = Exchanges(20, 2, lambda: 0.0)
    token = minted(claims_of(aud="other"))
    for _ in range(2):
        assert (await m8.form(token)).status == 400
    answered = await m8.form(minted(claims_of()))
    assert (answered.status, answered.headers["retry-after"]) == (429, "5")
    assert answered.json["error"] == "temporarily_unavailable"
    caught = await failure(CallError, m8.exchange(minted(claims_of())))
    assert isinstance(error_in(caught.status), RateLimitedError)


def test_one_member_exchanges_as_often_as_a_pipeline_does_and_no_more() -> None:
    now = 0.0
    exchanges = Exchanges(20, 10, lambda: now)
    for _ in range(PER_MEMBER):
        exchanges.admit_member("machine:github:deploy")
    with pytest.raises(RateLimitedError) as caught:
        exchanges.admit_member("machine:github:deploy")
    assert caught.value.retry_after_s > 0
    exchanges.admit_member("machine:github:other")
    now = 1.0
    exchanges.admit_member("machine:github:deploy")


async def test_a_used_token_that_others_have_keeps_its_owner_out_of_nothing(m8: Exchanging) -> None:
    """Replays count for the address that sends them, and not for the member."""
    m8.world.app.exchanges = Exchanges(1_000, 1_000, lambda: 0.0)
    used = minted(claims_of(sub="anna"))
    await m8.exchange(used)
    for _ in range(PER_MEMBER):
        assert await refused(m8, used) == "REPLAYED"
    assert (await m8.exchange(minted(claims_of(sub="anna", jti="2")))).member == "user:corp:anna"


async def test_an_issuer_that_is_down_is_nobodys_failure_and_stops_no_other_call(m8: Exchanging) -> None:
    asked, answers = asyncio.Event(), asyncio.Event()

    async def hangs() -> bytes:
        asked.set()
        await answers.wait()
        return jwks(jwk(rsa_key(), "a"))

    other = replace(an_issuer(), name="other", issuer="https://other.example.com")
    keys = IssuerKeys(hangs, "the keys of issuer corp")
    m8.world.app.issuers = Issuers([(an_issuer(), keys), (other, keys_of(jwks(jwk(rsa_key(), "a"))))])
    waits = [asyncio.create_task(m8.exchange(minted(claims_of(sub=f"a{number}")))) for number in range(5)]
    await asked.wait()
    assert (await m8.exchange(minted(claims_of(iss=other.issuer)))).member.startswith("user:other:")
    answers.set()
    assert {answer.member for answer in await asyncio.gather(*waits)} == {f"user:corp:a{number}" for number in range(5)}


async def test_an_issuer_that_cannot_be_asked_is_unavailable(m8: Exchanging) -> None:
    m8.world.app.issuers = Issuers([(an_issuer(), keys_of(b"<html>"))])
    answered = await m8.form(minted(claims_of()))
    assert (answered.status, answered.json["exchange_refusal"]) == (503, "ISSUER_UNAVAILABLE")
    assert answered.json["error"] == "temporarily_unavailable"
    assert await refused(m8, minted(claims_of())) == "ISSUER_UNAVAILABLE"


async def test_exchanges_of_a_member_fill_the_log_no_more_than_requests_may(m8: Exchanging) -> None:
    app = m8.world.app
    app.quota = Quota(40_000, app.clock)
    with refused_by_m8("RATE_LIMITED") as refusal:
        for number in range(PER_MEMBER):
            await m8.exchange(minted(claims_of(sub="anna", jti=str(number))))
    assert "bytes that m8 records for a user in a day" in refusal.message
    used = (await app.documents.usage("user:corp:anna", app.clock())).size
    assert 20_000 < used <= 40_000
    await m8.exchange(minted(claims_of(sub="bob")))


async def test_a_token_counts_with_its_revocation(m8: Exchanging) -> None:
    app = m8.world.app
    for number in range(4):
        found = await m8.exchange(minted(claims_of(sub="anna", jti=str(number))))
        principal = await m8.principal(found.access_token)
        await app.issuing().revoke(principal.token_id, actor=principal.subject)
    events = [event for event in await app.log.read(after=0, limit=1_000) if event.stream.startswith("token/")]
    assert len(events) == 8
    counted = (await app.documents.usage("user:corp:anna", app.clock())).size
    assert sum(bytes_of(len(event.record)) for event in events) <= counted


async def test_a_stranger_is_not_told_where_m8_has_its_files(m8: Exchanging) -> None:
    issuer = replace(an_issuer(), jwks_file=Path("/srv/m8/keys-of-corp.json"))
    found = Discovery(issuer)
    m8.world.app.issuers = Issuers([(issuer, IssuerKeys(found.read, found.source))])
    answered = await m8.form(minted(claims_of()))
    assert answered.json["exchange_refusal"] == "ISSUER_UNAVAILABLE"
    assert "/srv" not in json.dumps(answered.json)


async def test_an_exchange_is_one_line_with_the_member_and_without_a_token(m8: Exchanging, lines: io.StringIO) -> None:
    good, bad = minted(claims_of(sub="anna", mail="private@example.com")), minted(claims_of(sub="bob", aud="x"))
    answer = await m8.exchange(good)
    await m8.form(bad)
    (first,) = calls(lines)
    assert (first["method"], first["code"]) == ("ExchangeToken", "OK")
    assert (first["subject"], first["issuer"]) == ("user:corp:anna", "corp")
    assert strangers(m8.world.app, lines) == {"ExchangeToken UNAUTHENTICATED corp AUDIENCE": 1}
    for secret in (good, bad, answer.access_token, "private@example.com", "bob"):
        assert secret not in lines.getvalue()
    for part in good.split("."):
        assert part not in lines.getvalue()


def test_every_word_is_explained_to_operators() -> None:
    page = (Path(__file__).parents[4] / "docs/operate/issuers.md").read_text(encoding="utf-8")
    for refusal in ExchangeRefusal:
        assert f"| `{refusal.value}` |" in page


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
async def test_what_m8_does_not_do_has_the_codes_of_oauth(m8: Exchanging, fields: dict[str, str], error: str) -> None:
    answered = await m8.form(minted(claims_of()), **fields)
    assert (answered.status, answered.json["error"]) == (400, error)
    assert await m8.recorded() == []


async def test_what_is_no_form_or_too_large_is_refused_by_its_head(m8: Exchanging) -> None:
    body = urlencode({"grant_type": GRANT}).encode()
    for kind in ("application/json", "multipart/form-data", f"{FORM[1]}; charset=latin-1", ""):
        assert (await m8.post(body, kind=("Content-Type", kind))).status == 415
    answered = await m8.post(body, ("Authorization", "Basic YTpi"))
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

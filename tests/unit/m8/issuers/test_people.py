"""What m8 keeps of people who log in: names and vouched addresses, beside the log, for those who see the id anyway."""

from __future__ import annotations

import io
from typing import Any

import pytest

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.issuers.settings import RuleFile
from monoskope.m8.queries.people import IDS
from monoskope.m8.service.people import KEPT_MS
from tests.support.exchanging import Exchanging, an_issuer
from tests.support.http_calls import CallError
from tests.support.issuers import claims_of, minted

ANNA, BEN = "user:corp:anna", "user:corp:ben"
NAME, ADDRESS = "Anna Meyer", "anna@example.org"


async def login(m8: Exchanging, sub: str = "anna", **claims: Any) -> None:
    await m8.exchange(minted(claims_of(sub=sub, **claims)))


async def named(m8: Exchanging) -> dict[str, str]:
    """The names that an administrator sees beside the tokens of those who logged in."""
    answer = await m8.world.administrator().call(access_pb2.ListTokensRequest())
    return {one.member: one.name for one in answer.people}


async def kept(m8: Exchanging) -> dict[str, bytes]:
    return await m8.world.app.log.people([ANNA, BEN, "machine:corp:anna"])


async def test_a_login_brings_the_name_and_the_next_one_another(m8: Exchanging) -> None:
    await login(m8, name=NAME, email=ADDRESS, email_verified=True)
    assert await named(m8) == {ANNA: NAME}
    assert await m8.world.app.people.address(ANNA) == ADDRESS
    await login(m8, name="Anna Schmidt", jti="2")
    assert await named(m8) == {ANNA: "Anna Schmidt"}
    assert await m8.world.app.people.address(ANNA) == ""
    await login(m8, jti="3")
    assert await kept(m8) == {}


async def test_names_are_in_no_event_and_no_line(m8: Exchanging, lines: io.StringIO) -> None:
    await login(m8, name=NAME, email=ADDRESS, email_verified=True)
    await login(m8, "ben", name=NAME)
    assert await named(m8) == {ANNA: NAME, BEN: NAME}
    records = b"".join(event.record for event in await m8.world.app.log.read(after=0, limit=100))
    for text in (NAME, ADDRESS):
        assert text not in lines.getvalue()
        assert text.encode() not in records
    assert NAME not in repr(m8.world.app.people) + repr(
        await m8.world.app.issuers.verify(minted(claims_of(name=NAME)), now_s=m8.world.clock() / 1000)
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"name": "user:corp:ben"},
        {"name": "A" * 10_000},
        {"name": "Anna\u202e"},
        {"name": ["Anna"]},
        {"name": 7},
        {"email": ADDRESS},
        {"email": ADDRESS, "email_verified": "true"},
        {"email": ADDRESS, "email_verified": 1},
        {"email": "anna", "email_verified": True},
        {"email": "a@b\r\nBcc: c@d", "email_verified": True},
        {"email": f"{'a' * 251}@b.c", "email_verified": True},
        {"email": [ADDRESS], "email_verified": True},
    ],
)
async def test_what_does_not_fit_is_left_out_and_refuses_no_login(m8: Exchanging, claims: dict[str, Any]) -> None:
    await login(m8, **claims)
    assert await kept(m8) == {}
    assert await named(m8) == {}


async def test_an_issuer_can_be_told_to_bring_no_names(m8: Exchanging) -> None:
    """What was kept before goes with the next login."""
    await login(m8, name=NAME)
    m8.configure(an_issuer(names=False))
    await login(m8, name=NAME, email=ADDRESS, email_verified=True, jti="2")
    assert await kept(m8) == {}


async def test_machines_have_no_names(m8: Exchanging) -> None:
    m8.configure(an_issuer(rules=(RuleFile(match={}, name_claim="sub", kind="machine"),)))
    await login(m8, name=NAME, email=ADDRESS, email_verified=True)
    assert await kept(m8) == {}


async def test_an_administrator_deletes_what_is_kept(m8: Exchanging) -> None:
    await login(m8, name=NAME, email=ADDRESS, email_verified=True)
    await login(m8, "ben", name="Ben")
    request = access_pb2.ForgetPersonRequest(member=ANNA)
    with pytest.raises(CallError):
        await m8.world.member(BEN).call(request)
    assert await named(m8) == {ANNA: NAME, BEN: "Ben"}
    await m8.world.administrator().call(request)
    assert await named(m8) == {BEN: "Ben"}
    assert list(await kept(m8)) == [BEN]
    await m8.world.administrator().call(request)


async def test_what_another_process_deleted_is_shown_for_half_a_minute_at_most(m8: Exchanging) -> None:
    await login(m8, name=NAME)
    now = 0.0
    m8.world.app.people._ticks = lambda: now
    assert await named(m8) == {ANNA: NAME}
    await m8.world.app.log.forget_person(ANNA)
    now += KEPT_MS
    assert await named(m8) == {}


async def test_names_go_to_those_who_see_the_id_and_to_nobody_else(m8: Exchanging) -> None:
    """Also in events that are watched. Nobody can ask for the name of an id."""
    await login(m8, name=NAME)
    await m8.world.administrator().bind(
        "team", ANNA, BEN, role=events_pb2.ROLE_USER, prefix="vault://app", rights=[events_pb2.RIGHT_PUT]
    )
    who = await m8.world.member(ANNA).call(access_pb2.WhoAmIRequest())
    assert [(one.member, one.name) for one in who.people] == [(ANNA, NAME)]
    bindings = await m8.world.administrator().call(access_pb2.ListRoleBindingsRequest())
    assert [one.name for one in bindings.people] == [NAME]
    for request in (access_pb2.WhoAmIRequest(), queries_pb2.ListEventsRequest(), queries_pb2.ListSecretsRequest()):
        assert not (await m8.world.member(BEN).call(request)).people


async def test_events_that_are_watched_have_the_name_of_who_caused_them(m8: Exchanging) -> None:
    await login(m8, name=NAME)
    watched = m8.world.administrator().watch()
    await m8.world.administrator().bind("roots", ANNA, role=events_pb2.ROLE_ADMINISTRATOR)
    await m8.world.member(ANNA).bind("auditors", BEN, role=events_pb2.ROLE_AUDITOR)
    while (one := await watched.read()).event.actor != ANNA:
        assert not one.people
    watched.cancel()
    assert [(person.member, person.name) for person in one.people] == [(ANNA, NAME)]


def test_every_answer_that_has_room_for_names_has_them() -> None:
    files = (access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2, reactor_pb2)
    found = {
        method.name
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if "people" in method.output_type.fields_by_name
    }
    assert found == IDS.keys() | {"WatchEvents"}

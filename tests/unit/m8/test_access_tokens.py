"""Tokens from afar name a member and carry nothing; auditors, and administrators who are no users, see no hash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.uri import SecretUri
from tests.support.fake_reactor import fingerprint
from tests.support.m8_user import User, pages, refusal
from tests.support.m8_world import World, a_world, an_m8, put
from tests.support.vectors import KEY_ID, a_request

ROOT, CI, ANNA = "user:corp:root", "machine:local:ci", "user:local:anna"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        await world.administrator().bind("roots", ROOT, role=events_pb2.ROLE_ADMINISTRATOR)
        yield world


async def create(user: User, member: str, ttl_s: int = 60) -> access_pb2.CreateTokenResponse:
    answer: access_pb2.CreateTokenResponse = await user.call(access_pb2.CreateTokenRequest(member=member, ttl_s=ttl_s))
    return answer


async def revoke(user: User, token_id: str) -> None:
    await user.call(access_pb2.RevokeTokenRequest(token_id=token_id))


def holder(world: World, token: str) -> User:
    return User(world.address, token)


async def who_am_i(user: User) -> Any:
    return await user.call(access_pb2.WhoAmIRequest())


async def test_a_token_from_afar_can_do_what_role_bindings_say_and_is_made_by_name(world: World) -> None:
    root = world.member(ROOT)
    made = await create(root, CI)
    machine = holder(world, made.token)
    said = await who_am_i(machine)
    assert (said.member, said.subject, list(said.roles), list(said.rights)) == (CI, CI, [], [])
    assert (said.token_id, said.expires_at_ms) == (made.token_id, made.expires_at_ms)
    await root.bind("ci", CI, role=events_pb2.ROLE_USER, prefix="vault://ci", rights=[events_pb2.RIGHT_PUT])
    assert [one.prefix for one in (await who_am_i(machine)).rights] == ["vault://ci"]
    issued = next(event for event in (await root.events()).events if event.type == "TokenIssued")
    assert issued.actor == ROOT
    assert issued.detail == f"{made.token_id} for {CI}, with the rights of its role bindings"
    await revoke(root, made.token_id)
    await revoke(root, made.token_id)
    await refusal("UNAUTHENTICATED", who_am_i(machine))
    assert (await root.events(newest_first=True)).events[0].actor == ROOT


async def test_nobody_makes_a_token_for_themselves_or_a_group(world: World) -> None:
    root = world.member(ROOT)
    await root.bind("admins", ANNA, role=events_pb2.ROLE_ADMINISTRATOR)
    anna = holder(world, (await create(root, ANNA)).token)
    for user, own in ((root, ROOT), (anna, ANNA)):
        await refusal("REFUSED", create(user, own), "for themselves")
    for member in ("group:local:team", "anna", "user:local:"):
        await refusal("USAGE", create(root, member))
    await refusal("USAGE", create(root, CI, 366 * 86_400 + 1))


async def test_no_token_is_made_for_a_member_of_an_issuer_of_now_or_later(world: World) -> None:
    """`later` is no issuer yet. A token for a year would count when it has become one."""
    for user in (world.member(ROOT), world.administrator()):
        for member in ("user:corp:anna", "user:later:anna", "machine:local2:ci"):
            await refusal("REFUSED", create(user, member), f"{member} is not a member of local")
    assert [event.type for event in (await world.administrator().events()).events] == ["RoleBindingCreated"]
    await create(world.member(ROOT), CI)


async def test_members_revoke_their_own_tokens_and_no_others(world: World) -> None:
    root = world.member(ROOT)
    one, two, other = [await create(root, member) for member in (ANNA, ANNA, CI)]
    anna = holder(world, one.token)
    for foreign in (other.token_id, "0" * 32):
        await refusal("NOT_FOUND", revoke(anna, foreign))
    await revoke(anna, two.token_id)
    await revoke(anna, one.token_id)
    await refusal("UNAUTHENTICATED", who_am_i(anna))


async def test_the_token_of_a_copy_revokes_nothing_of_its_user(world: World) -> None:
    assert world.app.tokens is not None
    own = await world.app.tokens.issue(
        subject="anna", role=events_pb2.ROLE_USER, prefixes=["vault://"], rights=[events_pb2.RIGHT_PUT], ttl_s=60
    )
    copied = await world.app.tokens.issue_for_copy("1" * 32, "anna", SecretUri.parse("vault://b/x"))
    reactor = holder(world, copied)
    await refusal("NOT_FOUND", revoke(reactor, own.id))
    await revoke(reactor, "1" * 32)


async def test_tokens_are_listed_page_by_page_without_themselves(world: World) -> None:
    root = world.member(ROOT)
    made = [await create(root, member) for member in (ANNA, CI, ANNA)]
    await revoke(root, made[0].token_id)
    answers = pages(lambda token: root.call(access_pb2.ListTokensRequest(page_size=2, page_token=token)))
    found = [one async for answer in answers for one in answer.tokens]
    assert [one.token_id for one in found] == sorted(one.token_id for one in made)
    assert {one.token_id for one in found if one.revoked} == {made[0].token_id}
    assert {one.member for one in found} == {ANNA, CI}
    shown = b"".join(one.SerializeToString() for one in found)
    assert not any(one.token.encode() in shown for one in made)


async def test_an_exchange_needs_no_token_and_is_refused_without_an_issuer(world: World) -> None:
    stranger = holder(world, "nothing")
    message = access_pb2.ExchangeTokenRequest(
        subject_token="x" * 16_384, subject_token_type="urn:ietf:params:oauth:token-type:jwt"
    )
    await refusal("REFUSED", stranger.call(message), "no issuer is configured")
    await refusal("UNAUTHENTICATED", stranger.call(access_pb2.WhoAmIRequest()))


AUDITOR, ADMINISTRATOR, USER = events_pb2.ROLE_AUDITOR, events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_USER
EVE, BOTH = "user:corp:eve", "user:corp:both"
URI = "vault://app/db"


@pytest.fixture
async def audited(tmp_path: Path) -> AsyncIterator[World]:
    """One secret is put, its notes are edited, and one request is open."""
    async with a_world(tmp_path) as world:
        root = world.administrator()
        await root.bind("audit", EVE, BOTH, role=AUDITOR)
        await root.bind("roots", ROOT, role=ADMINISTRATOR)
        rights = [events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH]
        await root.bind("both", BOTH, role=USER, prefix="vault://app", rights=rights)
        reactor, anna = await world.attached(), world.user("anna", "vault://")
        await put(anna, reactor, uri=URI)
        await anna.edit_notes(URI, set_labels=[("owner", "team-a")])
        await anna.ask(a_request(uri="vault://other/x", request_id=b"2" * 16))
        yield world


async def everything(user: User) -> dict[str, Any]:
    events = await user.events()
    request_id = bytes.fromhex(next(e.stream for e in events.events if e.stream.startswith("upload/")).split("/")[1])
    watching = user.watch()
    watched = [(await watching.read()).event for _ in events.events]
    watching.cancel()
    return {
        "events": events,
        "watched": watched,
        "of_request": await user.events(request_id=request_id),
        "secrets": await user.secrets(),
        "secret": await user.secret(URI),
        "versions": await user.versions(URI, with_edits=True),
        "upload": await user.upload(request_id),
        "store": await user.store("vault"),
        "stores": await user.call(queries_pb2.ListSecretStoresRequest()),
        "server": await user.call(queries_pb2.GetServerRequest()),
        "tokens": await user.call(access_pb2.ListTokensRequest()),
    }


@pytest.mark.parametrize("who", [EVE, ROOT])
async def test_an_auditor_sees_all_that_happened_and_no_hash(audited: World, who: str) -> None:
    found = await everything(audited.member(who))
    assert [secret.uri for secret in found["secrets"].secrets] == [URI]
    assert len(found["events"].events) == await audited.app.log.head() == len(found["watched"])
    ended = next(event for event in found["of_request"].events if event.type == "SecretUploaded")
    assert ended.detail == "UPLOADED, version 1", "what the receipt says"
    assert found["versions"].versions[-1].outcome == upload_pb2.OUTCOME_UPLOADED
    assert found["store"].pending == 1
    assert not found["upload"].HasField("receipt"), "a receipt has hashes inside what is signed"
    assert not found["secret"].HasField("receipt")
    hashes = [fingerprint(digit).split(":")[2].encode() for digit in "ab"]
    for question, answer in found.items():
        content = b"".join(one.SerializeToString() for one in (answer if isinstance(answer, list) else [answer]))
        assert not any(one in content for one in hashes), question
    assert found["server"].fingerprint_key_id == KEY_ID, "the id of the key is no hash"


async def test_hashes_are_where_the_same_member_is_a_user_too(audited: World) -> None:
    both = audited.member(BOTH)
    assert (await both.secret(URI)).fingerprint == fingerprint("a")
    assert list((await who_am_i(both)).roles) == [USER, AUDITOR]


async def test_an_auditor_changes_nothing(audited: World) -> None:
    eve, head = audited.member(EVE), await audited.app.log.head()
    await refusal("REFUSED", eve.ask(a_request(uri=URI, request_id=b"3" * 16)))
    for purpose in (upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_DELETE):
        await refusal("REFUSED", eve.ask(a_request(uri=URI, request_id=b"3" * 16, purpose=purpose)))
    await refusal("REFUSED", eve.edit_notes(URI, set_labels=[("a", "b")]))
    await refusal("REFUSED", eve.deactivate("vault"))
    await refusal("REFUSED", eve.create("second", audited.signer.shown))
    await refusal("REFUSED", eve.call(commands_pb2.StartFingerprintKeyRotationRequest(key_id="0" * 16)))
    await refusal("REFUSED", eve.bind("more", "user:corp:x", role=AUDITOR))
    assert await audited.app.log.head() == head


async def test_a_client_of_before_is_told_one_role(audited: World) -> None:
    for who, role in ((EVE, AUDITOR), (ROOT, ADMINISTRATOR), (BOTH, AUDITOR), ("user:corp:nobody", USER)):
        answer = await audited.member(who).call(queries_pb2.GetServerRequest())
        assert (answer.subject, answer.role) == (who, role)

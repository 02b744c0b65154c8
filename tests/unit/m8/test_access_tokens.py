"""Tokens from afar: they name a member and carry nothing, and nobody makes one for themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from tests.support.m8_world import User, World, an_m8, pages, refused

ROOT, CI, ANNA = "user:corp:root", "machine:local:ci", "user:local:anna"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        await world.administrator().bind("roots", ROOT, role=events_pb2.ROLE_ADMINISTRATOR)
        yield world


async def create(user: User, member: str, ttl_s: int = 60) -> access_pb2.CreateTokenResponse:
    message = access_pb2.CreateTokenRequest(member=member, ttl_s=ttl_s)
    answer: access_pb2.CreateTokenResponse = await user.call(message)
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
    with refused("UNAUTHENTICATED"):
        await who_am_i(machine)
    assert (await root.events(newest_first=True)).events[0].actor == ROOT


async def test_nobody_makes_a_token_for_themselves_or_a_group(world: World) -> None:
    root = world.member(ROOT)
    await root.bind("admins", ANNA, role=events_pb2.ROLE_ADMINISTRATOR)
    anna = holder(world, (await create(root, ANNA)).token)
    for user, own in ((root, ROOT), (anna, ANNA)):
        with refused("REFUSED") as refusal:
            await create(user, own)
        assert "for themselves" in refusal.message
    for member in ("group:local:team", "anna", "user:local:"):
        with refused("USAGE"):
            await create(root, member)
    with refused("USAGE"):
        await create(root, CI, 366 * 86_400 + 1)


async def test_no_token_is_made_for_a_member_of_an_issuer_of_now_or_later(world: World) -> None:
    """`later` is no issuer yet. A token for a year would count when it has become one."""
    for user in (world.member(ROOT), world.administrator()):
        for member in ("user:corp:anna", "user:later:anna", "machine:local2:ci"):
            with refused("REFUSED") as refusal:
                await create(user, member)
            assert f"{member} is not a member of local" in refusal.message
    assert [event.type for event in (await world.administrator().events()).events] == ["RoleBindingCreated"]
    await create(world.member(ROOT), CI)


async def test_members_revoke_their_own_tokens_and_no_others(world: World) -> None:
    root = world.member(ROOT)
    one, two, other = [await create(root, member) for member in (ANNA, ANNA, CI)]
    anna = holder(world, one.token)
    for foreign in (other.token_id, "0" * 32):
        with refused("NOT_FOUND"):
            await revoke(anna, foreign)
    await revoke(anna, two.token_id)
    await revoke(anna, one.token_id)
    with refused("UNAUTHENTICATED"):
        await who_am_i(anna)


async def test_the_token_of_a_copy_revokes_nothing_of_its_user(world: World) -> None:
    assert world.app.tokens is not None
    own = await world.app.tokens.issue(
        subject="anna", role=events_pb2.ROLE_USER, prefixes=["vault://"], rights=[events_pb2.RIGHT_PUT], ttl_s=60
    )
    from monoskope.uri import SecretUri  # noqa: PLC0415 - for this alone

    copied = await world.app.tokens.issue_for_copy("1" * 32, "anna", SecretUri.parse("vault://b/x"))
    reactor = holder(world, copied)
    with refused("NOT_FOUND"):
        await revoke(reactor, own.id)
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
    with refused("REFUSED") as refusal:
        await stranger.call(message)
    assert "no issuer is configured" in refusal.message
    with refused("UNAUTHENTICATED"):
        await stranger.call(access_pb2.WhoAmIRequest())

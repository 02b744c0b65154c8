"""Who waits for news of a change: is told at once, and no more once the token or a role binding is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.change import change_stream
from monoskope.m8.domain.events import token_stream, write
from monoskope.m8.limits.settings import ServerLimits
from monoskope.protocol.change import Change
from tests.support.changes import (
    APPROVE,
    HOUR_S,
    OVERTAKEN,
    PLACE,
    PROPOSE,
    a_change,
    approve,
    look,
    propose,
)
from tests.support.m8_user import PATIENCE_S, User, refusal
from tests.support.m8_world import World, a_world, put

BEN = "user:corp:ben"
LONG_S = 10 * PATIENCE_S
"""How long each call may wait, so that one that ends was ended."""


@pytest.fixture
async def world(engine: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(longest_wait_s=LONG_S)) as world:
        yield world


async def waits(world: World, user: User, change: Change, version: int = 1) -> asyncio.Task[changes_pb2.SecretChange]:
    """Return a call that waits for what comes after a version of a change, once m8 has it wait."""
    message = changes_pb2.GetSecretChangesRequest(change_id=change.change_id, wait_version=version)

    async def called() -> changes_pb2.SecretChange:
        (found,) = (await user.call(message, timeout_s=LONG_S)).changes
        assert isinstance(found, changes_pb2.SecretChange)
        return found

    waiting = asyncio.create_task(called())
    while not world.app.feed._waiting.get(change_stream(change.change_id)):
        await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def ended(code: str, waiting: Awaitable[Any], word: str = "") -> None:
    async with asyncio.timeout(PATIENCE_S):
        await refusal(code, waiting, word)


async def test_waiting_ends_with_the_next_word_about_a_change(world: World, anna: User, ben: User) -> None:
    reactor, owner, change = await world.attached(), world.user("owner", "vault://app"), a_change(world)
    await propose(anna, change)
    waiting = await waits(world, anna, change)
    await approve(ben, change)
    assert (await waiting).version == 2
    # What it missed comes at once.
    assert (await look(anna, change, wait_version=1)).version == 2
    waiting = await waits(world, anna, change, 2)
    await put(owner, reactor, "1", uri=PLACE)
    assert (await waiting).state == OVERTAKEN
    assert (await look(anna, change, wait_version=2)).state == OVERTAKEN


async def test_waiting_ends_when_the_token_is_revoked(world: World, anna: User, ben: User) -> None:
    change = a_change(world)
    await propose(anna, change)
    for user in (anna, ben):
        await world.app.log.append(
            token_stream(user.token), 0, [write(events_pb2.TokenIssued(id=user.token))], actor="m8"
        )
    first, second = await waits(world, anna, change), await waits(world, ben, change)
    revocation = write(events_pb2.TokenRevoked(id=anna.token))
    await world.app.log.append(token_stream(anna.token), 1, [revocation], actor="m8")
    await ended("UNAUTHENTICATED", first, "revoked")
    assert not second.done()
    await approve(ben, change)
    assert (await second).version == 2


async def test_what_waited_over_the_revocation_is_not_told_of_it_later(world: World, anna: User) -> None:
    """The call was let in just before: the revocation lies behind the moment in which it began to wait."""
    change = a_change(world)
    await propose(anna, change)
    events = [write(events_pb2.TokenIssued(id=anna.token)), write(events_pb2.TokenRevoked(id=anna.token))]
    await world.app.log.append(token_stream(anna.token), 0, events, actor="m8")
    await ended("UNAUTHENTICATED", look(anna, change, wait_version=1), "revoked")


async def test_waiting_ends_when_the_token_expires(world: World, anna: User) -> None:
    change = a_change(world)
    await propose(anna, change)
    short = world.user("anna", "vault://app", rights=PROPOSE, expires_at_ms=world.clock() + HOUR_S * 500)
    waiting = await waits(world, short, change)
    world.clock.pass_s(HOUR_S / 2 + 1)
    await approve(world.user("ben", "vault://app", rights=APPROVE), change)
    await ended("UNAUTHENTICATED", waiting, "expired")


async def test_waiting_ends_when_role_bindings_give_no_sight_of_it_any_more(world: World, anna: User) -> None:
    change, root, ben = a_change(world), world.administrator(), world.member(BEN)
    await propose(anna, change)
    what: dict[str, Any] = {"role": events_pb2.ROLE_USER, "prefix": "vault://app", "rights": list(APPROVE)}
    await root.bind("four-eyes", BEN, **what)
    waiting = await waits(world, ben, change)
    await root.bind("others", "user:corp:eva", **what)  # of others: nothing changes
    await root.unbind("four-eyes")
    await ended("NOT_FOUND", waiting)

"""What is recorded of changes counts by the day, and who may begin to execute one has room for all of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2, commands_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.protocol.change import MAX_CHANGE
from monoskope.protocol.grant import MAX_APPROVALS
from monoskope.protocol.identity import MAX_SIGNATURE
from tests.support.changes import PLACE, a_change, approve, decline, executing, propose
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import User, refusal
from tests.support.m8_world import World, a_world, put

DELETE: dict[str, Any] = {"purpose": upload_pb2.PURPOSE_DELETE, "version": "1", "keys": ()}
RIGHTS = frozenset(RIGHT_NAMES)


async def test_what_each_says_of_a_change_counts_of_its_own_day(world: World, anna: User, ben: User) -> None:
    change = a_change(world, reason="x" * 500)
    await propose(anna, change)
    proposed = (await world.app.documents.usage("anna", world.clock())).size
    assert proposed > len(change.content)
    await approve(ben, change)
    await decline(ben, change, "Not today.")
    # The same again records nothing.
    await propose(anna, change)
    assert (await world.app.documents.usage("anna", world.clock())).size == proposed
    said = (await world.app.documents.usage("ben", world.clock())).size
    assert said > 2 * 1_024
    world.clock.pass_s(86_400)
    assert (await world.app.documents.usage("ben", world.clock())).size == 0


@pytest.mark.parametrize("says", ["propose", "approve", "decline"])
async def test_who_used_up_the_day_says_nothing_more_of_a_change_and_nothing_is_lost(world: World, says: str) -> None:
    anna, ben = (world.user(name, "vault://app", rights=RIGHTS) for name in ("anna", "ben"))
    known, change = a_change(world), a_change(world)
    await propose(anna, known)
    world.app.quota._most = 1_000
    calls = {"propose": lambda: propose(anna, change), "approve": lambda: approve(ben, known)}
    await refusal("RATE_LIMITED", calls.get(says, lambda: decline(ben, known))(), "next day")
    found = await anna.call(changes_pb2.GetSecretChangesRequest())
    assert [(one.change_id, one.version) for one in found.changes] == [(known.change_id, 1)]


async def asked(user: User, reactor: FakeReactor, world: World) -> bytes:
    """Ask for the key of an approved deletion, and have it given."""
    request = executing(a_change(world, **DELETE))
    await user.ask(request)
    await reactor.give_key(signature_required=True)
    return request.request_id


async def test_an_approved_change_is_not_refused_for_want_of_room_once_it_may_begin(tmp_path: Path) -> None:
    """By the byte: with one less it may not begin, with as many the largest signatures of all are taken."""
    async with a_world(tmp_path) as world:
        reactor, user = await world.attached(), world.user("anna", "vault://app", rights=RIGHTS)
        await put(user, reactor, "1", uri=PLACE)
        used, most = (await world.app.documents.usage("anna", world.clock())).size, world.app.quota
        most._most = used
        refused = await refusal("RATE_LIMITED", user.ask(executing(a_change(world, **DELETE))))
        found = re.search(r"and (\d+) more", refused.message)
        assert found is not None
        most._most = used + int(found[1]) - 1
        head = await world.app.log.head()
        await refusal("RATE_LIMITED", user.ask(executing(a_change(world, **DELETE))))
        assert await world.app.log.head() == head
        most._most += 1
        request_id = await asked(user, reactor, world)
        sending = commands_pb2.RequestUploadSecretRequest(
            request_id=request_id,
            request_signature=os.urandom(MAX_SIGNATURE),
            change=os.urandom(MAX_CHANGE),
            approvals=[os.urandom(MAX_SIGNATURE) for _ in range(MAX_APPROVALS)],
        )
        await user.call(sending, timeout_s=1)
        delivered = await reactor.next("SecretUploadRequested")
        assert len(events_pb2.SecretUploadRequested.FromString(delivered.event.data).approvals) == MAX_APPROVALS

"""Changes in m8: how many there may be, and how those are found, counted and told of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.change import MOST_APPROVALS, MOST_OF_SUBJECT, change_stream
from monoskope.m8.domain.events import write
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.operations import Endpoints
from monoskope.m8.queries import changes as queries
from tests.support.changes import (
    APPROVE,
    BEN,
    DONE,
    OPEN,
    PLACE,
    PROPOSE,
    WITHDRAWN,
    a_change,
    approve,
    decline,
    listed,
    look,
    propose,
    withdraw,
)
from tests.support.m8_user import User, refusal
from tests.support.m8_world import World, a_world
from tests.support.operations import samples
from tests.support.signed_requests import Person


async def test_what_waits_for_whom(world: World, anna: User, ben: User) -> None:
    one, two = a_change(world), a_change(world, uri="vault://app/team/x")
    await propose(anna, one)
    await propose(ben_too := world.user("ben", "vault://app", rights=PROPOSE), two)
    eva = world.user("eva", "vault://app", rights=APPROVE)
    assert await listed(ben, waiting=True) == [one.change_id]
    assert await listed(eva, waiting=True) == [two.change_id, one.change_id]
    assert await listed(eva, waiting=True, prefix="vault://app/team") == [two.change_id]
    await approve(ben, one)
    assert not await listed(ben, waiting=True)
    assert await listed(eva, waiting=True) == [two.change_id, one.change_id]
    assert await listed(ben_too, mine=True) == [two.change_id]
    assert await listed(eva, waiting=True, state=OPEN) == [two.change_id, one.change_id]
    assert not await listed(eva, waiting=True, state=DONE)
    assert await listed(eva, prefix="vault://apple") == []
    await refusal("USAGE", listed(eva, prefix="no prefix"))
    await refusal("USAGE", eva.call(changes_pb2.GetSecretChangesRequest(page_token="forged")))


async def test_quotas_bound_open_changes_of_a_subject_and_approvals_of_a_change(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(open_changes_per_user=2)) as world:
        anna, eva = (world.user(name, "vault://app", rights=PROPOSE) for name in ("anna", "eva"))
        first, short = a_change(world), a_change(world, within_s=60)
        await propose(anna, first)
        await propose(anna, short)
        refused = await refusal("RATE_LIMITED", propose(anna, a_change(world)), "2")
        assert "open_changes_per_user" in refused.fix
        await propose(eva, a_change(world))
        await propose(anna, first)  # what is there already takes no room
        await withdraw(anna, first)
        await propose(anna, third := a_change(world))
        await refusal("RATE_LIMITED", propose(anna, a_change(world)))
        world.clock.pass_s(61)  # what is over takes none
        await propose(anna, a_change(world))
        await refusal("RATE_LIMITED", propose(anna, a_change(world)))

        async def hand_in(name: str) -> None:
            await approve(world.user(name, "vault://app", rights=APPROVE), third, Person(name).approves(third))

        for number in range(MOST_APPROVALS):
            await hand_in(f"ben-{number // MOST_OF_SUBJECT}")
            if number == MOST_OF_SUBJECT - 1:
                await refusal("RATE_LIMITED", hand_in("ben-0"))
        await refusal("RATE_LIMITED", hand_in("eva"))
        assert len((await look(anna, third)).approvals) == MOST_APPROVALS


async def test_two_thousand_open_changes_come_page_by_page(
    world: World, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_LOOKED_AT", 1_000)
    # Each at a secret of its own, whose version it expects: m8 looks at three documents to know its state.
    changes = [a_change(world, uri=f"vault://app/{number % 100:02}/{number}", version="9") for number in range(2_000)]
    for start in range(0, len(changes), 500):
        await asyncio.gather(
            *(
                world.app.log.append(
                    change_stream(change.change_id),
                    0,
                    [write(events_pb2.SecretChangeProposed(change=change.content))],
                    actor=f"anna-{number % 20}",
                )
                for number, change in enumerate(changes[start : start + 500])
            )
        )
    wanted = {change.change_id for change in changes}
    found = await listed(ben, waiting=True, page_size=1_000)
    assert (len(found), set(found)) == (2_000, wanted)
    assert len(await listed(ben, prefix="vault://app/07", page_size=1_000)) == 20
    # Who may see none of them is told so, in as many pages as that takes.
    assert not await listed(world.user("eve", "vault://other", rights=APPROVE))
    assert sum([1 async for _ in world.app.documents.open_changes(world.clock())]) == 2_000
    # Nobody's changes are in anybody's way, and who has too many is told what to do.
    late, other = (world.user(name, "vault://app", rights=PROPOSE) for name in ("anna-7", "eva"))
    refused = await refusal("RATE_LIMITED", propose(late, a_change(world)), "as a user may have: 100")
    assert "withdraw" in refused.fix
    await withdraw(late, changes[7])
    await propose(late, a_change(world))
    await propose(other, a_change(world))
    assert await listed(late, mine=True, state=WITHDRAWN) == [changes[7].change_id]


async def test_what_is_said_of_changes_counts_as_recorded_and_has_words_and_the_place(
    world: World, anna: User, ben: User
) -> None:
    change = a_change(world, purpose=upload_pb2.PURPOSE_DELETE, version="3", keys=())
    await propose(anna, change)
    await approve(ben, change)
    await decline(ben, change, "Not today.")
    for subject in ("anna", "ben"):
        assert (await world.app.documents.usage(subject, world.clock())).size > 1_024
    events = [one for one in (await ben.events()).events if one.stream == change_stream(change.change_id)]
    assert [(one.type, one.actor, one.uri, one.detail) for one in events] == [
        ("SecretChangeProposed", "anna", PLACE, f"DELETE of {PLACE} on version 3, by anna@example.org"),
        ("SecretChangeApproved", "ben", PLACE, f"by the key {BEN.key}"),
        ("SecretChangeDeclined", "ben", PLACE, "Not today."),
    ]
    assert not (await world.user("eve", "vault://other").events()).events


async def test_open_changes_are_in_the_metrics_with_the_one_that_waits_longest(world: World, anna: User) -> None:
    labels = frozenset({("store", "vault")})
    await propose(anna, a_change(world, within_s=60))
    world.clock.pass_s(50)
    await propose(anna, a_change(world))
    found = samples((await Endpoints(world.app).metrics()).body)
    assert (found["m8_open_changes", labels], found["m8_oldest_open_change_age_seconds", labels]) == (2, 50)
    world.clock.pass_s(11)
    found = samples((await Endpoints(world.app).metrics()).body)
    assert (found["m8_open_changes", labels], found["m8_oldest_open_change_age_seconds", labels]) == (1, 11)

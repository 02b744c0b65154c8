"""Role bindings at m8: who may make them, what they give, and that it ends when they end. At both doors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import access_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain import role_bindings
from monoskope.m8.domain.aggregates import ROLE_BINDINGS
from monoskope.m8.domain.events import write
from monoskope.m8.limits.settings import ServerLimits
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal, refused
from tests.support.m8_world import World, a_world, put, until_granted
from tests.support.vectors import a_request

ADMINISTRATOR, USER, AUDITOR = events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_USER, events_pb2.ROLE_AUDITOR
PUT, SEE_HASH, COMPARE = events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH, events_pb2.RIGHT_COMPARE
ANNA, BOB, TEAM = "user:corp:anna", "user:corp:bob", "group:corp:team-a"
ROOT = "user:corp:root"
OF_TEAM: dict[str, Any] = {"role": USER, "prefix": "vault://app", "rights": [PUT, SEE_HASH]}


async def named_administrator(world: World) -> User:
    await world.administrator().bind("roots", ROOT, role=ADMINISTRATOR)
    return world.member(ROOT)


async def apply(user: User, *bindings: access_pb2.RoleBinding, **how: Any) -> access_pb2.ApplyRoleBindingsResponse:
    message = access_pb2.ApplyRoleBindingsRequest(role_bindings=bindings, **how)
    answer: access_pb2.ApplyRoleBindingsResponse = await user.call(message)
    return answer


async def listed(user: User) -> list[access_pb2.RoleBinding]:
    answer = await user.call(access_pb2.ListRoleBindingsRequest())
    return list(answer.role_bindings)


async def who_am_i(user: User) -> access_pb2.WhoAmIResponse:
    answer: access_pb2.WhoAmIResponse = await user.call(access_pb2.WhoAmIRequest())
    return answer


async def can(user: User, right: events_pb2.Right, uri: str, member: str = "") -> list[str] | None:
    """The role bindings that allow it, None if it is not allowed."""
    answer = await user.call(access_pb2.CanIRequest(right=right, uri=uri, member=member))
    return list(answer.role_bindings) if answer.allowed else None


def of_anna(name: str = "anna", **changes: Any) -> access_pb2.RoleBinding:
    return access_pb2.RoleBinding(name=name, members=[ANNA], **{**OF_TEAM, **changes})


async def test_a_binding_gives_a_group_its_rights_until_it_is_deleted(world: World) -> None:
    anna, reactor = world.member(ANNA, TEAM), await world.attached()
    await refusal("REFUSED", anna.ask(a_request()))
    root = await named_administrator(world)
    await root.bind("team-a", TEAM, **OF_TEAM)
    grant = await until_granted(anna, reactor)
    assert grant.subject == ANNA, "grants name the member"
    said = await who_am_i(anna)
    assert (said.member, list(said.groups), list(said.roles)) == (ANNA, [TEAM], [USER])
    assert [(one.prefix, one.role_binding) for one in said.rights] == [("vault://app", "team-a")]
    await root.unbind("team-a")
    await refusal("REFUSED", anna.send(grant.request.request_id, Sealed()))
    assert list((await who_am_i(anna)).roles) == []


async def test_rights_of_two_bindings_never_combine(world: World) -> None:
    root = await named_administrator(world)
    anna = world.member(ANNA)
    await root.bind("puts", ANNA, role=USER, prefix="vault://app", rights=[PUT])
    await root.bind("compares", ANNA, role=USER, prefix="vault://other", rights=[COMPARE])
    assert await can(anna, PUT, "vault://app/db") == ["puts"]
    assert await can(anna, COMPARE, "vault://other") == ["compares"]
    assert await can(anna, PUT, "vault://other/db") is None
    assert await can(anna, COMPARE, "vault://app/db") is None
    assert await can(anna, PUT, "vault://") is None, "more than the binding's prefix"
    told = await refusal("REFUSED", anna.ask(a_request(purpose=upload_pb2.PURPOSE_COMPARE)))
    assert told.fix == "Ask an administrator for a role binding with --right compare and a prefix that covers it."


async def test_what_an_administrator_does_is_recorded_with_the_members_name(world: World) -> None:
    root = await named_administrator(world)
    await root.bind("anna", ANNA, **OF_TEAM)
    await root.deactivate("vault")
    last = (await world.administrator().events(newest_first=True, page_size=2)).events
    assert [(event.type, event.actor) for event in last] == [
        ("SecretStoreDeactivated", ROOT),
        ("RoleBindingCreated", ROOT),
    ]
    assert last[1].detail == f"anna: user: put, see-hash below vault://app, for {ANNA}"


async def test_nobody_gives_a_role_to_themselves(world: World) -> None:
    root = await named_administrator(world)
    await root.bind("admins", "group:corp:admins", role=AUDITOR)
    head = await world.app.log.head()
    in_group = world.member(ROOT, "group:corp:admins")
    own = access_pb2.RoleBinding(name="own", members=[ANNA, ROOT], **OF_TEAM)
    for who, member in ((root, ROOT), (in_group, "group:corp:admins")):
        await refusal("REFUSED", who.bind("own", ANNA, member, **OF_TEAM), member)
        await refusal("REFUSED", apply(who, of_anna(), access_pb2.RoleBinding(name="own", members=[member], **OF_TEAM)))
    await refusal("REFUSED", apply(root, own, dry_run=True))
    assert await world.app.log.head() == head, "nothing was recorded, of the lawful one neither"
    # m8 cannot know every group of the caller: the binding is recorded, and gives its creator nothing.
    await root.bind("hidden", "group:corp:hidden", **OF_TEAM)
    assert await can(world.member(ANNA, "group:corp:hidden"), PUT, "vault://app/db") == ["hidden"]
    assert await can(world.member(ROOT, "group:corp:hidden"), PUT, "vault://app/db") is None


async def seen(user: User, name: str) -> access_pb2.RoleBinding:
    """The role binding of that name, as m8 shows it."""
    [one] = [one for one in await listed(user) if one.name == name]
    return one


async def test_a_name_is_free_again_once_its_binding_is_deleted_and_its_version_tells_which_one_it_is(
    world: World,
) -> None:
    root = await named_administrator(world)
    await root.bind("anna", ANNA, BOB, ANNA, **OF_TEAM)
    head, first = await world.app.log.head(), await seen(root, "anna")
    await root.bind("anna", BOB, ANNA, **OF_TEAM)
    assert await world.app.log.head() == head, "the same content again, in another order, is no change"
    told = await refusal("ALREADY_EXISTS", root.bind("anna", ANNA, **OF_TEAM))
    assert told.fix.startswith("Change it with monoctl apply")
    await root.unbind("anna")
    await root.unbind("anna")
    await refusal("NOT_FOUND", root.unbind("never-there"))
    await root.bind("anna", ANNA, BOB, **OF_TEAM)
    again = await seen(root, "anna")
    assert again.version > first.version
    await refusal("CONFLICT", root.call(access_pb2.DeleteRoleBindingRequest(name="anna", version=first.version)))
    await refusal("CONFLICT", apply(root, of_anna(version=first.version)), f"Version {again.version} is by {ROOT}")
    [_, deleted, created] = (await world.administrator().events(newest_first=True)).events[:3][::-1]
    assert (deleted.detail, created.position) == (f"anna of version {first.version}", again.version)


async def test_a_binding_is_changed_at_the_version_that_was_seen_and_its_members_have_what_it_says_now(
    world: World,
) -> None:
    root = await named_administrator(world)
    await root.bind("anna", ANNA, TEAM, **OF_TEAM)
    before = await seen(root, "anna")
    wanted = access_pb2.RoleBinding(
        name="anna", members=[BOB, ANNA], role=USER, prefix="vault://app", rights=[COMPARE], version=before.version
    )
    [shown] = (await apply(root, wanted, dry_run=True)).changed
    assert (shown.before, list(shown.after.members), shown.after.version) == (before, [ANNA, BOB], 0)
    assert await can(world.member(BOB), COMPARE, "vault://app/db") is None
    [changed] = (await apply(root, wanted)).changed
    assert (changed.before, list(changed.after.members)) == (before, [ANNA, BOB])
    assert await can(world.member(BOB), COMPARE, "vault://app/db") == ["anna"]
    assert await can(world.member(ANNA), PUT, "vault://app/db") is None
    assert await can(world.member("user:corp:x", TEAM), COMPARE, "vault://app/db") is None
    now = await seen(root, "anna")
    assert now == changed.after
    [event] = (await world.administrator().events(newest_first=True, page_size=1)).events
    assert (event.type, event.actor, event.position) == ("RoleBindingChanged", ROOT, now.version)
    assert event.detail == (
        f"anna of version {before.version}: user: put, see-hash below vault://app becomes user: compare below"
        f" vault://app, without {TEAM}, with {BOB}"
    )
    again = await apply(root, wanted)
    assert (len(again.changed), again.unchanged) == (0, 1), "what it says already is no change, whatever was seen"


async def test_of_two_changes_at_once_the_second_is_told_what_is_there_and_changes_nothing(world: World) -> None:
    await world.administrator().bind("roots", ROOT, "user:corp:second", role=ADMINISTRATOR)
    root, second = world.member(ROOT), world.member("user:corp:second")
    await root.bind("anna", ANNA, **OF_TEAM)
    version = (await seen(root, "anna")).version
    both = await asyncio.gather(
        apply(root, of_anna(rights=[PUT], version=version)),
        apply(second, of_anna("new"), of_anna(rights=[SEE_HASH], version=version)),
        return_exceptions=True,
    )
    [lost] = [one for one in both if isinstance(one, BaseException)]
    won = 1 - both.index(lost)
    now = await seen(root, "anna")
    with refused("CONFLICT") as told:
        raise lost
    assert f"Version {now.version} is by {(ROOT, 'user:corp:second')[won]}. It says anna: user: " in told.message
    assert told.fix.startswith("Look at what is there")
    assert ("new" in [one.name for one in await listed(root)]) is (won == 1), "all or nothing"
    await refusal("CONFLICT", apply(root, of_anna(rights=[COMPARE])), "is there by now")
    await root.unbind("anna")
    await refusal("CONFLICT", apply(root, of_anna(version=now.version)), "was deleted since")


async def test_nobody_changes_a_binding_of_their_own_before_or_after_and_what_they_wrote_last_gives_them_nothing(
    world: World,
) -> None:
    ops, others = "group:corp:ops", "group:corp:others"
    root = await named_administrator(world)
    await world.administrator().bind("team", TEAM, ops, others, **OF_TEAM)
    await world.administrator().bind("mine", ROOT, **OF_TEAM)
    head = await world.app.log.head()
    team, mine = (await seen(root, "team")).version, (await seen(root, "mine")).version
    member = world.member(ROOT, ops)
    for who, name, version, members, own in (
        (root, "mine", mine, [ANNA], ROOT),  # before: not to leave it either, which needs no deletion
        (root, "team", team, [TEAM, ROOT], ROOT),  # after
        (member, "team", team, [TEAM, others], ops),
        (member, "mine", mine, [ops], ROOT),  # swapped for a group of theirs
    ):
        wanted = access_pb2.RoleBinding(name=name, members=members, version=version, **OF_TEAM)
        for dry_run in (True, False):
            await refusal("REFUSED", apply(who, of_anna(), wanted, dry_run=dry_run), own)
    assert await world.app.log.head() == head
    # m8 does not know that root is in `others`, too: the change is recorded, and gives its author nothing.
    hidden = world.member(ROOT, others)
    assert await can(hidden, PUT, "vault://app/db") == ["mine", "team"]
    await apply(root, access_pb2.RoleBinding(name="team", members=[others], version=team, **OF_TEAM))
    assert await can(hidden, PUT, "vault://app/db") == ["mine"]
    assert await can(world.member(ANNA, others), PUT, "vault://app/db") == ["team"]
    # Nor does deleting and creating help.
    await root.unbind("mine")
    await refusal("REFUSED", root.bind("mine", ROOT, **OF_TEAM), ROOT)


WRONG: dict[str, dict[str, Any]] = {
    "administrator-with-prefix": {"role": ADMINISTRATOR, "prefix": "vault://a"},
    "auditor-with-rights": {"role": AUDITOR, "rights": [PUT]},
    "user-without-prefix": {"role": USER, "rights": [PUT]},
    "user-without-rights": {"role": USER, "prefix": "vault://a"},
    "no-role": {"prefix": "vault://a", "rights": [PUT]},
    "unknown-role": {"role": 77},
    "unknown-right": {"role": USER, "prefix": "vault://a", "rights": [PUT, 77]},
    "bad-prefix": {"role": USER, "prefix": "vault", "rights": [PUT]},
}


@pytest.mark.parametrize("what", WRONG.values(), ids=list(WRONG))
async def test_a_binding_that_breaks_a_rule_is_refused(world: World, what: dict[str, Any]) -> None:
    await refusal("USAGE", world.administrator().bind("one", ANNA, **what))
    assert await listed(world.administrator()) == []


@pytest.mark.parametrize("member", ["anna", "user:Corp:anna", "robot:corp:x", "user:corp:", "user:corp:a:b", ""])
async def test_a_member_that_does_not_fit_is_refused_and_never_rewritten(world: World, member: str) -> None:
    await refusal("USAGE", world.administrator().bind("one", member, **OF_TEAM))


async def test_only_administrators_change_bindings_and_only_they_and_auditors_see_them(world: World) -> None:
    root = await named_administrator(world)
    await root.bind("audit", BOB, role=AUDITOR)
    await root.bind("anna", ANNA, **OF_TEAM)
    bob, anna = world.member(BOB), world.member(ANNA)
    for user in (bob, anna, world.user("carla", "vault://app")):
        await refusal("REFUSED", user.bind("more", "user:corp:carla", role=ADMINISTRATOR))
        await refusal("REFUSED", user.unbind("anna"))
        await refusal("REFUSED", apply(user, dry_run=True))
        await refusal("REFUSED", user.call(access_pb2.CreateTokenRequest(member=ROOT, ttl_s=60)))
    assert [one.name for one in await listed(bob)] == ["anna", "audit", "roots"]
    await refusal("REFUSED", listed(anna))
    await refusal("REFUSED", can(anna, PUT, "vault://app", BOB))
    assert await can(anna, PUT, "vault://app", ANNA) == ["anna"]
    assert await can(bob, PUT, "vault://app", ANNA) == ["anna"]
    await refusal("REFUSED", anna.call(access_pb2.WhoCanRequest(right=PUT, uri="vault://app/db")))


async def test_applying_is_all_or_nothing_shows_what_it_would_do_and_is_idempotent(world: World) -> None:
    root = await named_administrator(world)
    await root.bind("old", BOB, **OF_TEAM)
    before = await world.app.log.head()
    wanted = [of_anna(), of_anna("second", prefix="local://x"), of_anna("roots", role=AUDITOR, prefix="", rights=[])]
    await refusal("CONFLICT", apply(root, *wanted))
    wanted[2] = access_pb2.RoleBinding(name="roots", role=ADMINISTRATOR, members=[ROOT])
    for dry_run in (True, False):
        assert await world.app.log.head() == before
        plan = await apply(root, *wanted, prune=True, dry_run=dry_run)
        assert [one.name for one in plan.created] == ["anna", "second"]
        assert [one.name for one in plan.deleted] == ["old"]
        assert plan.unchanged == 1
    assert await world.app.log.head() == before + 3
    assert [one.name for one in await listed(root)] == ["anna", "roots", "second"]
    again = await apply(root, *wanted, prune=True)
    assert (len(again.created), len(again.deleted), again.unchanged) == (0, 0, 3)
    assert await world.app.log.head() == before + 3
    await refusal("USAGE", apply(root, of_anna(), of_anna()))


async def test_what_only_a_newer_m8_knows_gives_nothing_and_stops_nobody(world: World) -> None:
    """On a shared log an m8 of a later version may record roles and kinds of members that this one does not know."""
    later = events_pb2.RoleBindingCreated(
        name="later", members=["robot:corp:r2", ANNA], prefix="vault://app", rights=[PUT]
    )
    later.role = 99  # type: ignore[assignment]  # a later one
    await world.app.log.append("role-bindings", 0, [write(later)], actor="m8")
    root = await named_administrator(world)
    assert await can(world.member(ANNA), PUT, "vault://app/db") is None
    await root.bind("anna", ANNA, **OF_TEAM)
    assert await can(world.member(ANNA), PUT, "vault://app/db") == ["anna"]


async def test_nothing_at_all_is_no_list_of_bindings_that_stay(world: World) -> None:
    """A pipe whose beginning failed would delete every binding."""
    root = await named_administrator(world)
    for dry_run in (True, False):
        await refusal("USAGE", apply(root, prune=True, dry_run=dry_run), "would delete all")
    assert [one.name for one in await listed(root)] == ["roots"]
    assert not (await apply(root)).deleted


async def test_the_last_administrator_can_be_deleted_since_the_server_can_always_make_a_token(world: World) -> None:
    root = await named_administrator(world)
    await root.unbind("roots")
    await refusal("REFUSED", root.unbind("roots"))
    await world.administrator().bind("roots-again", ROOT, role=ADMINISTRATOR)
    await root.bind("anna", ANNA, **OF_TEAM)


async def test_who_can_names_members_by_binding_and_tokens_with_rights_of_their_own(world: World) -> None:
    root = await named_administrator(world)
    await root.bind("anna", ANNA, TEAM, **OF_TEAM)
    assert world.app.tokens is not None
    own = await world.app.tokens.issue(subject="ci", role=USER, prefixes=["vault://"], rights=[PUT], ttl_s=60)
    gone = await world.app.tokens.issue(subject="old", role=USER, prefixes=["vault://"], rights=[PUT], ttl_s=60)
    await world.app.tokens.revoke(gone.id)
    found = (await root.call(access_pb2.WhoCanRequest(right=PUT, uri="vault://app/db"))).members
    assert [(one.member, one.role_binding, one.token_id) for one in found] == [
        ("ci", "", own.id),
        (TEAM, "anna", ""),
        (ANNA, "anna", ""),
    ]
    assert not (await root.call(access_pb2.WhoCanRequest(right=SEE_HASH, uri="vault://elsewhere"))).members


async def test_a_watcher_loses_what_a_deleted_binding_gave_before_the_next_event(world: World) -> None:
    root, reactor = await named_administrator(world), await world.attached()
    await root.bind("anna", ANNA, **OF_TEAM)
    await root.bind("bob", BOB, **OF_TEAM)
    watching: Any = world.member(ANNA).stream(queries_pb2.WatchEventsRequest(from_now=True))
    reading, before = asyncio.ensure_future(watching.read()), world.app.feed.subscribers
    async with asyncio.timeout(PATIENCE_S):
        while world.app.feed.subscribers == before:  # it begins with what is recorded from then on
            await asyncio.sleep(0.001)
    await until_granted(world.member(BOB), reactor)
    assert (await reading).event.type == "SecretUploadKeyRequested"
    assert (await watching.read()).event.type == "SecretUploadKeyProvided"
    await root.unbind("bob")  # it says nothing about anna: her stream goes on
    await root.unbind("anna")
    await world.user("carla", "vault://app").ask(a_request())
    with refused("UNAVAILABLE") as refusal:
        while True:
            assert (await watching.read()).event.type != "SecretUploadKeyRequested"
    assert "role bindings changed" in refusal.message


@pytest.mark.usefixtures("engine")
async def test_two_servers_of_one_log_and_a_rebuilt_one_agree(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        root = await named_administrator(world)
        await root.bind("anna", ANNA, **OF_TEAM)
        other = type(world.app.aggregates)(world.app.log)
        assert (await other.get(ROLE_BINDINGS)) == (await world.app.aggregates.get(ROLE_BINDINGS))
        await root.unbind("anna")
        await world.app.log.rebuild()
        assert set((await other.get(ROLE_BINDINGS)).bindings) == {"roots"}
        assert (await other.get(ROLE_BINDINGS)).names == {"roots", "anna"}


async def test_too_many_bindings_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.domain.binding_changes.MAX_BINDINGS", 2)
    root = await named_administrator(world)
    await root.bind("one", ANNA, **OF_TEAM)
    await refusal("REFUSED", root.bind("two", ANNA, **OF_TEAM), "role bindings")
    await apply(
        root, of_anna("two"), access_pb2.RoleBinding(name="roots", role=ADMINISTRATOR, members=[ROOT]), prune=True
    )


@pytest.mark.usefixtures("engine")
async def test_a_user_begins_only_so_many_puts_in_an_hour_and_has_only_so_many_secrets(tmp_path: Path) -> None:
    limits = ServerLimits(puts_per_hour_per_user=2, secrets_per_user=1)
    async with a_world(tmp_path, limits=limits) as world:
        reactor, anna, bob = await world.attached(), world.user("anna", "vault://"), world.user("bob", "vault://")
        first = a_request(uri="vault://app/one")
        await anna.ask(first)
        _, grant = await reactor.give_key()
        await anna.ask(first)  # a repeated request does not count again
        with refused("RATE_LIMITED") as refusal:
            await anna.ask(a_request(uri="vault://app/one", request_id=b"2" * 16))
            await anna.ask(a_request(uri="vault://app/one", request_id=b"3" * 16))
        assert 60 < refusal.retry_after_s <= 3_600
        await bob.ask(a_request(uri="vault://app/two", request_id=b"4" * 16))
        world.clock.pass_s(refusal.retry_after_s)
        await reactor.beat()
        assert grant.subject == "anna"
        await anna.ask(a_request(uri="vault://app/one", request_id=b"5" * 16))


@pytest.mark.usefixtures("engine")
async def test_a_user_has_only_so_many_secrets(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(secrets_per_user=1)) as world:
        reactor, anna = await world.attached(), world.user("anna", "vault://")
        await put(anna, reactor, uri="vault://app/one", request_id=b"1" * 16)
        assert world.app.log.write_failure is None
        told = await refusal("RATE_LIMITED", anna.ask(a_request(uri="vault://app/two", request_id=b"2" * 16)))
        assert told.message == "anna has as many secrets as a user may have: 1."
        assert told.retry_after_s == 60
        await anna.ask(a_request(uri="vault://app/one", request_id=b"3" * 16))
        await world.user("bob", "vault://").ask(a_request(uri="vault://app/two", request_id=b"4" * 16))


async def test_a_call_costs_no_more_with_many_role_bindings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = world.app.aggregates
    await known.get(ROLE_BINDINGS)
    monkeypatch.setattr(role_bindings, "fold", None)  # it takes as long as there are role bindings
    assert (await known.get(ROLE_BINDINGS)).bindings == {}
    monkeypatch.undo()
    await world.administrator().bind("team", TEAM, **OF_TEAM)
    found = await known.get(ROLE_BINDINGS)
    monkeypatch.setattr(role_bindings, "fold", None)
    assert list(found.bindings) == ["team"]
    assert await known.get(ROLE_BINDINGS) is found

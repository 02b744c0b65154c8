"""Changes in m8: who may see and do what with them, and what is refused at once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain import change as domain
from monoskope.m8.domain.change import LONGEST_S
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import make_request
from monoskope.protocol.wire import MalformedError
from monoskope.uri import SecretUri
from tests.support.changes import (
    APPROVE,
    BEN,
    DECLINED,
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
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import User, refusal
from tests.support.m8_world import World, put
from tests.support.signed_requests import Person
from tests.support.vectors import Signer


async def test_what_only_a_newer_m8_can_read_hides_no_other_change(
    world: World, anna: User, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while two m8s with one log are updated: a character may be printable for one of them alone."""
    newer, known = a_change(world, reason="new"), a_change(world)
    for change in (newer, known):
        await propose(anna, change)

    def read(content: bytes) -> Change:
        if content == newer.content:
            raise MalformedError("Change", "reason", "must be printable")
        return parse_change(content)

    monkeypatch.setattr(domain, "parse_change", read)
    for user in (anna, ben):
        assert await listed(user) == [known.change_id]
        await refusal("NOT_FOUND", look(user, newer))
    await refusal("NOT_FOUND", approve(ben, newer))


async def test_a_change_is_proposed_seen_approved_and_the_same_again_changes_nothing(
    world: World, anna: User, ben: User
) -> None:
    change = a_change(world, reason="Rotate it.")
    first = (await propose(anna, change)).change
    assert (first.change, first.subject, first.state, first.version) == (change.content, "anna", OPEN, 1)
    assert (await look(ben, change)) == first
    world.clock.pass_s(1)
    assert (await propose(anna, change)).change == first
    approved = (await approve(ben, change)).change
    assert [(one.approval, one.subject) for one in approved.approvals] == [(BEN.approves(change), "ben")]
    assert (approved.version, approved.changed_at_ms) == (2, first.proposed_at_ms + 1_000)
    assert (await approve(ben, change)).change == approved
    # Nor by another one: what counts is whose signature it is.
    assert (await approve(world.user("eva", "vault://app", rights=APPROVE), change)).change == approved
    other = a_change(world, change_id=change.change_id, reason="Something else.")
    await refusal("ALREADY_EXISTS", propose(anna, other))
    await refusal("ALREADY_EXISTS", propose(world.user("dan", "vault://app", rights=PROPOSE), change))
    declined = (await decline(ben, change, "Not today.")).change
    assert (declined.state, declined.ended_by, declined.decline_reason) == (DECLINED, "ben", "Not today.")
    assert (await decline(ben, change, "Not today.")).change == declined
    # m8 carries it no more.
    assert [(one.approval, one.subject) for one in declined.approvals] == [(b"", "ben")]
    await refusal("CONFLICT", decline(ben, change, "Not at all."))
    await refusal("CONFLICT", approve(ben, change, Person("eva").approves(change)), "ben declined")
    await refusal("CONFLICT", withdraw(anna, change))
    assert (await propose(anna, change)).change == declined


async def test_what_is_withdrawn_is_over(world: World, anna: User, ben: User) -> None:
    change = a_change(world)
    await propose(anna, change)
    await refusal("REFUSED", withdraw(ben, change))
    found = (await withdraw(anna, change)).change
    assert (found.state, found.ended_by) == (WITHDRAWN, "anna")
    assert (await withdraw(anna, change)).change == found
    await refusal("CONFLICT", approve(ben, change), "anna withdrew")


CALLS: dict[str, Callable[[User, Change], Awaitable[Any]]] = {
    "propose": propose,
    "look": look,
    "approve": approve,
    "decline": decline,
    "withdraw": withdraw,
}


FINE = ""


HIDDEN, LACKS = "NOT_FOUND", "REFUSED"


ALL = frozenset(RIGHT_NAMES)


TABLE: list[tuple[str, str, frozenset[events_pb2.Right], dict[str, str]]] = [
    # Who, below which prefix, with which rights; and how each call about a change of anna's ends.
    ("anna", "vault://app", PROPOSE, {"look": FINE, "approve": LACKS, "decline": LACKS, "withdraw": FINE}),
    ("anna", "vault://app", ALL, {"look": FINE, "approve": LACKS, "decline": LACKS, "withdraw": FINE}),
    # What she lost the prefix of is there for her no more.
    ("anna", "vault://other", ALL, dict.fromkeys(("look", "approve", "decline", "withdraw"), HIDDEN)),
    ("ben", "vault://app", APPROVE, {"look": FINE, "approve": FINE, "decline": FINE, "withdraw": LACKS}),
    ("ben", "vault://", APPROVE, {"look": FINE, "approve": FINE, "decline": FINE, "withdraw": LACKS}),
    ("ben", "vault://app", ALL - APPROVE, dict.fromkeys(("look", "approve", "decline", "withdraw"), HIDDEN)),
    ("ben", "vault://app/db/below", APPROVE, dict.fromkeys(("look", "approve", "decline", "withdraw"), HIDDEN)),
    ("ben", "vault://other", ALL, dict.fromkeys(("look", "approve", "decline", "withdraw"), HIDDEN)),
]


@pytest.mark.parametrize(("name", "prefix", "rights", "ends"), TABLE)
async def test_who_may_see_and_do_what_with_a_change(
    world: World, anna: User, *, name: str, prefix: str, rights: frozenset[events_pb2.Right], ends: dict[str, str]
) -> None:
    user = world.user(name, prefix, rights=rights)
    for call, code in ends.items():
        change = a_change(world)
        await propose(anna, change)
        if code:
            await refusal(code, CALLS[call](user, change))
            assert (await look(anna, change)).version == 1
        else:
            await CALLS[call](user, change)
    found = await listed(user)
    assert len(found) == (0 if ends["look"] else len(ends))


@pytest.mark.parametrize("role", [events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_AUDITOR])
async def test_who_sees_every_event_sees_every_change_and_judges_none(
    world: World, anna: User, role: events_pb2.Role
) -> None:
    change, user = a_change(world), world.user("root", rights=frozenset(), role=role)
    await propose(anna, change)
    assert await listed(user) == [change.change_id]
    assert not await listed(user, waiting=True)
    for call in (approve, decline, withdraw):
        await refusal("REFUSED", call(user, change))


@pytest.mark.parametrize("right", sorted(RIGHT_NAMES))
async def test_to_propose_takes_the_right_to_propose_alone(world: World, right: events_pb2.Right) -> None:
    user = world.user("anna", "vault://app", rights=frozenset({right}))
    if right == events_pb2.RIGHT_PROPOSE:
        await propose(user, a_change(world))
        await refusal("NOT_FOUND", propose(user, a_change(world, uri="vault://apple/db")))
        await refusal("NOT_FOUND", propose(user, a_change(world, uri="gone://app/db")))
    else:
        await refusal("REFUSED", propose(user, a_change(world)), "propose")


@pytest.mark.parametrize("rights", [PROPOSE, APPROVE, PROPOSE | APPROVE])
async def test_neither_right_gives_another_one(
    world: World, reactor: FakeReactor, rights: frozenset[events_pb2.Right]
) -> None:
    owner, user = world.user("owner", "vault://app"), world.user("anna", "vault://app", "other://app", rights=rights)
    await put(owner, reactor, uri=PLACE)
    await world.administrator().create("other", Signer().shown)
    for purpose, rules in PURPOSES.items():
        about: dict[str, Any] = {}
        if "destination" in rules.fields:
            about["destination"] = SecretUri.parse("other://app/db")
        if purpose == upload_pb2.PURPOSE_ROLLBACK:
            about["to_version"] = "1"
        if purpose == upload_pb2.PURPOSE_GENERATE:
            continue  # as an upload: it takes the right to put
        expect = upload_pb2.EXPECT_ANY if upload_pb2.EXPECT_ANY in rules.expects else max(rules.expects)
        request = make_request(
            request_id=os.urandom(16), purpose=purpose, uri=SecretUri.parse(PLACE), suites=(1,), expect=expect, **about
        )
        await refusal("REFUSED", user.ask(request))
    secret = await user.secret(PLACE)
    assert (secret.fingerprint, secret.HasField("receipt")) == ("", False)
    await propose(world.user("dan", "vault://app", rights=PROPOSE), change := a_change(world, version="1"))
    if rights & APPROVE:
        # The receipt proves the version, and holds hashes.
        assert not (await look(user, change)).HasField("last_receipt")
        wider = rights | {events_pb2.RIGHT_SEE_HASH}
        assert (await look(world.user("eva", "vault://app", rights=wider), change)).HasField("last_receipt")


async def test_a_copy_takes_the_right_at_both_ends(world: World) -> None:
    await world.administrator().create("other", Signer().shown)
    copy = a_change(world, purpose=upload_pb2.PURPOSE_COPY, destination="other://team/db")
    for prefixes, code in (
        (("vault://app",), "NOT_FOUND"),
        (("other://team",), "NOT_FOUND"),
        (("vault://app", "other://team"), ""),
    ):
        user = world.user("anna", *prefixes, rights=PROPOSE)
        await (refusal(code, propose(user, copy)) if code else propose(user, copy))
        judge = world.user("ben", *prefixes, rights=APPROVE)
        await (refusal(code, approve(judge, copy)) if code else approve(judge, copy))
        assert len(await listed(judge)) == (0 if code else 1)


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"within_s": -1}, "USAGE", "not_after is over"),
        ({"within_s": LONGEST_S + 400}, "USAGE", "168 hours"),
        ({"identity": Signer().shown}, "CONFLICT", "another identity"),
        ({"uri": "vault://app/old"}, "CONFLICT", "another version"),
        ({"uri": "vault://app/old", "version": "1"}, "CONFLICT", "another version"),
        ({"uri": "vault://app/old", "version": "2"}, "", ""),
        # What no receipt tells of, others may have written to the engine.
        ({"uri": "vault://app/old", "version": "9"}, "", ""),
        ({"uri": "vault://app/old", "version": "2", "purpose": upload_pb2.PURPOSE_UNDELETE}, "CONFLICT", "version"),
        ({"uri": "vault://app/db", "version": "7"}, "", ""),
        ({"within_s": LONGEST_S}, "", ""),
    ],
)
async def test_what_cannot_become_anything_is_refused(
    world: World, reactor: FakeReactor, anna: User, *, fields: dict[str, Any], code: str, word: str
) -> None:
    owner = world.user("owner", "vault://app")
    await put(owner, reactor, "1", uri="vault://app/old")
    await put(owner, reactor, "2", prior="1", uri="vault://app/old")
    world.clock.pass_s(1)
    change = a_change(world, **fields)
    if code:
        await refusal(code, propose(anna, change), word)
        assert not await listed(anna)
    else:
        await propose(anna, change)


async def test_so_is_what_has_not_the_form(world: World, anna: User, ben: User) -> None:
    change = a_change(world)
    for content in (b"x", change.content + b"\0", bytes(8_193)):
        await refusal("USAGE", anna.call(changes_pb2.ProposeSecretChangeRequest(change=content)))
    await propose(anna, change)
    as_request = BEN.signs_statement(b"anything")
    for approval in (b"x", BEN.approves(change)[:-1], as_request, bytes(8_193)):
        await refusal("USAGE", approve(ben, change, approval))
    # What it is worth, m8 does not judge: this one is over another change.
    await approve(ben, change, BEN.approves(a_change(world)))
    await refusal("USAGE", decline(ben, change, "turned \u202e around"))
    await refusal("NOT_FOUND", approve(ben, a_change(world)))
    await refusal("NOT_FOUND", ben.call(changes_pb2.GetSecretChangesRequest(change_id=b"x")))
    assert (await look(anna, change)).version == 2


async def test_a_store_must_be_active_and_able_to_hold_a_write_to_a_version(world: World, anna: User) -> None:
    reactor = world.reactor()
    await reactor.open()
    login = reactor.login()
    login.capabilities.check_and_set = False
    await reactor.attach(login)
    await refusal("REFUSED", propose(anna, a_change(world)), "UNSUPPORTED")
    await reactor.half_close()
    await world.administrator().deactivate("vault")
    await refusal("REFUSED", propose(anna, a_change(world)), "deactivated")

"""Changes in m8: who may see and do what with them, what becomes of them, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.audit.lines import MOST_LINE, of_event
from monoskope.m8.backup.create import Making
from monoskope.m8.backup.restore import Checking, restore
from monoskope.m8.domain.change import LONGEST_S, MOST_APPROVALS, MOST_OF_SUBJECT, change_stream
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import GENESIS_HASH
from monoskope.m8.log.record import Append
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.operations import Endpoints
from monoskope.m8.readmodels.changes import CHANGES, KEYS, OPEN_OF
from monoskope.m8.readmodels.documents import project
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request, make_request
from monoskope.uri import SecretUri
from tests.support.m8_world import FakeReactor, Sealed, User, World, a_world, pages, put, refusal
from tests.support.operations import samples
from tests.support.signed_requests import Person
from tests.support.vectors import Signer, a_grant, a_request

PLACE = "vault://app/db"
HOUR_S = 3_600
State = changes_pb2.ChangeState
OPEN, DONE = changes_pb2.CHANGE_STATE_OPEN, changes_pb2.CHANGE_STATE_DONE
ENDED, OVERTAKEN = changes_pb2.CHANGE_STATE_ENDED, changes_pb2.CHANGE_STATE_OVERTAKEN
WITHDRAWN, DECLINED = changes_pb2.CHANGE_STATE_WITHDRAWN, changes_pb2.CHANGE_STATE_DECLINED
PROPOSE = frozenset({events_pb2.RIGHT_PROPOSE})
APPROVE = frozenset({events_pb2.RIGHT_APPROVE})
BEN = Person("ben@example.org")


def a_change(
    world: World,
    *,
    uri: str = PLACE,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    version: str = "",
    within_s: int = HOUR_S,
    destination: str = "",
    **fields: Any,
) -> Change:
    """A change of `anna`, on a version, or on nothing."""
    about: dict[str, Any] = {"destination": SecretUri.parse(destination), "source_version": "1"} if destination else {}
    request = make_request(
        request_id=bytes(16),
        purpose=purpose,
        uri=SecretUri.parse(uri),
        suites=(1,),
        expect=upload_pb2.EXPECT_VERSION if version else upload_pb2.EXPECT_ABSENT,
        expect_version=version,
        **about,
    )
    seals = PURPOSES[purpose].seals
    common: dict[str, Any] = {
        "change_id": os.urandom(16),
        "requester": "anna@example.org",
        "identity": world.signer.shown,
        "not_after": world.clock.now_ms // 1000 + within_s,
        "keys": ("password",) if seals else (),
    }
    return make_change(request=request, **{**common, **fields})


def propose(user: User, change: Change) -> Awaitable[Any]:
    return user.call(changes_pb2.ProposeSecretChangeRequest(change=change.content))


def approve(user: User, change: Change, approval: bytes = b"") -> Awaitable[Any]:
    approval = approval or BEN.approves(change)
    return user.call(changes_pb2.ApproveSecretChangeRequest(change_id=change.change_id, approval=approval))


def decline(user: User, change: Change, reason: str = "") -> Awaitable[Any]:
    return user.call(changes_pb2.DeclineSecretChangeRequest(change_id=change.change_id, reason=reason))


def withdraw(user: User, change: Change) -> Awaitable[Any]:
    return user.call(changes_pb2.WithdrawSecretChangeRequest(change_id=change.change_id))


async def look(user: User, change: Change, **fields: Any) -> changes_pb2.SecretChange:
    message = changes_pb2.GetSecretChangesRequest(change_id=change.change_id, **fields)
    (found,) = (await user.call(message)).changes
    assert isinstance(found, changes_pb2.SecretChange)
    return found


async def listed(user: User, **fields: Any) -> list[bytes]:
    """The changes of all pages, in their order."""
    found: list[bytes] = []

    async def ask(token: str) -> Any:
        return await user.call(changes_pb2.GetSecretChangesRequest(page_token=token, **fields))

    async for page in pages(ask):
        found += [one.change_id for one in page.changes]
    return found


@pytest.fixture
def anna(world: World) -> User:
    return world.user("anna", "vault://app", rights=PROPOSE)


@pytest.fixture
def ben(world: World) -> User:
    return world.user("ben", "vault://app", rights=APPROVE)


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


def executing(change: Change) -> Request:
    return request_of(change, request_id=os.urandom(16), suites=(1,))


async def execute(user: User, reactor: FakeReactor, change: Change, version: str, prior: str = "") -> Request:
    """Execute a change, as its requester does; the reactor says that it is done."""
    request, sealed = executing(change), Sealed()
    await user.ask(request)
    _, grant = await reactor.give_key(signature_required=True)
    asyncio.create_task(user.send(request.request_id, sealed))  # noqa: RUF006 - it waits for its end
    await say_done(reactor, grant, version, prior)
    return request


async def say_done(reactor: FakeReactor, grant: Grant, version: str, prior: str) -> None:
    delivered = await reactor.next("SecretUploadRequested")
    digest = events_pb2.SecretUploadRequested.FromString(delivered.event.data).sealed_sha256
    signed: dict[str, Any] = {"signer": "anna@example.org", "signer_key": Person("anna").key}
    signed["approvers"] = [(BEN.name, BEN.key)]
    started = reactor.receipt(
        grant, digest, upload_pb2.OUTCOME_STARTED, prior_version=prior, intent=b"i" * 32, **signed
    )
    uploaded = reactor.receipt(
        grant, digest, upload_pb2.OUTCOME_UPLOADED, upstream_version=version, prior_version=prior, **signed
    )
    for at, event in (
        (3, events_pb2.SecretUploadStarted(receipt=started)),
        (4, events_pb2.SecretUploaded(receipt=uploaded)),
    ):
        answer = await reactor.append(grant.request.request_id, at, event)
        assert answer.error == "", answer.message


async def test_receipts_and_the_clock_say_what_became_of_a_change(world: World, anna: User, ben: User) -> None:
    reactor, owner = await world.attached(), world.user("owner", "vault://app")
    first, rival, late = a_change(world), a_change(world), a_change(world, uri="vault://app/late", within_s=60)
    for change in (first, rival, late):
        await propose(anna, change)
    request = await execute(owner, reactor, first, "1")
    done = await look(ben, first)
    assert (done.state, done.request_id, done.changed_at_ms) == (DONE, request.request_id, world.clock.now_ms)
    # Another version is there now than the other one expects.
    assert (await look(ben, rival)).state == OVERTAKEN
    await refusal("CONFLICT", approve(ben, rival), "another version")
    world.clock.pass_s(61)
    assert (await look(ben, late)).state == ENDED
    await refusal("CONFLICT", approve(ben, late), "time")
    await refusal("CONFLICT", withdraw(anna, late), "time")
    await refusal("CONFLICT", decline(ben, first), "executed")
    for state, found in ((DONE, first), (OVERTAKEN, rival), (ENDED, late)):
        assert await listed(ben, state=state) == [found.change_id]
        assert await listed(anna, state=state, mine=True) == [found.change_id]
    assert not await listed(ben, waiting=True)
    assert await listed(anna) == [late.change_id, rival.change_id, first.change_id]


async def test_a_receipt_counts_although_the_change_was_declined(world: World, anna: User, ben: User) -> None:
    reactor, owner, change = await world.attached(), world.user("owner", "vault://app"), a_change(world)
    await propose(anna, change)
    await decline(ben, change)
    await execute(owner, reactor, change, "1")
    assert (await look(ben, change)).state == DONE


async def test_a_request_that_only_names_a_change_makes_nothing_of_it(world: World, anna: User) -> None:
    owner, change = world.user("owner", "vault://app"), a_change(world)
    await world.attached()
    await propose(anna, change)
    message = upload_pb2.UploadRequest.FromString(executing(change).content)
    message.uri = "vault://app/elsewhere"
    content = message.SerializeToString(deterministic=True)
    await owner.call(commands_pb2.RequestSecretUploadKeyRequest(request=content))
    found = await look(anna, change)
    assert (found.state, found.request_id) == (OPEN, b"")


async def test_an_overtaken_change_is_open_when_its_version_is_there_again(
    world: World, reactor: FakeReactor, anna: User
) -> None:
    owner, change = world.user("owner", "vault://app", rights=frozenset(RIGHT_NAMES)), a_change(world)
    await propose(anna, change)
    await put(owner, reactor, "1", uri=PLACE)
    assert (await look(anna, change)).state == OVERTAKEN
    request = make_request(
        request_id=os.urandom(16),
        purpose=upload_pb2.PURPOSE_DELETE,
        uri=SecretUri.parse(PLACE),
        suites=(1,),
        expect=upload_pb2.EXPECT_ANY,
    )
    await owner.ask(request)
    _, grant = await reactor.give_key()
    asyncio.create_task(  # noqa: RUF006 - it waits for its end
        owner.call(commands_pb2.RequestUploadSecretRequest(request_id=request.request_id), timeout_s=60)
    )
    delivered = await reactor.next("SecretUploadRequested")
    digest = events_pb2.SecretUploadRequested.FromString(delivered.event.data).sealed_sha256
    deleted = reactor.receipt(grant, digest, upload_pb2.OUTCOME_DELETED, prior_version="1")
    assert (await reactor.append(request.request_id, 3, reactor.started(grant, digest, "1"))).error == ""
    assert (await reactor.append(request.request_id, 4, events_pb2.SecretDeleted(receipt=deleted))).error == ""
    assert (await look(anna, change)).state == OPEN


async def test_waiting_ends_with_the_next_word_about_a_change(world: World, anna: User, ben: User) -> None:
    reactor, owner, change = await world.attached(), world.user("owner", "vault://app"), a_change(world)
    await propose(anna, change)

    async def after(version: int, happens: Awaitable[Any]) -> changes_pb2.SecretChange:
        waiting = asyncio.create_task(look(anna, change, wait_version=version))
        while not world.app.feed._waiting.get(change_stream(change.change_id)):
            await asyncio.sleep(0)
        assert not waiting.done()
        await happens
        return await waiting

    assert (await after(1, approve(ben, change))).version == 2
    # What it missed comes at once.
    assert (await look(anna, change, wait_version=1)).version == 2
    assert (await after(2, put(owner, reactor, "1", uri=PLACE))).state == OVERTAKEN
    assert (await look(anna, change, wait_version=2)).state == OVERTAKEN


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


async def test_ten_thousand_open_changes_come_page_by_page(world: World, ben: User) -> None:
    changes = [a_change(world, uri=f"vault://app/{number % 100:02}") for number in range(10_000)]
    for start in range(0, len(changes), 500):
        await asyncio.gather(
            *(
                world.app.log.append(
                    change_stream(change.change_id),
                    0,
                    [write(events_pb2.SecretChangeProposed(change=change.content))],
                    actor=f"anna-{number % 100}",
                )
                for number, change in enumerate(changes[start : start + 500])
            )
        )
    wanted = {change.change_id for change in changes}
    found = await listed(ben, waiting=True, page_size=1_000)
    assert (len(found), set(found)) == (10_000, wanted)
    assert len(await listed(ben, prefix="vault://app/07", page_size=1_000)) == 100
    # Who may see none of them is told so, in as many pages as that takes.
    assert not await listed(world.user("eve", "vault://other", rights=APPROVE))
    assert sum([1 async for _ in world.app.documents.open_changes(world.clock())]) == 10_000


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


async def test_a_request_says_which_change_it_executes_and_its_events_who_approved(world: World, anna: User) -> None:
    reactor, owner, change = await world.attached(), world.user("owner", "vault://app"), a_change(world)
    await propose(anna, change)
    request = await execute(owner, reactor, change, "1")
    events = (await owner.events(request_id=request.request_id)).events
    details = {one.type: one.detail for one in events}
    assert details["SecretUploadKeyRequested"] == f"UPLOAD of {PLACE} by the change {change.sha256.hex()[:8]}"
    assert details["SecretUploadStarted"].startswith("approved by ben@example.org, replacing nothing")
    lines = [
        json.loads(of_event(event, log_id="l").text)
        for event in await world.app.log.read_stream(upload_stream(request.request_id))
    ]
    named = {line["type"]: line.get("approvers") for line in lines}
    assert named["SecretUploadStarted"] == named["SecretUploaded"] == f"ben@example.org {BEN.key}"
    assert named["SecretUploadRequested"] is None


def test_an_audit_line_says_why_nobody_approved_and_is_cut_where_it_would_be_too_long() -> None:
    reason = "\U0001f525" * 500
    request = a_request(expect=upload_pb2.EXPECT_ABSENT, break_glass=reason, uri="vault://" + "/".join(["x" * 100] * 4))
    grant = a_grant(request, signature_required=True)
    person = Person("oncall@example.org")
    receipt = make_receipt(
        grant=grant,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_STARTED,
        intent=bytes(32),
        signer=person.name,
        signer_key=person.key,
    )
    event = write(events_pb2.SecretUploadStarted(receipt=Signer().sign(RECEIPT, receipt.content)), uri=request.uri)
    (recorded,) = Append("upload/" + "0" * 32, 0, [event], "reactor", None, {}).made(0, 0, GENESIS_HASH, now_ms=1)
    text = of_event(recorded, log_id="l").text
    assert len(text) <= MOST_LINE
    line = json.loads(text)
    assert line["break_glass"] == reason[: len(line["break_glass"])] != ""
    assert line["detail_is_cut"]
    assert "without approvals" in line["detail"]


async def test_change_and_approvals_go_to_the_reactor_as_they_came(world: World) -> None:
    reactor, owner, change = await world.attached(), world.user("owner", "vault://app"), a_change(world)
    request, sealed = executing(change), Sealed()
    await owner.ask(request)
    await reactor.give_key()
    approvals = [BEN.approves(change), b"no signature at all"]

    async def send(**fields: Any) -> Any:
        message: dict[str, Any] = {
            "request_id": request.request_id,
            "encapsulated_key": sealed.encapsulated_key,
            "ciphertext": sealed.ciphertext,
            "change": change.content,
            "approvals": approvals,
        }
        return await owner.call(commands_pb2.RequestUploadSecretRequest(**{**message, **fields}), timeout_s=1)

    wrong: list[dict[str, Any]] = [{"change": bytes(8_193)}, {"approvals": [b"x"] * 9}, {"approvals": [bytes(8_193)]}]
    for fields in wrong:
        await refusal("USAGE", send(**fields))
    sending: asyncio.Task[Any] = asyncio.create_task(send())
    delivered = await reactor.next("SecretUploadRequested")
    message = events_pb2.SecretUploadRequested.FromString(delivered.event.data)
    assert (message.change, list(message.approvals)) == (change.content, approvals)
    assert (await sending).upload.state == views_pb2.UPLOAD_STATE_UPLOADING
    # The same again is answered; anything else is refused, also what only divides the same bytes otherwise.
    await send()
    others: list[dict[str, Any]] = [{"approvals": some} for some in (approvals[:1], approvals[::-1], [])]
    for fields in ({"change": b""}, *others):
        await refusal("ALREADY_EXISTS", send(**fields))


async def test_reactors_and_clients_are_told_that_m8_carries_approvals(world: World, anna: User) -> None:
    assert (await world.reactor().attach()).approvals
    assert "approvals" in (await anna.call(queries_pb2.GetServerRequest())).features


async def documents(world: World) -> dict[str, list[tuple[str, bytes]]]:
    log = world.app.log
    return {name: [one async for one in log.scan_all(name)] for name in (CHANGES, KEYS, OPEN_OF)}


async def test_each_engine_finds_the_same_and_makes_it_again_from_the_log(engine: str, tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        anna = world.user("anna", "vault://app", rights=PROPOSE)
        ben = world.user("ben", "vault://app", rights=APPROVE)
        reactor, owner = await world.attached(), world.user("owner", "vault://app")
        done, declined, short, open_ = (a_change(world, uri=f"vault://app/{number}") for number in range(4))
        for change in (done, declined, open_):
            await propose(anna, change)
        short = a_change(world, uri="vault://app/2", within_s=1)
        await propose(anna, short)
        await approve(ben, open_)
        await decline(ben, declined)
        await execute(owner, reactor, done, "1")
        world.clock.pass_s(2)
        await propose(anna, last := a_change(world, uri="vault://app/3"))
        before = await documents(world)
        assert all(before.values()), engine
        assert await listed(anna, state=OPEN) == [last.change_id, open_.change_id]
        assert await listed(ben, waiting=True) == [last.change_id]
        assert await listed(ben, state=DECLINED) == [declined.change_id]
        assert await listed(ben, state=ENDED) == [short.change_id]
        assert await listed(ben, page_size=1) == [one.change_id for one in (last, short, open_, declined, done)]
        await world.app.log.rebuild()
        assert await documents(world) == before


async def test_a_backup_brings_changes_approvals_and_what_m8_finds_of_them_back(
    world: World, anna: User, ben: User, tmp_path: Path
) -> None:
    """As the log of either engine has them: their streams are streams like others."""
    reactor, owner = await world.attached(), world.user("owner", "vault://app")
    done, declined, open_ = (a_change(world, uri=f"vault://app/{number}") for number in range(3))
    for change in (done, declined, open_):
        await propose(anna, change)
    await approve(ben, open_)
    await decline(ben, declined, "Not today.")
    await execute(owner, reactor, done, "1")
    log = world.app.log
    making = Making(log, created_at_ms=1, log_id="0" * 32, engine="any", version="0")
    content = b"".join([piece async for piece in making.pieces()])

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield content

    restored = await SqliteLog.open(tmp_path / "restored.db", clock=world.clock, projector=project, for_import=True)
    await restore(Checking(pieces()), restored)
    assert await restored.read_stream(change_stream(open_.change_id)) == await log.read_stream(
        change_stream(open_.change_id)
    )
    assert await restored.check_chain() == await log.head()
    for name, found in (await documents(world)).items():
        assert [one async for one in restored.scan_all(name)] == found
    await restored.close()


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

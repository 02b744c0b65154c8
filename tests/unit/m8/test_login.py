"""A reactor's login: who gets in, and who does not."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from monoskope.api.gateway.v1 import commands_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2
from monoskope.errors import IdentityChangedError
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.reactors import Login
from monoskope.m8.limits import logins
from monoskope.m8.limits.logins import ATTACHMENTS, WAITING_EACH
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.service.session import ServerSession, detach
from monoskope.protocol import identity
from monoskope.protocol.identity import IDENTITY_ROTATION
from monoskope.protocol.login import LoginRefusal, read_login_refusal
from tests.support.fake_reactor import SERVER, FakeReactor
from tests.support.http_calls import CallError
from tests.support.m8_user import User, refusal, refused
from tests.support.m8_world import World, a_world
from tests.support.vectors import KEY_ID, Signer, a_request, step

OTHER_KEY = "0123456789abcdef"


async def challenged(reactor: FakeReactor) -> reactor_pb2.AttachReactor:
    """The login of a reactor, over the challenge that m8 has sent to it."""
    await reactor.open()
    return reactor.login()


async def attach_with(reactor: FakeReactor, rotations: Sequence[identity_pb2.SignedRotation]) -> None:
    login = await challenged(reactor)
    login.rotations.extend(rotations)
    await reactor.attach(login)


async def test_a_reactor_is_told_who_is_attached_and_what_it_must_do(world: World) -> None:
    first = await world.attached()
    second = world.reactor()
    attached = await second.attach()
    assert (list(attached.replicas), attached.heartbeat_s) == ([first.replica, second.replica], 3)
    delivered = await first.next("ReactorAttached")
    assert delivered.event.stream == "reactor/vault"
    store = await world.administrator().store("vault")
    assert [(reactor.replica, reactor.attached) for reactor in store.reactors] == [
        (first.replica, True),
        (second.replica, True),
    ]
    assert store.fingerprint_key_id == KEY_ID


async def test_a_foreign_identity_is_refused_and_nothing_is_recorded_or_remembered(world: World) -> None:
    other, administrator = Signer(), world.administrator()
    await administrator.create("local", other.shown)
    before = await world.app.log.head()
    for foreign in (Signer(), other):
        await refusal("REFUSED", world.reactor(foreign).attach())
    assert await world.app.log.head() == before
    assert not (await administrator.store("vault")).HasField("refused_login")


async def test_only_the_holder_of_an_identity_looks_at_its_store_and_nothing_is_recorded(world: World) -> None:
    replica = await world.attached()
    before = await world.app.log.head()
    seen = await world.reactor().look()
    assert (list(seen.replicas), seen.writing, seen.position, seen.note, seen.later) == (
        [replica.replica],
        0,
        before,
        b"",
        False,
    )
    await refusal("REFUSED", world.reactor(Signer()).look())
    replayed, other = world.reactor(), world.reactor()
    await other.open()
    await replayed.open()
    await refusal("IDENTITY_CHANGED", replayed.look(other.login().hello), "another challenge")
    assert await world.app.log.head() == before


async def test_a_replayed_hello_is_refused(world: World) -> None:
    first, second = world.reactor(), world.reactor()
    await first.open()
    await second.open()
    await refusal("IDENTITY_CHANGED", second.attach(first.login()), "another challenge")


async def test_a_hello_for_another_server_is_refused(world: World) -> None:
    reactor = world.reactor()
    await reactor.open()
    login = reactor.login(reactor.hello(server="evil.test:7443"))
    await refusal("IDENTITY_CHANGED", reactor.attach(login), "evil.test")


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_nobody_learns_which_stores_there_are_without_the_identity_of_one(world: World, steps: int) -> None:
    """Whatever steps a stranger shows, a store that exists and one that does not have the same answer."""
    stranger, answers = Signer(), []
    for store in ("vault", "nowhere"):
        chain = [Signer() for _ in range(steps)] + [stranger]
        reactor = world.reactor(stranger, store=store)
        login = await challenged(reactor)
        login.rotations.extend(step(old, new, store) for old, new in itertools.pairwise(chain))
        error = await refusal("REFUSED", reactor.attach(login))
        answers.append(error.message.replace(store, "X"))
    assert answers[0] == answers[1]
    assert stranger.shown in answers[0]


async def test_steps_that_lead_back_change_nothing(world: World) -> None:
    there, back = step(world.signer, new := Signer()), step(new, world.signer)
    await attach_with(world.reactor(), [there, back])
    assert (await world.administrator().store("vault")).identity == world.signer.shown
    await refusal("REFUSED", attach_with(world.reactor(new), [there, back, step(world.signer, new)]))


@pytest.mark.parametrize("store", ["vault", "nowhere"])
@pytest.mark.parametrize("content", [b"", b"\xff", b"garbage"])
async def test_what_nobody_signed_is_not_even_read(world: World, store: str, content: bytes) -> None:
    reactor = world.reactor(store=store)
    login = await challenged(reactor)
    login.hello.content = content or login.hello.content.replace(SERVER.encode(), b"m9.test:7443")
    error = await refusal("IDENTITY_CHANGED", reactor.attach(login))
    assert error.message == "a signature does not verify."


@pytest.mark.parametrize("store", ["vault", "nowhere"])
@pytest.mark.parametrize("broken", ["old_signature", "new_signature", "content"])
async def test_a_forged_step_has_one_answer_for_every_store(world: World, store: str, broken: str) -> None:
    stranger = Signer()
    forged = step(world.signer, stranger, store)
    setattr(forged, broken, bytes(64))
    error = await refusal("REFUSED", attach_with(world.reactor(stranger, store=store), [forged]))
    assert error.message.startswith(f"there is no store {store} with the identity {stranger.shown}")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys under which a signature is verified from now on, in turn."""
    keys: list[bytes] = []
    known = identity._key

    def counted(public_key: bytes) -> Ed25519PublicKey:
        keys.append(public_key)
        return known(public_key)

    monkeypatch.setattr(identity, "_key", counted)
    return keys


async def test_a_stranger_costs_one_signature_whatever_it_sends(world: World, verified: list[bytes]) -> None:
    stranger = Signer()
    chain = [*(Signer() for _ in range(64)), stranger]
    with refused("REFUSED"):
        await attach_with(world.reactor(stranger), [step(old, new) for old, new in itertools.pairwise(chain)])
    assert verified == [stranger.public]


async def test_the_first_step_that_does_not_hold_ends_the_walk(world: World, verified: list[bytes]) -> None:
    stranger = Signer()
    forged = step(world.signer, stranger)
    forged.old_signature = stranger.sign(IDENTITY_ROTATION, forged.content).signature
    await refusal("REFUSED", attach_with(world.reactor(stranger), [forged] * 64))
    assert verified == [stranger.public, world.signer.public]


async def test_a_thousand_steps_are_not_looked_at(world: World, verified: list[bytes]) -> None:
    await refusal("USAGE", attach_with(world.reactor(), [identity_pb2.SignedRotation(content=b"x")] * 1_000))
    assert verified == []


async def test_whoever_has_the_identity_that_counts_has_no_step_verified(world: World, verified: list[bytes]) -> None:
    former = [step(old, new) for old, new in itertools.pairwise([*(Signer() for _ in range(60)), world.signer])]
    await attach_with(world.reactor(), former)
    assert verified == [world.signer.public]


async def test_a_login_that_is_too_large_is_not_read(world: World, verified: list[bytes]) -> None:
    reactor, login = world.reactor(), identity_pb2.SignedRotation(content=bytes(70_000))
    with pytest.raises(CallError):
        await attach_with(reactor, [login])
    assert await reactor.call.close_code() == 1009
    assert verified == []


async def test_what_is_too_large_to_be_a_hello_is_not_verified(world: World, verified: list[bytes]) -> None:
    reactor = world.reactor()
    login = await challenged(reactor)
    login.hello.content += bytes(1_024)
    await refusal("USAGE", reactor.attach(login), "at most 1024 bytes")
    assert verified == []


async def test_logins_that_fail_are_limited_and_one_that_succeeds_is_not(tmp_path: Path, verified: list[bytes]) -> None:
    async with a_world(tmp_path, limits=ServerLimits(failed_logins_each=3, failed_logins=3)) as world:
        await world.attached()
        stranger, answers = Signer(), []
        for _ in range(12):
            with pytest.raises(CallError) as caught:
                await world.reactor(stranger).attach()
            answers.append(caught.value.reason)
        assert answers[:3] == ["REFUSED"] * 3
        assert "UNAVAILABLE" in answers[3:]
        assert verified.count(stranger.public) == answers.count("REFUSED")


def sized(size: int) -> events_pb2.StoreCapabilities:
    made = events_pb2.StoreCapabilities(max_plaintext=512, layout="x" * (size - 100))
    made.layout += "x" * (size - made.ByteSize())
    assert made.ByteSize() == size
    return made


def with_schema(schema: str) -> events_pb2.StoreCapabilities:
    return events_pb2.StoreCapabilities(max_plaintext=512, options_schema=schema)


def padded(size: int) -> str:
    return json.dumps({"description": "x" * (size - len('{"description": ""}'))})


@pytest.mark.parametrize(
    "capabilities", [sized(16_384), with_schema(padded(8_192)), with_schema('{"properties": {"pattern": {}}}')]
)
async def test_what_a_reactor_may_announce_is_shown(world: World, capabilities: events_pb2.StoreCapabilities) -> None:
    reactor = world.reactor()
    login = await challenged(reactor)
    login.capabilities.CopyFrom(capabilities)
    await reactor.attach(login)
    (shown,) = (await world.administrator().store("vault")).reactors
    assert shown.capabilities == capabilities


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        (sized(16_385), "the capabilities have 16,385 bytes; a reactor may announce 16,384."),
        (with_schema(padded(8_193)), "options_schema must have at most 8192 bytes"),
        (with_schema('{"items": {"$ref": "#"}}'), "has the keyword $ref; references and patterns are not allowed."),
        (with_schema('{"properties": {"a": {"pattern": "(a+)+b"}}}'), "has the keyword pattern;"),
        (with_schema('{"patternProperties": {}}'), "has the keyword patternProperties;"),
        (with_schema('{"dependentSchemas": {"properties": {"pattern": "a"}}}'), "has the keyword pattern;"),
        (with_schema('{"a": 1, "a": 2}'), "names a member twice."),
        (with_schema("[" * 4_000), "is not JSON"),
        (with_schema('{"not":' * 40 + "{}" + "}" * 40), "is nested deeper than 32 levels."),
        (with_schema("[]"), "is not a JSON object."),
    ],
)
async def test_too_much_is_not_announced(world: World, capabilities: events_pb2.StoreCapabilities, said: str) -> None:
    reactor = world.reactor()
    login = await challenged(reactor)
    login.capabilities.CopyFrom(capabilities)
    before = await world.app.log.head()
    await refusal("USAGE", reactor.attach(login), said)
    assert await world.app.log.head() == before


async def test_a_store_has_sixteen_reactors_and_one_that_comes_again_is_not_another(world: World) -> None:
    attached = [await world.attached() for _ in range(16)]
    error = await refusal("REFUSED", world.attached())
    assert error.message == "the store vault has 16 attached reactors; it may have 16."
    again = world.reactor(replica=attached[0].replica)
    login = await challenged(again)
    login.capabilities.layout = "another"
    await again.attach(login)
    await attached[1].half_close()
    await world.attached()


async def test_whoever_has_an_identity_does_not_fill_the_log_by_attaching_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "ATTACHMENTS_PER_S", 1e-9)  # however long the test takes, nothing is given back
    await world.attached()
    before, refusals = await world.app.log.head(), 0
    for number in range(60):
        reactor = world.reactor(replica=bytes([number]) * 16)
        try:
            await reactor.attach()
        except CallError as error:
            refusals += error.code == "unavailable"
        else:
            await reactor.half_close()
    assert refusals >= 20
    assert await world.app.log.head() - before <= 2 * ATTACHMENTS


async def test_a_reactor_of_another_type_is_refused_naming_both(world: World) -> None:
    reactor = world.reactor()
    await reactor.open()
    await refusal("REFUSED", reactor.attach(reactor.login(kind="age")), "vault", "age")


async def test_another_fingerprint_key_is_refused_until_an_administrator_rotates(world: World) -> None:
    await world.attached()
    reactor = world.reactor()
    reactor.key_id = OTHER_KEY
    await refusal("REFUSED", reactor.attach(), OTHER_KEY)
    await world.administrator().call(commands_pb2.StartFingerprintKeyRotationRequest(key_id=OTHER_KEY))
    moved = world.reactor()
    moved.key_id = OTHER_KEY
    await moved.attach()


async def rotating(world: World) -> User:
    """An administrator who has begun to rotate the fingerprint key to `OTHER_KEY`."""
    administrator = world.administrator()
    await administrator.call(commands_pb2.StartFingerprintKeyRotationRequest(key_id=OTHER_KEY))
    return administrator


async def finish(administrator: User, *, force: bool = False) -> None:
    await administrator.call(commands_pb2.FinishFingerprintKeyRotationRequest(key_id=OTHER_KEY, force=force))


async def test_a_rotation_is_not_finished_while_an_attached_reactor_has_the_old_key(world: World) -> None:
    old = await world.attached()
    administrator = await rotating(world)
    await refusal("CONFLICT", finish(administrator), f"vault/{old.replica.hex()[:8]}")
    assert (await world.attached()).key_id == KEY_ID
    for reactor in (await world.administrator().store("vault")).reactors:
        await detach(world.app, "vault", reactor.replica)
    moved = world.reactor()
    moved.key_id = OTHER_KEY
    await moved.attach()
    await finish(administrator)
    await refusal("REFUSED", world.reactor().attach())


async def test_a_forced_end_of_a_rotation_shuts_the_old_reactors_out_and_puts_say_so_at_once(world: World) -> None:
    old = await world.attached()
    await finish(await rotating(world), force=True)
    ended = await old.failure()
    assert ended.reason == "REFUSED"
    assert read_login_refusal(ended.info) == LoginRefusal(views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY, (OTHER_KEY,))
    store = await world.administrator().store("vault")
    assert not any(reactor.attached for reactor in store.reactors)
    assert store.refused_login.replica == old.replica
    assert store.refused_login.fingerprint_key_id == KEY_ID
    assert store.refused_login.refusal == views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY
    await refusal("UNAVAILABLE", world.user("alice", "vault://app").ask(a_request()), KEY_ID, OTHER_KEY)


async def test_the_last_refused_login_of_a_store_is_shown_until_a_reactor_logs_in(world: World) -> None:
    await world.attached()
    reactor, administrator = world.reactor(), world.administrator()
    reactor.key_id = OTHER_KEY
    await refusal("REFUSED", reactor.attach())
    refused_login = (await administrator.store("vault")).refused_login
    assert refused_login.replica == reactor.replica
    assert refused_login.refused_at_ms == world.clock()
    await Timekeeper(world.app).tick()
    assert (await administrator.store("vault")).HasField("refused_login")
    await world.attached()
    assert not (await administrator.store("vault")).HasField("refused_login")


async def test_a_rotation_is_followed_and_the_former_identity_is_shut_out(world: World) -> None:
    old, former = world.signer, await world.attached()
    new = Signer()
    await attach_with(world.reactor(old), [step(old, new)])
    assert (await world.administrator().store("vault")).identity == old.shown, "nobody showed the new key"
    await attach_with(world.reactor(new), [step(old, new)])
    assert await former.call.code() == "failed_precondition"
    await refusal("REFUSED", world.reactor(old).attach())
    store = await world.administrator().store("vault")
    assert (store.identity, len(store.rotations)) == (new.shown, 1)


async def test_a_replaced_identity_shuts_out_whoever_is_attached(world: World) -> None:
    reactor, administrator = await world.attached(), world.administrator()
    await administrator.call(commands_pb2.ReplaceSecretStoreIdentityRequest(name="vault", identity=Signer().shown))
    assert (await reactor.failure()).reason == "IDENTITY_CHANGED"


async def test_peers_learn_at_once_that_a_process_said_goodbye(world: World) -> None:
    leaving, staying = await world.attached(), await world.attached()
    await leaving.half_close()
    delivered = await staying.next("ReactorDetached")
    assert delivered.event.actor == "m8"
    store = await world.administrator().store("vault")
    assert [reactor.attached for reactor in store.reactors] == [True, False]


async def test_something_else_than_a_login_is_refused(world: World) -> None:
    reactor = world.reactor()
    await reactor.open()
    await reactor.beat()
    assert (await reactor.failure()).reason == "UNAUTHENTICATED"


async def test_a_malformed_login_is_refused_naming_the_field(world: World) -> None:
    reactor = world.reactor()
    await reactor.open()
    await reactor.call.write(reactor_pb2.AttachRequest(attach=reactor_pb2.AttachReactor(type="Vault!")))
    failure = await reactor.failure()
    assert failure.reason == "USAGE"
    assert "hello" in failure.message


async def test_a_connection_without_a_login_is_cut_off(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(hello_s=0.01)) as world:
        mute = world.reactor()
        await mute.open()
        assert (await mute.failure()).reason == "UNAUTHENTICATED"


async def test_an_identity_that_was_replaced_while_its_reactor_logged_in_is_shut_out(world: World) -> None:
    """A login that was verified before the change must not outlive it."""

    async def nothing(_: reactor_pb2.AttachResponse) -> None:
        return

    async def silence() -> AsyncIterator[reactor_pb2.AttachRequest]:
        await asyncio.Event().wait()
        yield reactor_pb2.AttachRequest()

    login = Login("vault", b"s" * 16, world.signer.shown, KEY_ID)
    administrator = world.administrator()
    await administrator.call(commands_pb2.ReplaceSecretStoreIdentityRequest(name="vault", identity=Signer().shown))
    with pytest.raises(IdentityChangedError):
        await ServerSession(world.app, login, silence(), nothing).serve()


async def test_a_login_that_says_nothing_is_cut_off_when_its_address_has_too_many(world: World) -> None:
    first = world.reactor()
    await first.open()
    others = [world.reactor() for _ in range(WAITING_EACH)]
    for other in others:
        await other.open()
    assert (await first.failure()).reason == "UNAUTHENTICATED"
    await others[-1].attach()

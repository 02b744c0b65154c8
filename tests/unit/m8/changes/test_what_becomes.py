"""Changes in m8: what becomes of them, and who is told when."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.audit.lines import MOST_LINE, of_event
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.log.event_log import GENESIS_HASH
from monoskope.m8.log.record import Append
from monoskope.m8.readmodels.changes import CHANGES, KEYS, OPEN_OF
from monoskope.protocol.events import upload_stream
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.receipt import make_receipt
from tests.support.changes import (
    APPROVE,
    BEN,
    DECLINED,
    DONE,
    ENDED,
    OPEN,
    OVERTAKEN,
    PLACE,
    PROPOSE,
    a_change,
    approve,
    decline,
    delete,
    execute,
    executing,
    listed,
    look,
    propose,
    withdraw,
)
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import Sealed, User, refusal
from tests.support.m8_world import World, a_world, put
from tests.support.signed_requests import Person
from tests.support.vectors import Signer, a_grant, a_request


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
    await delete(owner, reactor, "1")
    assert (await look(anna, change)).state == OPEN


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

    too_long = bytes(8_193)
    wrong: list[dict[str, Any]] = [{"approvals": some} for some in ([b"x"] * 9, [too_long], [b""])]
    for fields in (*wrong, {"change": too_long}, {"request_signature": too_long}):
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

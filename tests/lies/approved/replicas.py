"""Restarts, replicas with other lists, hidden receipts: a second time for the requester, where the design has one.

What was there before is there again each time, as after a deletion that was undone: else no change is done twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code
from tests.lies.approved.row import ApprovalLie, Scene, executes_as_seen
from tests.lies.approved.stage import FIRST
from tests.lies.lie import Step, Victim

SECOND = "second"

Act = Callable[[Scene], Awaitable[Any]]


def hide_receipt(scene: Scene) -> None:
    """Deliver no receipt of the secret: neither the newest one of an earlier time, nor that of the change."""
    for kind in (events_pb2.SecretUploadKeyRequested, events_pb2.SecretUploadRequested):

        def act(answer: reactor_pb2.AttachResponse, kind: Any = kind) -> reactor_pb2.AttachResponse:
            event = event_pb2.Event.FromString(answer.delivery.record)
            message = kind.FromString(event.data)
            message.ClearField("last_receipt")
            event.data = message.SerializeToString(deterministic=True)
            answer.delivery.record = event.SerializeToString()
            return answer

        scene.wire.change_delivery(kind.DESCRIPTOR.name, act, times=None, of=scene.uri)


def nothing(_: Scene) -> None:
    """Say nothing false."""


async def restarts(scene: Scene) -> None:
    """Restart the reactor: its new process remembers nothing."""
    await scene.stage.stop(FIRST)
    await scene.stage.start(FIRST)


async def asks_second(scene: Scene) -> None:
    """Ask another replica from now on: the first one is away."""
    await scene.stage.start(SECOND)
    await scene.stage.stop(FIRST)


def only(scene: Scene, name: str) -> None:
    """Tell nobody but one replica what is asked."""
    for other, replica in scene.stage.replicas.items():
        if other != name:
            for kind in ("SecretUploadKeyRequested", "SecretUploadRequested"):
                scene.wire.lose_delivery(kind, session=replica.session, times=None, of=scene.uri)


def again(*between: Callable[[Scene], Any], times: int = 1) -> Act:
    """alice executes her change, and so often again once what was there before is back; the last end counts."""

    async def act(scene: Scene) -> Any:
        engine, path = scene.one.engine, scene.one.path
        there, aside = list(engine.content[path]), engine.aside.get(path)
        result = await executes_as_seen(scene)
        for step in between:
            made = step(scene)
            if made is not None:
                await made
        for _ in range(times):
            engine.content[path] = list(there)
            engine.aside.pop(path, None)
            if aside is not None:
                engine.aside[path] = aside
            result = await executes_as_seen(scene)
        return result

    return act


async def deleted_between(scene: Scene) -> Any:
    """alice executes it, and again once somebody deleted it: the newest receipt says nothing of the change."""
    await executes_as_seen(scene)
    await scene.of("setter").delete_secret(scene.uri)
    return await executes_as_seen(scene)


def of_nobody(*between: Callable[[Scene], Any]) -> Act:
    """alice executes it; then m8 delivers what she signed for that, for a new key, in place of a new signature."""

    async def act(scene: Scene) -> Any:
        engine, path = scene.one.engine, scene.one.path
        there = list(engine.content[path])
        await executes_as_seen(scene)
        for step in between:
            made = step(scene)
            if made is not None:
                await made
        engine.content[path] = list(there)
        sent = [call for call in scene.wire.called if call.name == "RequestUploadSecret"][-1].message
        old = sent.request_signature  # type: ignore[attr-defined]
        scene.deliver(lambda message: setattr(message, "request_signature", old))
        return await executes_as_seen(scene)

    return act


def with_replica(*, asks: int) -> Callable[[Scene], Awaitable[None]]:
    """Ask a replica whose entries say another number."""

    async def tell(scene: Scene) -> None:
        await scene.stage.start(SECOND, asks=asks)
        only(scene, SECOND)

    return tell


async def ended(scene: Scene) -> Any:
    """alice executes it; the second replica leaves."""
    try:
        return await executes_as_seen(scene)
    finally:
        await leaves(scene)


async def leaves(scene: Scene) -> None:
    if FIRST not in scene.stage.replicas:
        await scene.stage.start(FIRST)
    await scene.stage.stop(SECOND)


def and_leaves(act: Act) -> Act:
    async def whole(scene: Scene) -> Any:
        try:
            return await act(scene)
        finally:
            await leaves(scene)

    return whole


DONE_BEFORE = "was done already"
row = partial(ApprovalLie, Step.REPLICAS, against=Victim.REACTOR, purposes=("put", "patch", "undelete", "rollback"))
twice = partial(row, writes=2)
once = partial(row, says=DONE_BEFORE, code=Code.CONFLICT, writes=1)
replica = partial(row, act=ended)

LIES = (
    once("no receipt to the same process", hide_receipt, act=again()),
    row(
        "nothing false to the same process, once somebody deleted it",
        nothing,
        DONE_BEFORE,
        Code.CONFLICT,
        act=deleted_between,
        writes=2,
        purposes=("put",),
    ),
    once("nothing false after a restart", nothing, act=again(restarts)),
    once("nothing false to another replica", nothing, act=and_leaves(again(asks_second))),
    twice("no receipt after a restart", hide_receipt, act=again(restarts)),
    twice("no receipt to another replica", hide_receipt, act=and_leaves(again(asks_second))),
    row(
        "no receipt after a restart, and a third time",
        hide_receipt,
        DONE_BEFORE,
        Code.CONFLICT,
        act=again(restarts, times=2),
        writes=2,
    ),
    row(
        "what alice signed before, after a restart",
        nothing,
        "NOT_AUTHORIZED",
        Code.NOT_AUTHORIZED,
        act=of_nobody(restarts),
        writes=1,
        purposes=("put", "patch", "rollback"),
    ),
    replica(
        "one approval, to a replica that asks for one", with_replica(asks=1), approved_by=("ben",), asks=1, writes=1
    ),
    replica(
        "no approval, to a replica that asks for one",
        with_replica(asks=1),
        "NOT_AUTHORIZED",
        Code.NOT_AUTHORIZED,
        approved_by=(),
        asks=1,
    ),
    replica(
        "two approvals, to a replica that asks for three",
        with_replica(asks=3),
        "up to 3 approvals here, and 2",
        Code.NOT_AUTHORIZED,
    ),
    replica("no approval, to a replica that asks for none", with_replica(asks=0), approved_by=(), asks=0, writes=1),
)

"""A hostile m8 delivers late what it withheld, on real connections: nothing old returns, and no guess is confirmed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Expect
from monoskope.errors import Code, Error, OutcomeUnknownError
from tests.attack.conftest import Scene
from tests.support.hostile_cluster import KV1, YOUNG_S, young
from tests.support.hostile_m8 import HostileM8
from tests.support.hostile_rules import Passing, Way

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, NEW = b"the old value that m8 kept", b"the new value that was deleted"


@pytest.mark.parametrize("store", ["vault", "local", KV1])
async def test_a_withheld_secret_does_not_come_back_once_what_followed_is_deleted(scene: Scene, store: str) -> None:
    await scene.hostile.serve(store, timings=young())
    uri = scene.uri(store)
    ghost = scene.m8.withhold(of=uri)
    with pytest.raises(Error):
        await scene.client.put_secret(uri, {"password": OLD}, timeout=60.0)
    await scene.client.put_secret(uri, {"password": NEW})
    await scene.client.delete_secret(uri, destroy=store == KV1)
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    await ghost.deliver()
    assert await scene.hostile.holds(uri) is None


async def test_a_copy_whose_put_may_still_land_says_so(scene: Scene) -> None:
    """m8 withholds the destination's put. COPY ends at once with OUTCOME_UNKNOWN; the put lands afterwards."""
    uri, source = scene.uri("local"), scene.uri("vault", "source")
    for store in ("local", "vault"):
        await scene.hostile.serve(store, timings=young())
    await scene.client.put_secret(source, {"password": OLD})
    ghost = scene.m8.withhold(of=uri)
    with pytest.raises(Error) as caught:
        await scene.client.copy_secret(source, uri, expect=Expect.ANY, timeout=60.0)
    assert await scene.hostile.holds(uri) is None
    await ghost.deliver()
    await asyncio.sleep(0)
    assert await scene.hostile.holds(uri) == {"password": OLD.decode()}
    assert "still" in caught.value.message, caught.value.message


class Accountant:
    """An m8 that refuses every announced put at one secret, shows it to the same reactor later, and keeps its end."""

    def __init__(self, m8: HostileM8, uri: str) -> None:
        self.shown: list[bytes] = []
        self.ends: dict[bytes, str] = {}
        put: dict[str, Any] = {"of": uri, "purpose": upload_pb2.PURPOSE_UPLOAD, "times": None}
        m8.on_append("SecretUploadStarted", self.started, **put)
        for kind in ("SecretUploaded", "SecretUploadFailed"):
            m8.on_append(kind, self.ended, **put)

    def started(self, one: Passing, _: Any) -> None:
        append = one.to_m8().append
        refused = reactor_pb2.Appended(call=append.call, error=Code.CONFLICT.value, message="no")
        one.session.send(Way.TO_REACTOR, reactor_pb2.AttachResponse(appended=refused))
        event = event_pb2.Event(
            position=1 << 40,
            stream=f"upload/{append.request_id.hex()}",
            version=append.expected_version + 1,
            type="SecretUploadStarted",
            data=append.started.SerializeToString(),
        )
        delivery = reactor_pb2.Delivery(record=event.SerializeToString())
        one.session.send(Way.TO_REACTOR, reactor_pb2.AttachResponse(delivery=delivery))
        self.shown.append(append.request_id)

    def ended(self, one: Passing, _: Any) -> None:
        self.ends[one.request_id] = one.kind


@pytest.mark.soak
@pytest.mark.parametrize("store", ["vault", pytest.param(KV1, marks=pytest.mark.soak)])
async def test_recovery_does_not_tell_a_right_guess_from_wrong_ones(
    scene: Scene, crowd: list[Client], store: str
) -> None:
    """Forty guesses at one secret within one hour, none of them written; one reactor, which runs on."""
    timings = {"write_window": 0.5, "settle": 8.0, "issuer_gone": 0.2, "lookup_retry": 0.1}
    await scene.hostile.serve(store, timings=timings, fresh=True)
    uri, pins = scene.uri(store), [f"{7_000 + number}".encode() for number in range(40)]
    right = pins[25]
    await scene.client.put_secret(uri, {"pin": right})
    before = len(scene.m8.of(uri))
    m8 = Accountant(scene.m8, uri)
    more = {"x": b"1"} if store == "vault" else {}
    guessing = []
    for number, pin in enumerate(pins):
        client = crowd[number % len(crowd)]
        task = client.put_secret(uri, {"pin": pin, **more}, expect=Expect.OVERWRITE)
        guessing.append(asyncio.ensure_future(task))
        await scene.m8.until(lambda number=number: len(m8.shown) > number)  # type: ignore[misc]
    if store == "vault":
        await scene.client.patch_secret(uri, more)
    await scene.m8.until(lambda: len(m8.ends) == len(pins))
    for guess in guessing:
        guess.cancel()
    order = scene.m8.of(uri)[before : before + len(pins)]
    found = [pins[order.index(request_id)] for request_id, end in m8.ends.items() if end == "SecretUploaded"]
    assert (await scene.hostile.holds(uri) or {})["pin"] == right.decode()
    assert found == []


VALUE = b"a value that no listing reads"
RIGHTS = ("list", "put", "see-hash")


async def test_a_withheld_listing_answers_no_later_one_and_changes_nothing(scene: Scene) -> None:
    await scene.hostile.serve("vault", timings=young())
    uri, root = scene.uri("vault"), scene.uri("vault", "x").removesuffix("/x")
    lister = await asyncio.to_thread(scene.hostile.add_user, f"lister-{scene.team}", ["vault://attack"], rights=RIGHTS)
    async with scene.hostile.client(lister) as client:
        await client.put_secret(uri, {"password": VALUE})
        before = await asyncio.to_thread(scene.hostile.history, uri)
        ghost = scene.m8.withhold(of=root)
        with pytest.raises(OutcomeUnknownError, match="which names are there is not known"):
            [name async for name in client.list_upstream(root, timeout=60.0)]
        await client.put_secret(scene.uri("vault", "later"), {"password": VALUE})
        await ghost.deliver()
        scene.m8.honest()
        names = [name.uri async for name in client.list_upstream(root)]
        assert names == [uri, scene.uri("vault", "later")]
        assert await asyncio.to_thread(scene.hostile.history, uri) == before
    assert scene.m8.saw(VALUE) == 0

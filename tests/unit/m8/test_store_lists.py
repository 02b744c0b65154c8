"""What one store announces breaks no list of others, even what was recorded before announcements were bounded."""

from __future__ import annotations

import os
from typing import Any

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import CATALOGUE_STREAM, reactor_stream, write
from tests.support.m8_world import User, World
from tests.support.vectors import KEY_ID, Signer

SHOWN = 2_000_000
"""Bytes of an answer that every client takes."""


async def record_attached(world: World, store: str, count: int, **texts: Any) -> None:
    """Record processes as they were recorded whatever they announced."""
    stream = reactor_stream(store)
    events = [
        write(
            events_pb2.ReactorAttached(
                store=store,
                replica=os.urandom(16),
                type="vault",
                fingerprint_key_id=KEY_ID,
                capabilities=events_pb2.StoreCapabilities(max_plaintext=512, readable=True, **texts),
            )
        )
        for _ in range(count)
    ]
    await world.app.log.append(stream, len(await world.app.log.read_stream(stream)), events, actor="test")


async def listed(user: User, *, size: int = 0) -> tuple[list[views_pb2.SecretStore], int]:
    """Every store, page by page, and the bytes of the largest page."""
    stores: list[views_pb2.SecretStore] = []
    token, largest = "", 0
    while True:
        asked = queries_pb2.ListSecretStoresRequest(page_size=size, page_token=token, count_pending=True)
        page = await user.call(asked)
        stores += page.stores
        largest = max(largest, page.ByteSize())
        token = page.next_page_token
        if not token:
            return stores, largest


async def test_many_stores_that_announce_all_they_may_take_more_pages(world: World) -> None:
    administrator = world.administrator()
    names = [f"s{number:02}" for number in range(20)]
    created = [events_pb2.SecretStoreCreated(name=name, type="vault", identity=Signer().shown) for name in names]
    version = len(await world.app.log.read_stream(CATALOGUE_STREAM))
    await world.app.log.append(CATALOGUE_STREAM, version, [write(each) for each in created], actor="test")
    for name in names:
        await record_attached(world, name, 16, layout="x" * 16_000)
    stores, largest = await listed(administrator)
    assert [each.name for each in stores] == [*names, "vault"]
    assert {len(each.reactors) for each in stores} == {16, 0}
    assert largest < SHOWN


async def test_pages_have_as_many_stores_as_were_asked_for(world: World) -> None:
    administrator = world.administrator()
    for name in ("a", "b", "c"):
        await administrator.create(name, Signer().shown)
    stores, _ = await listed(administrator, size=2)
    assert [each.name for each in stores] == ["a", "b", "c", "vault"]

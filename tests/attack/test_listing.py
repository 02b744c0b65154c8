"""A hostile m8 and names that are listed: what it withholds answers nothing later, and no value comes by it."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.errors import OutcomeUnknownError
from tests.attack.conftest import Scene
from tests.support.hostile_cluster import young

pytestmark = pytest.mark.asyncio(loop_scope="session")

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

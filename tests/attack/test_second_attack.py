"""What a second attack found, on the real wire. Each test asserts the promise, and is expected to fail."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.client import Expect
from monoskope.errors import Error
from tests.attack.conftest import Scene
from tests.support.hostile_cluster import KV1, YOUNG_S, young

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, NEW = b"the old value that m8 kept", b"the new value that was deleted"


@pytest.mark.xfail(strict=True, reason="a deletion leaves no version that a ghost could meet")
@pytest.mark.parametrize("store", ["vault", "local", KV1])
async def test_a_withheld_secret_does_not_come_back_once_what_followed_is_deleted(scene: Scene, store: str) -> None:
    await scene.hostile.serve(store, timings=young())
    uri = scene.uri(store)
    ghost = scene.m8.withhold(of=uri)
    with pytest.raises(Error):
        await scene.client.put_secret(uri, {"password": OLD}, timeout=20.0)
    await scene.client.put_secret(uri, {"password": NEW})
    await scene.client.delete_secret(uri, destroy=store == KV1)
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    await ghost.deliver()
    assert await scene.hostile.holds(uri) is None


@pytest.mark.xfail(strict=True, reason="a signed OUTCOME_UNKNOWN of a copy is taken for its end; its put lives on")
async def test_a_copy_whose_put_may_still_land_says_so(scene: Scene) -> None:
    """m8 withholds the destination's put. COPY ends at once with OUTCOME_UNKNOWN; the put lands afterwards."""
    uri, source = scene.uri("local"), scene.uri("vault", "source")
    for store in ("local", "vault"):
        await scene.hostile.serve(store, timings=young())
    await scene.client.put_secret(source, {"password": OLD})
    ghost = scene.m8.withhold(of=uri)
    with pytest.raises(Error) as caught:
        await scene.client.copy_secret(source, uri, expect=Expect.ANY, timeout=20.0)
    assert await scene.hostile.holds(uri) is None
    await ghost.deliver()
    await asyncio.sleep(0)
    assert await scene.hostile.holds(uri) == {"password": OLD.decode()}
    assert "still" in caught.value.message, caught.value.message

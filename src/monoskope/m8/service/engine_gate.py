"""Refuses a request at once if every attached reactor says that its engine does not answer.

What the reactors found before the request is not enough, because the engine may have come back. So if all of them found
it unavailable, the call waits for heartbeats about a newer check, which come within a second or two. If they say the
same, the request is refused. If one says otherwise, or none comes, the request goes on.
"""

from __future__ import annotations

import asyncio

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.readmodels.stores import heartbeat_note
from monoskope.m8.service.app import App
from monoskope.times import instant

_LOOK_S = 0.05


async def require_engine(app: App, store: views_pb2.SecretStore, *, wait_s: float) -> None:
    """Return unless every attached reactor of `store` says, now, that its engine does not answer.

    Args:
        app: m8.
        store: With its reactors.
        wait_s: How long the caller waits at most.

    Raises:
        UnavailableError: they do. Nothing was recorded.
    """
    asked_ms, until_ms = app.clock(), app.ticks() + 1000 * min(wait_s, app.limits.heartbeat_s)
    # One caller of each store polls. The others wait for it and use what it found.
    async with app.looks.held(store.name):
        await _look(app, store, asked_ms=asked_ms, until_ms=until_ms)


async def _look(app: App, store: views_pb2.SecretStore, *, asked_ms: int, until_ms: float) -> None:
    while (bad := await _all_bad(app, store)) and app.ticks() < until_ms:
        if all(said.last_heard_ms > asked_ms for said in bad):
            since = min(said.engine_since_ms for said in bad)
            raise UnavailableError(
                f"the engine of the store {store.name} does not answer (UPSTREAM_UNAVAILABLE), "
                f"say its reactors since {instant(since)}.",
                fix="Nothing was sent. Try again when the engine is back; `monoctl describe secret-store` shows it.",
            )
        await asyncio.sleep(_LOOK_S)


async def _all_bad(app: App, store: views_pb2.SecretStore) -> list[views_pb2.Reactor]:
    """Return what the attached reactors last said if all of them found their engine unavailable, else []."""
    notes = await app.log.beat_notes()
    said = [heartbeat_note(store.name, reactor, notes) for reactor in store.reactors if reactor.attached]
    bad = [one for one in said if one.engine == reactor_pb2.ENGINE_HEALTH_UNAVAILABLE]
    return bad if len(bad) == len(said) else []

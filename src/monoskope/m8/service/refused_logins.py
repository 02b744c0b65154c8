"""Remembers the last login of each store that m8 refused to a reactor with the store's identity, and why.

It stands beside the heartbeats, outside the event log: whoever holds an identity could otherwise fill the log.
"""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.readmodels.stores import refused_key
from monoskope.m8.service.app import App


async def remember(app: App, store: str, replica: bytes, key_id: str, refusal: views_pb2.LoginRefusal) -> None:
    """Remember that a login of `replica` was refused just now."""
    now_ms = app.clock()
    said = views_pb2.RefusedLogin(replica=replica, refusal=refusal, refused_at_ms=now_ms, fingerprint_key_id=key_id)
    await app.log.beat(refused_key(store), now_ms, said.SerializeToString())


async def forget(app: App, store: str) -> None:
    """A reactor of `store` logged in. Another one that still is refused tries again within seconds."""
    if refused_key(store) in await app.log.beats():
        await app.log.forget_beat(refused_key(store))

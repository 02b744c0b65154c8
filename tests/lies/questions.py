"""What alice asks m8 without wanting anything done: each answer says what is proven, and what is m8's word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from monoskope.client import Client
from tests.lies.lie import EVERY
from tests.lies.walks import Asking

MOST = 5
"""How much is read of an answer that has no end."""


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


async def _watched(client: Client, one: Asking) -> list[Any]:
    del one
    seen: list[Any] = []
    async for event in client.log.watch_events(after=0):
        seen.append(event)
        if len(seen) == MOST:
            break
    return seen


async def _whoami(client: Client, one: Asking) -> Any:
    del one
    return await client.access.who_am_i()


QUESTIONS: Mapping[str, Callable[[Client, Asking], Awaitable[Any]]] = {
    "get secret": lambda client, one: client.get_secret(one.uri),
    "get secret of the default store": lambda client, one: client.get_secret(one.uri.removeprefix("memory://")),
    "list secrets": lambda client, one: _all(client.list_secrets(one.uri)),
    "list versions": lambda client, one: _all(client.list_secret_versions(one.uri)),
    "get upload": lambda client, one: client.get_upload(one.request_id),
    **{f"get upload of {purpose}": lambda client, one: client.get_upload(one.request_id) for purpose in EVERY},
    "get upload proof": lambda client, one: client.log.upload_proof(one.request_id, timeout=0.3),
    "list events": lambda client, one: _all(client.log.events(request_id=one.request_id)),
    "last events": lambda client, one: client.log.last_events(MOST, request_id=one.request_id),
    "watch events": _watched,
    "list stores": lambda client, _: _all(client.stores.list()),
    "who am I": _whoami,
    "list tokens": lambda client, _: _all(client.access.tokens()),
}
"""By name. Each is asked about a secret that alice put, or about an earlier request of hers for that purpose."""

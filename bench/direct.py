"""A KV version 2 engine, asked with aiohttp over warm connections: what anybody could do without Monoskope."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bench.counts import IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Place:
    """Where to write what, and as whom."""

    ca_file: str
    token: str
    mount: str
    """`https://host:port/v1/MOUNT`"""
    prefix: str
    values: Mapping[str, str]


class Direct:
    """Connections to `place`."""

    def __init__(self, session: aiohttp.ClientSession, place: Place) -> None:
        self._session = session
        self._place = place

    async def look(self, path: str) -> None:
        """Ask which version is at `path`."""
        async with self._session.get(f"{self._place.mount}/metadata/{self._place.prefix}/{path}") as answer:
            await answer.read()

    async def write(self, path: str, *, version: int = 0) -> None:
        """Write the values at `path`, in the place of `version`, 0 for none."""
        body = json.dumps({"data": self._place.values, "options": {"cas": version}})
        async with self._session.post(f"{self._place.mount}/data/{self._place.prefix}/{path}", data=body) as answer:
            answer.raise_for_status()
            await answer.read()


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Direct]:
    """Connect to `place`, as often as there are writes in flight."""
    tls = ssl.create_default_context(cafile=place.ca_file)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=tls)
    async with aiohttp.ClientSession(connector=connector, headers={"X-Vault-Token": place.token}) as session:
        yield Direct(session, place)

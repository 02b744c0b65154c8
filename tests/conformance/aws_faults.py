"""A server that speaks as AWS does when something is wrong, which moto cannot play; after the published protocol."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.conformance.open_stores import OpenStores

SECRET_TEXT = "text of AWS that repeats what was sent to it"
BREAK = object()
"""Close the connection without an answer."""
HANG = object()
"""Never answer."""

Said = tuple[int, dict[str, Any]] | object


def error(status: int, code: str) -> Said:
    """An error as AWS words it."""
    return status, {"__type": f"com.amazonaws.example#{code}", "message": SECRET_TEXT, "Message": SECRET_TEXT}


@dataclass
class FaultyAws:
    """Answers each operation with what `says` holds for it, else as if nothing were there."""

    says: dict[str, Said | Callable[[dict[str, Any]], Said]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """The access keys that requests were signed with."""
    asked: list[str] = field(default_factory=list)
    """The operations, in order."""
    elsewhere: str = ""
    """Where redirects point to."""
    tls: ssl.SSLContext | None = None
    stores: OpenStores = field(default_factory=OpenStores)
    port: int = 0
    """Where it listens, once it does."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._over = asyncio.Event()
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        body = json.loads(await request.read() or b"{}")
        self.asked.append(operation)
        self.keys.append(request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0])
        missing = "ParameterNotFound" if "Name" in body else "ResourceNotFoundException"
        said = self.says.get(operation, error(400, missing))
        if callable(said):
            said = said(body)
        if said is BREAK:
            assert request.transport is not None
            request.transport.abort()
        if said is HANG:
            await self._over.wait()
        if not isinstance(said, tuple):
            return web.Response(status=500)
        status, content = said
        headers = {"Location": self.elsewhere} if 300 <= status < 400 else {}
        return web.json_response(content, status=status, headers=headers, content_type="application/x-amz-json-1.1")

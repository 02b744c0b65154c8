"""A stand-in for Keystone, as far as its Identity API version 3 hands out tokens, and a gate before a real Barbican.

No Keystone runs in the tests. What the driver sends is compared with the API's documentation, and tokens come and go as
there; the gate does what Keystone's middleware does: it turns a live token into a project.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.openbao_files import CA, make_certificate


@asynccontextmanager
async def served(folder: Path, app: web.Application) -> AsyncIterator[tuple[str, str]]:
    """Serve `app` over TLS; gives its address and the file of its authority."""
    folder.mkdir()
    make_certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", str(folder / CA)
    finally:
        await runner.cleanup()


@dataclass
class Gate:
    """Keystone at `/identity/v3`, Barbican behind a login at `/key-manager`."""

    barbican: Barbican
    lease_s: float = 3600.0
    status: int = 201
    body: dict[str, Any] | None = None
    """What to answer a login with instead of a token's description."""
    logins: list[Any] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/identity/v3/auth/tokens", self._login)
        app.router.add_route("*", "/key-manager/v1/{tail:.*}", self._pass)
        return app

    async def _login(self, request: web.Request) -> web.Response:
        self.logins.append(await request.json())
        if self.status != 201:
            return web.json_response({"error": {"message": "keystone text"}}, status=self.status)
        token = f"gAAAA{secrets.token_urlsafe(40)}"
        self.tokens.add(token)
        issued = dt.datetime.now(dt.UTC)
        described = {
            "issued_at": issued.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "expires_at": (issued + dt.timedelta(seconds=self.lease_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        body = {"token": described} if self.body is None else self.body
        return web.json_response(body, status=201, headers={"X-Subject-Token": token})

    async def _pass(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Auth-Token") not in self.tokens:
            return web.Response(status=401)
        url = f"{self.barbican.address}/v1/{request.match_info['tail']}?{request.query_string}"
        headers = {"X-Project-Id": self.barbican.project, "Accept": request.headers["Accept"]}
        if request.can_read_body:
            headers["Content-Type"] = "application/json"
        sent = urllib.request.Request(url, await request.read() or None, headers, method=request.method)
        status, body = await asyncio.to_thread(self._forward, sent)
        return web.Response(status=status, body=body)

    def _forward(self, request: urllib.request.Request) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=self.barbican.ca_file)
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, b""

"""What drivers for engines with an HTTP API share: connections, whom they trust, bodies that cannot be too large."""

from __future__ import annotations

import json
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp

from monoskope.stores.driver import StoreRefusedError

_MAX_ANSWER = 8 * 1024 * 1024
_CONNECTIONS = 32
_KEEPALIVE_S = 15.0


def connections(
    tls: ssl.SSLContext, *, timeout_s: float, connect_timeout_s: float, keepalive_s: float = _KEEPALIVE_S
) -> aiohttp.ClientSession:
    """Return a pool of connections, to be made inside a running event loop and closed.

    A request's `trace_request_ctx` needs an attribute `connected`. It is set before any byte of the request is sent, so
    a request that fails with this unset has not reached anybody.

    Args:
        tls: Whom to trust.
        timeout_s: How long one request may take in all.
        connect_timeout_s: How long connecting may take.
        keepalive_s: How long an idle connection is kept.
    """
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_mark_connected)
    trace.on_connection_reuseconn.append(_mark_connected)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=tls, keepalive_timeout=keepalive_s),
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        trust_env=False,
    )


async def _mark_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = True


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return TLS 1.2 or newer that trusts the certificates in `ca_file`, None for those of the operating system.

    Raises:
        StoreRefusedError: the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise StoreRefusedError(
            f"the certificates in {ca_file} cannot be read.", fix="Name a readable PEM file as ca_file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body, or raise `aiohttp.ClientPayloadError` if it is larger than any honest one (8 MiB)."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > _MAX_ANSWER:
            raise aiohttp.ClientPayloadError
        parts.append(part)
    return b"".join(parts)


def json_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that `raw` is, `{}` if it is none."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}

"""Requests to a Kubernetes API server, and what their failures mean. No redirect, no proxy, TLS always verified.

What a server says in words never leaves this file: errors carry sentences of ours.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from monoskope.protocol.unshared import Unshared
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.kubernetes.auth import Access
from monoskope.stores.kubernetes.config import KubernetesConfig
from monoskope.stores.shared.http import body_of, connections, json_object

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""The representation of an object that leaves its content out."""

_TOLD = frozenset({404, 409})
"""What the driver itself makes sense of."""
_REFUSED = {
    401: ("the cluster does not accept the credentials.", "Give the reactor others."),
    403: ("the cluster's roles do not allow this.", "Grant the role in docs/stores/kubernetes.md."),
    413: ("the secret is larger than the cluster takes.", "Store a smaller secret."),
    422: ("the cluster takes no such Secret.", "Check that its type and its keys fit, and that it is not immutable."),
}


@dataclass(frozen=True, slots=True)
class Answer(Unshared):
    """A whole answer that is neither a redirect nor a failure of the server."""

    status: int
    body: dict[str, Any] = field(repr=False)
    """The JSON object that came, `{}` if none did. May hold a secret: not shown."""

    @property
    def ok(self) -> bool:
        """Whether the request did what it asked for."""
        return 200 <= self.status < 300


class KubernetesHttp:
    """One cluster with a pool of connections. Made inside a running event loop; `close` it."""

    def __init__(self, config: KubernetesConfig, access: Access) -> None:
        self._access = access
        self._session = connections(access.tls, timeout_s=config.timeout_s, connect_timeout_s=config.connect_timeout_s)

    async def send(
        self, method: str, path: str, *, accept: str = METADATA, body: object | None = None, writes: bool = False
    ) -> Answer:
        """Send one request and return its answer; 404 and 409 are answers.

        Args:
            method: GET, POST, PUT or DELETE. The connection pool may repeat the last two.
            path: What follows the server's address, of characters that need no escape.
            accept: The representation that is wanted.
            body: Sent as JSON.
            writes: Whether the request would change a Secret.

        Raises:
            StoreRefusedError: the cluster will not do this; nothing was changed.
            StoreUnavailableError: no answer, or one that says to wait; with `writes`, nothing was changed.
            UnknownOutcomeError: with `writes`, it may have reached the cluster and no clear answer came back.
        """
        progress = SimpleNamespace(connected=False)
        headers, token = {"Accept": accept}, self._access.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = io.BytesIO(json.dumps(body).encode("ascii"))
        failure: DriverError
        try:
            async with self._session.request(
                method,
                URL(self._access.server + path, encoded=True),
                headers=headers,
                data=data,
                allow_redirects=False,
                trace_request_ctx=progress,
            ) as response:
                return _judged(response.status, json_object(await body_of(response)), writes=writes)
        except aiohttp.ClientSSLError:
            failure = _untrusted()
        except (aiohttp.ClientError, TimeoutError, OSError):
            failure = _broken() if writes and progress.connected else _silent()
        # Raised out here so that no error of the library, which knows the request, hangs on it.
        raise failure

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._session.close()


def _judged(status: int, body: dict[str, Any], *, writes: bool) -> Answer:
    """Return the answer unless it means failure; see `KubernetesHttp.send`."""
    if 200 <= status < 300 or status in _TOLD:
        return Answer(status, body)
    if 300 <= status < 400:
        raise StoreRefusedError(
            "the cluster answered with a redirect, which is never followed.", fix="Name the API server itself."
        )
    if status == 429:
        raise StoreUnavailableError("the cluster asks to wait.", fix="Try again later.")
    if status >= 500:
        raise _broken() if writes else StoreUnavailableError("the cluster failed.", fix="Look into the server's log.")
    sentence, fix = _REFUSED.get(
        status, ("the cluster refused the request.", "Look into its audit log for the reason.")
    )
    raise StoreRefusedError(sentence, fix=fix)


def _untrusted() -> StoreRefusedError:
    return StoreRefusedError(
        "the cluster's certificate is not trusted, or it does not speak TLS.",
        fix="Give the certificate of the authority that signed it, and an address that is in it.",
    )


def _broken() -> UnknownOutcomeError:
    return UnknownOutcomeError("the connection to the cluster broke after a write had been sent.", fix="Look it up.")


def _silent() -> StoreUnavailableError:
    return StoreUnavailableError("the cluster does not answer.", fix="Check that it runs and can be reached.")

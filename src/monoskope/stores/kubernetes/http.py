"""Requests to a Kubernetes API server, and what their failures mean."""

from __future__ import annotations

import json

from monoskope.errors import docs_page
from monoskope.stores.kubernetes.auth import Access
from monoskope.stores.kubernetes.config import KubernetesConfig
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer, Refusal, expect_ok

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""The representation of an object that leaves its content out."""

_DRIVERS_OWN = frozenset({404, 409})
"""Refusals of which the driver itself makes sense."""
_REFUSALS = {
    401: Refusal("the cluster does not accept the credentials.", "Give the reactor others."),
    403: Refusal("the cluster's roles do not allow this.", f"Grant the role in {docs_page('stores/kubernetes.md')}."),
    413: Refusal("the secret is larger than the cluster takes.", "Store a smaller secret."),
    422: Refusal(
        "the cluster takes no such Secret.", "Check that its type and its keys fit, and that it is not immutable."
    ),
}
_REFUSED = Refusal("the cluster refused the request.", "Look into its audit log for the reason.")


class KubernetesHttp(EngineHttp):
    """One cluster with a pool of connections. Made inside a running event loop; `close` it."""

    engine = "the cluster"
    wait = ("the cluster asks to wait.", "Try again later.")
    redirect_fix = "Name the API server itself."
    untrusted_fix = "Give the certificate of the authority that signed it, and an address that is in it."
    failed_fix = "Look into the server's log."

    def __init__(self, config: KubernetesConfig, access: Access) -> None:
        super().__init__(access.tls, config)
        self._access = access

    async def send(
        self, method: str, path: str, *, accept: str = METADATA, body: object | None = None, writes: bool = False
    ) -> HttpAnswer:
        """Send one request and return its answer; 404 and 409 are answers. Raises as `EngineHttp.exchange`.

        Args:
            method: GET, POST, PUT or DELETE.
            path: What follows the server's address, of characters that need no escape.
            accept: The representation that is wanted.
            body: Sent as JSON.
            writes: Whether the request would change a Secret.

        Raises:
            StoreRefusedError: the cluster will not do this; nothing was changed.
        """
        headers, token = {"Accept": accept}, self._access.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = JSON
            content = json.dumps(body).encode("ascii")
        answer = await self.exchange(method, self._access.server + path, headers, content, writes=writes)
        if answer.status not in _DRIVERS_OWN:
            expect_ok(answer, _REFUSALS, otherwise=_REFUSED)
        return answer

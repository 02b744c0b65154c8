"""Which way leads to a server, by how the settings name it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Link


def dial(endpoint: Endpoint) -> AbstractAsyncContextManager[Link]:
    """Return the link to the endpoint's server, over TLS under the configured certificates alone.

    Only what carries it is imported: gRPC alone takes a fifth of a reactor's memory.
    """
    if endpoint.name.scheme:
        from monoskope.reactor.link.websocket_link import websocket_link  # noqa: PLC0415 - as above

        return websocket_link(endpoint)
    from monoskope.reactor.link.grpc_link import grpc_link  # noqa: PLC0415 - as above

    return grpc_link(endpoint)

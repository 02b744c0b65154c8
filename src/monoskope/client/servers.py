"""The servers of a list: calls go to one of them until it fails, then to the next, and after the last to the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from monoskope.api.gateway.v1 import queries_pb2

KEEPALIVE: tuple[tuple[str, Any], ...] = (
    # A server that stands still accepts connections and answers nothing. Without these, a call would wait for it until
    # its own time is over.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)
"""Options of a channel where there is another server to go to."""

_QUERIES = queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"].full_name
_BY_REQUEST_ID = frozenset({"RequestSecretUploadKey", "RequestUploadSecret"})
"""Commands whose request id makes a second one the same as the first (docs/protocol.md, The walk)."""

_Method = Callable[..., Any]


class Servers:
    """Channels to several servers of one log, in the place of one channel. Each is made at its first call.

    Args:
        names: Each `host:port`, at least one; the first is tried first.
        credentials: The same for all.
        options: gRPC's, for each channel.
    """

    def __init__(
        self, names: Sequence[str], credentials: grpc.ChannelCredentials, options: Sequence[tuple[str, Any]]
    ) -> None:
        self.names = tuple(names)
        self._credentials = credentials
        self._options = [*options, *(KEEPALIVE if len(names) > 1 else ())]
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._at = 0

    @property
    def current(self) -> str:
        """The server to which the next call goes."""
        return self.names[self._at]

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel to the current server."""
        found = self._channels.get(self.current)
        if found is None:
            found = grpc.aio.secure_channel(self.current, self._credentials, options=self._options)
            self._channels[self.current] = found
        return found

    def failed(self, server: str) -> None:
        """Go to the next server, unless another call has done so already."""
        if server == self.current:
            self._at = (self._at + 1) % len(self.names)

    def unary_unary(self, path: str, **options: Any) -> AnyServer:  # noqa: ANN401 - gRPC's own
        """Return the method as a stub calls it, at the server that is current when it is called."""
        return AnyServer(self, path, lambda channel: channel.unary_unary(path, **options))

    def unary_stream(self, path: str, **options: Any) -> AnyServer:  # noqa: ANN401 - gRPC's own
        """The same for a method that streams."""
        return AnyServer(self, path, lambda channel: channel.unary_stream(path, **options))

    async def close(self) -> None:
        """Close every channel; calls under way are cancelled."""
        for channel in self._channels.values():
            await channel.close(None)
        self._channels.clear()


class AnyServer:
    """One method at whichever server is current."""

    def __init__(self, servers: Servers, path: str, make: Callable[[grpc.aio.Channel], _Method]) -> None:
        _, service, self.name = path.split("/")
        self.may_be_repeated = service == _QUERIES or self.name in _BY_REQUEST_ID
        """Whether it does no harm to call it again, at another server, after a call whose fate is unknown."""
        self._servers = servers
        self._make = make
        self._methods: dict[str, _Method] = {}

    def __call__(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - what gRPC's own method takes and returns
        """Call it."""
        method = self._methods.get(self._servers.current)
        if method is None:
            method = self._methods[self._servers.current] = self._make(self._servers.channel)
        return method(request, **options)

"""A link over gRPC: one bidirectional stream, on a channel of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import reactor_pb2, reactor_pb2_grpc
from monoskope.protocol.login import LoginRefusal, read_login_refusal
from monoskope.reactor.link.endpoint import Endpoint, roots
from monoskope.reactor.link.link import MAX_MESSAGE, PING_S, PONG_S, Link, Origin, StatusError, ended, garbled

_DETAILS_KEY = "grpc-status-details-bin"
_OPTIONS = (
    ("grpc.keepalive_time_ms", int(PING_S * 1000)),
    ("grpc.keepalive_timeout_ms", int(PONG_S * 1000)),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
)

Call = grpc.aio.StreamStreamCall[reactor_pb2.AttachRequest, reactor_pb2.AttachResponse]


@contextlib.asynccontextmanager
async def grpc_link(endpoint: Endpoint) -> AsyncIterator[Link]:
    """Make a link to the endpoint's server; it connects at the first `read`. Raises `UsageError` for its `ca_file`."""
    credentials = grpc.ssl_channel_credentials(roots(endpoint.ca_file))
    async with grpc.aio.secure_channel(endpoint.name.address, credentials, options=_OPTIONS) as channel:
        call: Call = reactor_pb2_grpc.ReactorServiceStub(channel).Attach()
        try:
            yield GrpcLink(call)
        finally:
            call.cancel()


class GrpcLink:
    """A link on a call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def read(self) -> reactor_pb2.AttachResponse:
        """As `Link.read`."""
        with _told():
            answer = await self._call.read()
        if isinstance(answer, reactor_pb2.AttachResponse):
            return answer
        if answer is not grpc.aio.EOF:
            # grpc.aio reports it in its own log, and gives nothing.
            raise garbled()
        code = await self._call.code()
        if code is not grpc.StatusCode.OK:
            raise _status(code, await self._call.trailing_metadata())
        raise ended()

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        """As `Link.write`."""
        with _told():
            await self._call.write(message)

    async def end(self) -> None:
        """As `Link.end`."""
        with _told():
            await self._call.done_writing()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Translate the exceptions by which grpc.aio reports that the stream has ended."""
    try:
        yield
    except asyncio.InvalidStateError:
        raise ended() from None
    except grpc.aio.AioRpcError as error:
        raise _status(error.code(), error.trailing_metadata()) from None


def _status(code: grpc.StatusCode, metadata: Iterable[tuple[str, str | bytes]] | None) -> StatusError:
    """Return the error for the status of a call. m8 sends details with it; who was not reached does not."""
    is_m8s = any(key == _DETAILS_KEY for key, _ in metadata or ())
    return StatusError(code.name, refusal_in(metadata), origin=Origin.M8 if is_m8s else Origin.NOTHING)


def refusal_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> LoginRefusal | None:
    """Return why m8 refuses a login, from the metadata with which it ended the call; None if it does not say it."""
    details = next((value for key, value in metadata or () if key == _DETAILS_KEY), None)
    if not isinstance(details, bytes):
        return None
    try:
        for detail in status_pb2.Status.FromString(details).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                return read_login_refusal(info.metadata)
    except DecodeError:
        return None
    return None

"""What clients call at the HTTP door of a hostile m8, as Connect carries it. The rules are those of its gRPC door."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2  # type: ignore[import-untyped]

from monoskope.http.messages import Accepted, Body, Head, Response, Streamed
from monoskope.m8.http.refused import HTTP_STATUS, JSON, encoded
from monoskope.m8.http.requests import end_of_stream, enveloped, only_message
from monoskope.m8.methods.table import MAX_MESSAGE
from tests.support.hostile_calls import CallRules
from tests.support.passing import METHODS, Call, Metadata

Taken = Callable[[str, bytes, Any], Call]
"""Notes a call: its path, its content and its context."""


def as_connect(code: grpc.StatusCode, details: str, metadata: Metadata = ()) -> dict[str, object]:
    """Return a status of gRPC as Connect has it in JSON."""
    status = status_pb2.Status.FromString(dict(metadata).get("grpc-status-details-bin", b""))
    found = [
        {"type": one.TypeName(), "value": base64.b64encode(one.value).decode().rstrip("=")} for one in status.details
    ]
    name = "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()
    return {"code": name, "message": details, "details": found}


class _AbortedError(Exception):
    """A call is refused."""

    def __init__(self, error: dict[str, object]) -> None:
        super().__init__(str(error["code"]))
        self.error = error


class _Context:
    """What the rules need of gRPC's context."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def invocation_metadata(self) -> Metadata:
        return (("authorization", self._head.header("authorization")),)

    def time_remaining(self) -> float | None:
        told = self._head.header("connect-timeout-ms")
        return int(told) / 1000 if told else None

    async def abort(self, code: grpc.StatusCode, details: str, metadata: Metadata = ()) -> NoReturn:
        raise _AbortedError(as_connect(code, details, metadata))

    async def abort_with_status(self, status: Any) -> NoReturn:
        await self.abort(status.code, status.details, tuple(status.trailing_metadata or ()))


@dataclass(slots=True)
class _OneCall:
    """One call (`http.messages.Accepted`)."""

    calls: Calls
    head: Head
    most_body: int = 8 * MAX_MESSAGE

    async def answer(self, body: Body) -> Response | Streamed:
        path, context = self.head.path, _Context(self.head)
        content = await body()
        if METHODS[path].streams:
            call = self.calls.taken(path, only_message(content), context)
            return Streamed(200, (("Content-Type", "application/connect+proto"),), self._streamed(call))
        try:
            answer = await self.calls.rules.answered(self.calls.taken(path, content, context), context)
        except _AbortedError as error:
            return Response(HTTP_STATUS[str(error.error["code"])], (JSON,), encoded(error.error))
        return Response(200, (("Content-Type", "application/proto"),), answer)

    async def _streamed(self, call: Call) -> AsyncIterator[bytes]:
        async for answer in self.calls.rules.streamed(call):
            yield enveloped(answer)
        yield end_of_stream(None)


@dataclass(frozen=True, slots=True)
class Calls:
    """What clients call.

    Attributes:
        rules: What is done with a call.
        taken: Notes it first.
    """

    rules: CallRules
    taken: Taken

    def accepted(self, head: Head) -> Accepted | Response:
        """Return what becomes of a request."""
        return _OneCall(self, head) if head.path in METHODS else Response(404)

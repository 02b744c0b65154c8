"""Using a stream that m8 has ended: a new session begins, the reactor goes on."""

from __future__ import annotations

import asyncio
from typing import cast

import grpc
import grpc.aio
import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.reactor.attachment import Call, SessionEndedError, read, write


class EndedCall:
    """A stream whose end the reader has not seen yet."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    async def write(self, message: object) -> None:
        del message
        raise asyncio.InvalidStateError("RPC already finished.")

    async def read(self) -> object:
        return grpc.aio.EOF

    async def code(self) -> grpc.StatusCode:
        return self._code

    async def details(self) -> str:
        return "foreign text"


async def test_writing_to_an_ended_stream_ends_the_session_and_nothing_more() -> None:
    call = cast("Call", EndedCall(grpc.StatusCode.OK))
    with pytest.raises(SessionEndedError):
        await write(call, reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()))


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE])
async def test_reading_from_it_says_why_without_foreign_words(code: grpc.StatusCode) -> None:
    with pytest.raises(SessionEndedError) as ended:
        await read(cast("Call", EndedCall(code)))
    assert "foreign" not in f"{ended.value.message}{ended.value.fix}"
    assert (code.name in ended.value.message) == (code is not grpc.StatusCode.OK)

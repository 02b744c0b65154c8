"""Calls that take their time at m8's HTTP door: what it says of a deadline that passed, and streams."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.m8.log.sqlite import SqliteLog
from tests.support.http_calls import Asked, Call, CallError, Stream, ask, bearer
from tests.support.log_lines import calls, strangers
from tests.support.m8_world import PATIENCE_S, World

GET_SECRET = "/monoskope.api.gateway.v1.SecretQueryService/GetSecret"
GET_KEY = "/monoskope.api.gateway.v1.SecretQueryService/GetSecretUploadKey"
WATCH = "/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"
JSON = ("Content-Type", "application/json")


async def test_a_call_that_outlives_its_deadline_is_cancelled_and_claims_nothing(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for may have been done: so there is none of our codes, from which a client would conclude."""

    reached = asyncio.Event()

    async def slow(*_: object) -> None:
        reached.set()
        await asyncio.get_running_loop().create_future()

    token = bearer(world.user("anna", "vault://app"))
    monkeypatch.setattr(SqliteLog, "get", slow)
    body, times = b'{"uri":"vault://app/db"}', 0
    async with asyncio.timeout(PATIENCE_S):
        while not reached.is_set():  # on a busy machine the time may be over before the log is asked
            for timeout in ("0", "50"):
                given = ("Connect-Timeout-Ms", timeout)
                late = await ask(world.address, "POST", GET_SECRET, JSON, token, given, body=body)
                assert (late.status, late.json["code"], "details" in late.json) == (504, "deadline_exceeded", False)
                times += 1
    # Where the time is over before the token is looked at, nothing is known of the caller.
    codes = [line["code"] for line in calls(lines)] + ["TIMED_OUT"] * strangers(world.app, lines)["GetSecret TIMED_OUT"]
    assert codes == ["TIMED_OUT"] * times


def watching(world: World, codec: str, *headers: tuple[str, str]) -> Stream:
    return Call(world.address, queries_pb2.WatchEventsRequest(), headers, codec=codec).stream()


@pytest.mark.parametrize("codec", ["json", "proto"])
async def test_a_stream_says_how_it_ends_also_when_m8_stops(world: World, codec: str) -> None:
    administrator = bearer(world.administrator())
    call = watching(world, codec, administrator)
    for kind in ("SecretStoreCreated", "DefaultSecretStoreSet", "SecretStoreActivated"):
        assert (await call.read()).event.type == kind
    world.app.feed.stop()
    with pytest.raises(CallError) as ended:
        await call.read()
    assert ended.value.code == "unavailable"
    refusal = watching(world, codec)
    with pytest.raises(CallError) as ended:
        await refusal.read()
    assert ended.value.code == "unauthenticated"


async def test_a_stream_takes_exactly_one_message(world: World) -> None:
    token = bearer(world.administrator())
    kind = ("Content-Type", "application/connect+json")
    for body, words in (
        (b"", "exactly one message"),
        (b"{}", "exactly one message"),
        (b"\0\0\0\0\x02{}\0\0\0\0\x02{}", "exactly one message"),
        (b"\0\xff\xff\xff\xff{}", "exactly one message"),
        (b"\x02\0\0\0\x02{}", "exactly one message"),
        (b"\x01\0\0\0\x02{}", "compress"),
        (b'\0\0\0\0\x07{"x":1}', "x: WatchEventsRequest has no such field"),
    ):
        name, value = token
        head = f"POST {WATCH} HTTP/1.1\r\nHost: x\r\n{kind[0]}: {kind[1]}\r\n{name}: {value}\r\n"
        asked = await Asked.send(world.address, f"{head}Content-Length: {len(body)}\r\n", body)
        assert (await asked.head()).status == 200
        said = b"".join([piece async for piece in asked.chunks()])
        asked.close()
        assert said[:1] == b"\x02", "it is the last message"
        error = json.loads(said[5:])["error"]
        assert (error["code"], words in error["message"]) == ("invalid_argument", True), body

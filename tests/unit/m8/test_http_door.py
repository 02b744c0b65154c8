"""What HTTP adds to a call: paths, methods, headers, codecs, sizes, errors, deadlines and streams."""

from __future__ import annotations

import asyncio
import io
import json
from base64 import b64decode

import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.errors import Code, Error, RateLimitedError, UnavailableError
from monoskope.http.messages import Response
from monoskope.http.server.answers import serialised
from monoskope.m8.http import refused
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.methods.table import Kind, methods
from monoskope.m8.service.policy import Needs
from tests.support.http_calls import Asked, Call, CallError, Stream, ask, bearer
from tests.support.log_lines import calls, strangers
from tests.support.m8_world import PATIENCE_S, World

GET_SERVER = "/monoskope.api.gateway.v1.SecretQueryService/GetServer"
GET_SECRET = "/monoskope.api.gateway.v1.SecretQueryService/GetSecret"
UPLOAD = "/monoskope.api.gateway.v1.SecretCommandService/RequestUploadSecret"
WATCH = "/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"
ATTACH = "/monoskope.api.gateway.v1.ReactorService/Attach"
JSON = ("Content-Type", "application/json")


async def test_every_method_of_the_table_says_the_same_in_json_and_in_protobuf(world: World) -> None:
    """Of a message without fields, with a token and without."""
    anna, administrator = world.user("anna", "vault://app").headers, world.administrator().headers
    asked = [method for method in methods(world.app).values() if method.kind is not Kind.ATTACHING]
    assert len(asked) == 33
    for method in asked:
        streams = method.kind is Kind.STREAMING
        # Anna would wait for her first event.
        for headers in (administrator, ()) if streams else (administrator, anna, ()):
            calls = [Call(world.address, method.request(), headers, PATIENCE_S, codec) for codec in ("json", "proto")]
            said = [await the_answer(call, streams=streams) for call in calls]
            assert said[0] == said[1], method.path
            if method.needs is not Needs.NOTHING:
                assert headers or said[0] == ("unauthenticated", "the call carries no token.")


async def the_answer(call: Call, *, streams: bool) -> object:
    try:
        if not streams:
            return await call.answer()
        stream = call.stream()
        try:
            return await stream.read()
        finally:
            stream.cancel()
    except CallError as error:
        return error.code, error.message


async def test_requests_that_are_no_calls_are_answered_by_http(world: World) -> None:
    token = bearer(world.user("anna", "vault://app"))
    cases: list[tuple[str, str, tuple[tuple[str, str], ...], int, str]] = [
        ("GET", "/", (), 404, "unimplemented"),
        ("POST", "/x", (JSON,), 404, "unimplemented"),
        ("POST", GET_SERVER + "/", (JSON,), 501, "unimplemented"),
        ("POST", "/monoskope.api.gateway.v1.SecretQueryService/Nothing", (JSON, token), 501, "unimplemented"),
        ("POST", "/grpc.health.v1.Health/Check", (JSON,), 404, "unimplemented"),
        ("GET", GET_SERVER, (token,), 405, "unimplemented"),
        ("PUT", GET_SERVER, (JSON, token), 405, "unimplemented"),
        ("OPTIONS", GET_SERVER, (), 405, "unimplemented"),
        ("POST", "/healthz", (JSON,), 405, "unimplemented"),
        ("POST", ATTACH, (JSON, token), 405, "unimplemented"),
        ("POST", GET_SERVER, (token,), 415, "unimplemented"),
        ("POST", GET_SERVER, (("Content-Type", "application/grpc"), token), 415, "unimplemented"),
        ("POST", GET_SERVER, (("Content-Type", "application/json\xa0"), token), 415, "unimplemented"),
        ("POST", GET_SERVER, (("Content-Type", "application/connect+json"), token), 415, "unimplemented"),
        ("POST", GET_SERVER, (("Content-Type", "application/json; charset=latin-1"), token), 415, "unimplemented"),
        ("POST", GET_SERVER, (JSON, JSON, token), 415, "unimplemented"),
        ("POST", WATCH, (JSON, token), 415, "unimplemented"),
        ("POST", GET_SERVER, (JSON, token, ("Content-Encoding", "gzip")), 501, "unimplemented"),
        ("POST", GET_SERVER, (JSON, token, ("Connect-Protocol-Version", "2")), 400, "invalid_argument"),
        ("POST", GET_SERVER, (JSON, token, ("Connect-Timeout-Ms", "-1")), 400, "invalid_argument"),
        ("POST", GET_SERVER, (JSON, token, ("Connect-Timeout-Ms", "12345678901")), 400, "invalid_argument"),
        ("POST", GET_SERVER, (JSON, token, *[("Connect-Timeout-Ms", "9")] * 2), 400, "invalid_argument"),
        ("POST", GET_SERVER, (JSON,), 401, "unauthenticated"),
        ("POST", GET_SERVER, (JSON, token, token), 401, "unauthenticated"),
        ("POST", GET_SERVER, (JSON, ("Authorization", "Basic YTpi")), 401, "unauthenticated"),
        (
            "POST",
            GET_SERVER,
            (JSON, ("Cookie", "=".join(token)), ("X-Authorization", token[1])),
            401,
            "unauthenticated",
        ),
        ("POST", GET_SERVER + "?" + token[1].replace(" ", "="), (JSON,), 401, "unauthenticated"),
        ("POST", GET_SERVER, (JSON, token), 400, "invalid_argument"),
    ]
    for method, path, headers, status, code in cases:
        answered = await ask(world.address, method, path, *headers)
        assert (answered.status, answered.json["code"]) == (status, code), (method, path, headers)
        assert "set-cookie" not in answered.headers
        assert token[1].removeprefix("Bearer ") not in answered.body.decode()
    allowed = (await ask(world.address, "GET", GET_SERVER)).headers["allow"]
    assert (allowed, (await ask(world.address, "PUT", "/healthz")).headers["allow"]) == ("POST", "GET")
    assert (
        (await ask(world.address, "POST", WATCH, token)).headers["accept-post"].startswith("application/connect+json")
    )
    assert (await ask(world.address, "POST", GET_SERVER, JSON)).headers["www-authenticate"] == "Bearer"


async def test_a_call_is_answered_in_the_codec_of_its_request(world: World) -> None:
    token = bearer(world.user("anna", "vault://app"))
    answered = await ask(
        world.address, "POST", GET_SERVER, ("content-type", 'Application/JSON; charset="UTF-8"'), token, body=b"{}"
    )
    assert (answered.status, answered.json["subject"]) == (200, "anna")
    assert answered.headers["content-type"] == "application/json"
    assert "access-control-allow-origin" not in answered.headers
    proto = ("Content-Type", "application/proto")
    answered = await ask(world.address, "POST", GET_SERVER, proto, token, ("Connect-Protocol-Version", "1"))
    assert queries_pb2.GetServerResponse.FromString(answered.body).subject == "anna"
    assert answered.headers["content-type"] == "application/proto"
    broken = await ask(world.address, "POST", GET_SERVER, proto, token, body=b"\xff")
    assert (broken.status, broken.json["code"]) == (400, "invalid_argument")
    assert "GetServerRequest" in broken.json["message"]


async def test_an_error_says_our_code_sentence_and_fix_in_the_open(world: World) -> None:
    anna = world.user("anna", "vault://app")
    answered = await ask(world.address, "POST", GET_SECRET, JSON, bearer(anna), body=b'{"uri":"vault://app/db"}')
    assert (answered.status, answered.json["code"]) == (404, "not_found")
    (detail,) = answered.json["details"]
    assert detail["type"] == "google.rpc.ErrorInfo"
    assert (detail["debug"]["reason"], detail["debug"]["domain"]) == ("NOT_FOUND", "monoskope")
    assert not detail["value"].endswith("=")
    info = error_details_pb2.ErrorInfo.FromString(b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4)))
    assert json_format.MessageToDict(info) == detail["debug"]
    named = await ask(world.address, "POST", GET_SECRET, JSON, bearer(anna), body=b'{"url":"hunter2"}')
    assert (named.status, named.json["message"]) == (400, "GetSecretRequest: url: GetSecretRequest has no such field.")
    ruled = await ask(world.address, "POST", GET_SECRET, JSON, bearer(anna), body=b'{"uri":""}')
    assert (ruled.status, "uri" in ruled.json["message"]) == (400, True)


def test_every_code_has_its_status_and_who_is_limited_hears_when_to_come_back() -> None:
    for code in Code:
        answer = refused.response(Error("it broke.", fix="mend it.", code=code))
        assert serialised(answer, is_last=False).startswith(b"HTTP/1.1 %d " % answer.status)
        said = json.loads(answer.body)
        assert said["details"][0]["debug"]["reason"] == code.value
        assert CallError.read(said).message == "it broke."
    answer = refused.response(RateLimitedError("too much.", retry_after_s=1.2))
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (429, "2")
    (_, retry) = json.loads(answer.body)["details"]
    assert retry["debug"] == {"retryDelay": "1.200s"}
    for status in refused.HTTP_STATUS.values():
        assert serialised(Response(status), is_last=True)


async def test_a_stranger_cannot_make_m8_read_a_large_body(world: World, lines: io.StringIO) -> None:
    """Its body never comes, and it is answered all the same; so is whoever announces more than a method takes."""
    anna = bearer(world.user("anna", "vault://app"))
    for path, length, headers, status in (
        (UPLOAD, 1_000_000, (JSON,), 401),
        (UPLOAD, 1_000_000, (JSON, ("Authorization", "Bearer nobody")), 401),
        (GET_SECRET, 4_000, (JSON,), 401),
        (GET_SECRET, 20_000, (JSON, anna), 413),
        (UPLOAD, 2_000_000, (JSON, anna), 413),
        (UPLOAD, 1_500_000, (("Content-Type", "application/proto"), anna), 413),
        (WATCH, 1_000_000, (("Content-Type", "application/connect+json"),), 413),
    ):
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        asked = await Asked.send(
            world.address, f"POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {length}\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            answered = await asked.whole()
        asked.close()
        assert (answered.status, answered.headers["connection"]) == (status, "close"), path
        assert answered.json["message"]
    assert calls(lines) == []
    ended = strangers(world.app, lines)
    assert ended == {"RequestUploadSecret UNAUTHENTICATED": 2, "GetSecret UNAUTHENTICATED": 1}


async def test_the_largest_secret_fits_in_json(world: World) -> None:
    user = world.user("anna", "vault://app")
    sent = commands_pb2.RequestUploadSecretRequest(
        request_id=bytes(16), encapsulated_key=bytes(1_120), ciphertext=bytes(1_048_592)
    )
    body = json_format.MessageToJson(sent).encode()
    answered = await ask(world.address, "POST", UPLOAD, JSON, bearer(user), body=body)
    assert (answered.status, answered.json["code"]) == (404, "not_found")


async def test_no_line_of_the_operating_log_holds_a_token_whatever_is_wrong_with_a_request(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> bytes:
        raise LookupError(token)

    user = world.user("anna", "vault://app")
    token = bearer(user)[1].removeprefix("Bearer ")
    monkeypatch.setattr(SqliteLog, "get", broken)
    defect = await ask(world.address, "POST", GET_SECRET, JSON, bearer(user), body=b'{"uri":"vault://app/db"}')
    assert (defect.status, defect.json["code"]) == (500, "internal")
    await ask(world.address, "POST", GET_SECRET, JSON, ("Authorization", f"Bearer  {token}"), body=b"{}")
    await ask(world.address, "POST", GET_SECRET, JSON, bearer(user), ("X-Request-Id", f"Bearer {token}"), body=b"[")
    await ask(world.address, "POST", GET_SECRET, JSON, bearer(user), body=json.dumps({token: token}).encode())
    assert [line["code"] for line in calls(lines)] == ["INTERNAL", "USAGE", "USAGE"]
    assert strangers(world.app, lines) == {"GetSecret UNAUTHENTICATED": 1}
    assert token not in lines.getvalue()


def test_a_stopped_m8_is_unavailable_in_connects_words() -> None:
    said = refused.to_json(UnavailableError("m8 stops.", fix="Try again."))
    assert (said["code"], said["message"]) == ("unavailable", "m8 stops.")


GET_KEY = "/monoskope.api.gateway.v1.SecretQueryService/GetSecretUploadKey"


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

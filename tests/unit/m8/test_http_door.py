"""What HTTP adds to a call, and which web pages and operators may ask what at m8's HTTP door."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code, Error, RateLimitedError, UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.messages import Response
from monoskope.http.server.exchange import serialised
from monoskope.http.server.server import Server
from monoskope.m8.calls import Arrival
from monoskope.m8.http import pages as operations
from monoskope.m8.http import refused
from monoskope.m8.http.server import build_http, require_free
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.methods import Kind, methods
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.policy import Needs
from tests.support.http_calls import Asked, Call, CallError, Stream, ask, bearer
from tests.support.log_lines import calls, strangers
from tests.support.m8_user import PATIENCE_S, User
from tests.support.m8_world import PAGE, World

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
    assert len(asked) == 39
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
        ("POST", GET_SERVER, (JSON, ("Cookie", "=".join(token))), 401, "unauthenticated"),
        ("POST", GET_SERVER, (JSON, ("X-Authorization", token[1])), 401, "unauthenticated"),
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
    accepted = (await ask(world.address, "POST", WATCH, token)).headers["accept-post"]
    assert accepted.startswith("application/connect+json")
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


async def test_an_error_says_our_code_sentence_and_fix_in_the_open(world: World, anna: User) -> None:
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


async def test_a_call_that_outlives_its_deadline_is_cancelled_and_claims_nothing(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for may have been done: so there is none of our codes, from which a client would conclude."""

    reached, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        reached.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

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
        await cancelled.wait()
    # Where the time is over before the token is looked at, nothing is known of the caller.
    codes = [line["code"] for line in calls(lines)] + ["TIMED_OUT"] * strangers(world.app, lines)["GetSecret TIMED_OUT"]
    assert codes == ["TIMED_OUT"] * times


def watching(world: World, codec: str, *headers: tuple[str, str]) -> Stream:
    return Call(world.address, queries_pb2.WatchEventsRequest(), headers, codec=codec).stream()


@pytest.mark.parametrize("codec", ["json", "proto"])
async def test_a_stream_says_how_it_ends_also_when_m8_stops(world: World, codec: str) -> None:
    call = watching(world, codec, bearer(world.administrator()))
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
        (b"\0\0\0\0", "exactly one message"),
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


async def test_only_pages_of_the_origins_that_are_named_may_call(world: World) -> None:
    token = bearer(world.user("anna", "vault://app"))
    allowed = ("Origin", PAGE)
    for origins in (
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Origin", "")],
        [("Origin", PAGE + "/")],
        [("Origin", PAGE.upper())],
        [("Origin", PAGE + ".evil.example")],
        [allowed, allowed],
        [allowed, ("Origin", "https://evil.example")],
    ):
        for method, path in (("POST", GET_SERVER), ("OPTIONS", GET_SERVER), ("GET", "/healthz"), ("GET", ATTACH)):
            answered = await ask(
                world.address, method, path, *origins, JSON, token, body=b"{}" if method == "POST" else b""
            )
            assert (answered.status, answered.headers["vary"]) == (403, "Origin"), origins
            assert "access-control-allow-origin" not in answered.headers
    answered = await ask(world.address, "POST", GET_SERVER, allowed, JSON, token, body=b"{}")
    assert (answered.status, answered.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "access-control-allow-credentials" not in answered.headers
    for failing in ((JSON,), (token,), (JSON, token)):
        answered = await ask(world.address, "POST", GET_SERVER, allowed, *failing)
        assert answered.headers["access-control-allow-origin"] == PAGE, "the page may read why"
        assert answered.headers["vary"] == "Origin"
    assert (await ask(world.address, "GET", ATTACH)).status == 426
    assert (await ask(world.address, "GET", ATTACH, allowed, ("Upgrade", "websocket"))).status == 403, (
        "pages attach nothing"
    )
    asked = ("Access-Control-Request-Method", "POST")
    answered = await ask(world.address, "OPTIONS", GET_SERVER, allowed, asked)
    assert (answered.status, answered.headers["access-control-allow-methods"]) == (204, "POST")
    assert answered.headers["access-control-max-age"] == "600"
    names = answered.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "connect-protocol-version", "connect-timeout-ms"} <= set(names)
    assert (await ask(world.address, "OPTIONS", "/nothing", allowed, asked)).status == 404
    assert (await ask(world.address, "POST", GET_SERVER, JSON, token, body=b"{}")).headers["vary"] == "Origin"


async def test_health_is_for_all_and_metrics_for_their_own_role(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, look = 0, Endpoints._looked_at

    async def counted(endpoints: Endpoints) -> tuple[str, str]:
        nonlocal looked
        looked += 1
        return await look(endpoints)

    monkeypatch.setattr(Endpoints, "_looked_at", counted)
    assert operations.FRESH_S >= 1
    monkeypatch.setattr(operations, "FRESH_S", 3_600.0)
    assert (await ask(world.address, "GET", "/healthz?x=1")).status == 200
    answers = await asyncio.gather(*(ask(world.address, "GET", "/readyz") for _ in range(40)))
    assert {answered.status for answered in answers} == {200}
    assert answers[0].json["checks"]["database"] == "ok"
    assert looked == 1, "whoever asks without end has the database looked at once in a while"
    asks = [world.user("anna", "vault://app"), world.administrator(), world.member("user:corp:bob")]
    asks.append(world.user("carla", rights=frozenset(), role=events_pb2.ROLE_AUDITOR))
    scraper = world.user("prometheus", rights=frozenset(), role=events_pb2.ROLE_METRICS)
    asks.append(both := world.administrator())
    roles = frozenset({events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_METRICS})
    world.principals[both.token] = replace(world.principals[both.token], roles=roles)
    for user, status in (*((one, 403) for one in asks), (scraper, 200)):
        answered = await ask(world.address, "GET", "/metrics", bearer(user))
        assert (answered.status, b"m8_build_info" in answered.body) == (status, status == 200)
    assert (await ask(world.address, "GET", "/metrics")).status == 401


async def test_a_defect_is_told_by_its_type(world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Endpoints) -> Any:
        raise LookupError("hunter2")

    monkeypatch.setattr(Endpoints, "_looked_at", broken)
    answered = await ask(world.address, "GET", "/readyz")
    assert answered.status == 500
    assert b"hunter2" not in answered.body
    assert "hunter2" not in lines.getvalue()
    assert "LookupError" in lines.getvalue()


async def test_a_host_with_several_addresses_has_one_port_and_serves_no_page_unless_told_to(world: World) -> None:
    door = await build_http(world.app, Endpoints(world.app), None, listen=HostPort("localhost", 0))
    await door.start()
    assert (await ask(f"localhost:{door.port}", "GET", "/healthz")).status == 200
    of_a_page = await ask(f"localhost:{door.port}", "GET", "/healthz", ("Origin", PAGE))
    assert of_a_page.status == 403, "without origins no page may call"
    with pytest.raises(UnavailableError, match="cannot listen on localhost"):
        await build_http(world.app, Endpoints(world.app), None, listen=HostPort("localhost", door.port))
    with pytest.raises(UnavailableError, match="cannot listen"):
        require_free(HostPort("localhost", door.port))
    assert (await ask(f"localhost:{door.port}", "GET", "/healthz")).status == 200, "the first one goes on"
    await door.stop(0)


async def test_an_address_of_another_machine_is_said_to_be_none_of_this_one(world: World) -> None:
    with pytest.raises(UnavailableError) as caught:
        await build_http(world.app, Endpoints(world.app), None, listen=HostPort("192.0.2.1", 7480))
    assert "no address of this machine" in caught.value.fix


async def test_a_server_that_is_bound_and_not_started_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may begin to listen between the two."""
    door = await build_http(world.app, Endpoints(world.app), None, listen=HostPort("127.0.0.1", 0))

    async def refuse(_: Server) -> None:
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(Server, "start", refuse)
    with pytest.raises(UnavailableError, match="cannot listen"):
        await door.start()
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await ask(f"127.0.0.1:{door.port}", "GET", "/healthz")


async def test_a_hang_up_before_a_page_fails_leaves_no_traceback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    fails, before = asyncio.Event(), asyncio.all_tasks()

    async def failing(_: Endpoints) -> Any:
        await fails.wait()
        raise ValueError

    monkeypatch.setattr(Endpoints, "readyz", failing)
    pages = operations.Operations(world.app, Endpoints(world.app))
    asking = asyncio.create_task(pages.answer("/readyz", Arrival("")))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert asyncio.all_tasks() - before
    fails.set()
    while asyncio.all_tasks() - before:
        await asyncio.sleep(0)
    del pages, asking
    gc.collect()
    assert told == []

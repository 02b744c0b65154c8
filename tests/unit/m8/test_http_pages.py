"""Who may ask m8's HTTP door what: web pages of other origins, and whoever operates m8."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
from typing import Any

import pytest

from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.server.server import Server
from monoskope.m8.http import pages as operations
from monoskope.m8.http.server import build_http, require_free
from monoskope.m8.methods.calls import Arrival
from monoskope.m8.operations import Endpoints
from tests.support.http_calls import ask, bearer
from tests.support.m8_world import PAGE, World

GET_SERVER = "/monoskope.api.gateway.v1.SecretQueryService/GetServer"
ATTACH = "/monoskope.api.gateway.v1.ReactorService/Attach"
JSON = ("Content-Type", "application/json")


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


async def test_health_is_for_everybody_and_metrics_for_administrators(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    for user, status in ((world.user("anna", "vault://app"), 403), (world.administrator(), 200)):
        answered = await ask(world.address, "GET", "/metrics", bearer(user))
        assert (answered.status, b"m8_build_info" in answered.body) == (status, status == 200)
    assert (await ask(world.address, "GET", "/metrics")).status == 401


async def test_a_defect_of_readiness_is_told_by_its_type_alone(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    await door.stop(0)


async def test_an_address_of_another_machine_is_said_to_be_none_of_this_one(world: World) -> None:
    with pytest.raises(UnavailableError) as caught:
        await build_http(world.app, Endpoints(world.app), None, listen=HostPort("192.0.2.1", 7480))
    assert "no address of this machine" in caught.value.fix


async def test_of_two_m8_at_one_address_the_later_one_is_refused(world: World) -> None:
    first = await build_http(world.app, Endpoints(world.app), None, listen=HostPort("127.0.0.1", 0))
    await first.start()
    with pytest.raises(UnavailableError, match="cannot listen"):
        await build_http(world.app, Endpoints(world.app), None, listen=HostPort("127.0.0.1", first.port))
    with pytest.raises(UnavailableError, match="cannot listen"):
        require_free(HostPort("127.0.0.1", first.port))
    assert (await ask(f"127.0.0.1:{first.port}", "GET", "/healthz")).status == 200
    await first.stop(0)


async def test_a_server_that_can_be_bound_and_not_started_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may begin to listen between the two."""
    door = await build_http(world.app, Endpoints(world.app), None, listen=HostPort("127.0.0.1", 0))

    async def refuse(_: Server) -> None:
        raise OSError(errno.EADDRINUSE, "taken")

    monkeypatch.setattr(Server, "start", refuse)
    with pytest.raises(UnavailableError, match="cannot listen"):
        await door.start()
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await ask(f"127.0.0.1:{door.port}", "GET", "/healthz")


async def test_who_hangs_up_before_a_page_fails_leaves_no_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
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

"""What the console takes of each caller: bytes, places, and what becomes of a call that is cut or left alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from monoskope.monoctl.console import requests as body
from monoskope.monoctl.console.channel import OVERHEAD
from monoskope.monoctl.console.program import LIMITS
from tests.support.console_calls import JSON, SEALED, Page, framed, value
from tests.unit.monoctl.console.serving.served import Put, Served, asked, ended, sent

VALUE = b"correct horse battery staple"


async def test_a_body_above_the_limit_is_refused_before_it_is_read(page: Page) -> None:
    for path, kind, most in (
        ("put", SEALED, body.MOST_BODY + OVERHEAD),
        ("whoami", SEALED, body.MOST_JSON + OVERHEAD),
        ("begin", JSON, body.MOST_JSON),
    ):
        fields = page.said(kind) | {"Content-Length": str(most + 1)}
        reader, writer = await sent(page, f"POST /api/{path} HTTP/1.1", fields.items(), b"")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        await ended(writer)


async def test_a_body_that_is_cut_calls_nothing(page: Page, served: Served) -> None:
    whole = page.side.seal("put", framed({"uris": ["a://b"]}, [value("k", VALUE)]))
    fields = page.said(SEALED) | {"Content-Length": str(len(whole))}
    _, writer = await sent(page, "POST /api/put HTTP/1.1", fields.items(), whole[:-5])
    await ended(writer)
    assert (await asked(page.call, "whoami")).status == 200
    assert not served.taken


async def test_pages_are_answered_while_a_file_is_parsed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    page, other = await served.begun(), await served.begun()
    begun, answered, parse = asyncio.Event(), threading.Event(), body.parsed_frame
    loop = asyncio.get_running_loop()

    def slowly(request: type[Put], content: bytes) -> object:
        loop.call_soon_threadsafe(begun.set)
        assert answered.wait(60)
        return parse(request, content)

    monkeypatch.setattr(body, "parsed_frame", slowly)
    large = [value("k", bytes(100_000))]
    sending = asyncio.ensure_future(asked(page.send, "put", {"uris": ["a://b"]}, large))
    await begun.wait()
    assert (await asked(other.call, "whoami")).status == 200
    answered.set()
    assert (await sending).status == 200
    assert served.taken == [{"k": bytes(100_000)}]


async def test_an_operation_is_finished_when_its_page_is_gone(page: Page, served: Served) -> None:
    sealed = page.side.seal("held", b"{}")
    fields = page.said(SEALED) | {"Content-Length": str(len(sealed))}
    _, writer = await sent(page, "POST /api/held HTTP/1.1", fields.items(), sealed)
    await served.reached.wait()
    await ended(writer)
    assert (await asked(page.call, "whoami")).status == 200
    assert served.application.under_way == 1
    served.held.set()
    await served.application.finish(60)
    assert (served.taken, served.application.under_way) == ([{}], 0)


async def test_connections_without_end_take_no_more_than_their_places(served: Served) -> None:
    writers = [(await asyncio.open_connection("127.0.0.1", served.application.port))[1] for _ in range(LIMITS.most)]
    reader, writer = await asyncio.open_connection("127.0.0.1", served.application.port)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    for one in (*writers, writer):
        one.close()
    await asyncio.gather(*(one.wait_closed() for one in (*writers, writer)), return_exceptions=True)


async def test_a_request_that_is_malformed_is_told_which_field(page: Page) -> None:
    for request, word in (([], "JSON object"), ({"more": 1}, "more")):
        answer = await asked(page.call, "whoami", request)
        assert (answer.status, answer.code) == (400, "USAGE")
        assert word in answer.document["error"]["message"]

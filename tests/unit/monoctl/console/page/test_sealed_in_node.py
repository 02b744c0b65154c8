"""The page's script and monoctl agree on every byte, and the page tells its own monoctl from whoever took its port."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from monoskope.host_port import HostPort
from monoskope.http.messages import Accepted, Body, Head, Response
from monoskope.http.server.server import serving
from monoskope.monoctl.console.channel import Beginning, Channel, shown
from monoskope.text import escape
from tests.support.console import a_token, from_text
from tests.unit.monoctl.console.page.in_node import ROOT, NodePage, bundled, page_in_node
from tests.unit.monoctl.console.serving.served import HOSTILE, Served, console

NONCE = bytes(range(16))
BODIES = [("put", b""), ("put", b"\0\0\0\2{}" + bytes(range(256))), ("names", "é\u2028".encode() * 30_000)]
VALUE = "correct horse battery staple"
PUT = {
    "operation": "put",
    "request": {"uris": ["a://b"]},
    "parts": [{"source": {"kind": "value", "key": "k"}, "value": VALUE}],
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled(tmp_path_factory.mktemp("page"))


def said(bundle: Path, token: bytes, key: bytes, answers: list[dict[str, Any]]) -> dict[str, Any]:
    given = {
        "token": shown(token),
        "key": shown(key),
        "bodies": [{"operation": operation, "body": shown(body)} for operation, body in BODIES],
        "answers": answers,
        "noTokens": ["", "x", shown(token)[:-1], shown(token) + "A", shown(token[:31]), "<script>"],
    }
    words = ["node", str(ROOT / "tests" / "node" / "sealed.js"), str(bundle)]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def answer(proof: str, **changed: Any) -> dict[str, Any]:
    answered = {"operation": "begin", "nonce": shown(NONCE), "status": 200, "body": shown(b'{"a":1}'), "proof": proof}
    return answered | changed


def test_page_and_monoctl_make_the_same_keys_seal_for_one_another_and_believe_one_another(bundle: Path) -> None:
    token, key = a_token(), a_token()
    channel, said_first = Channel(token, key), (NONCE, 200, b'{"a":1}')
    of_session, of_begin = channel.prove("begin", *said_first), Beginning(token).prove(*said_first)
    wrong = [
        answer(of_session, operation="begi"),
        answer(of_session, nonce=shown(bytes(16))),
        answer(of_session, status=201),
        answer(of_session, body=shown(b'{"a":2}')),
        answer(of_session[:-1]),
        answer(""),
        answer("*"),
        answer(Channel(token, a_token()).prove("begin", *said_first)),
        answer(Beginning(a_token()).prove(*said_first)),
    ]

    found = said(bundle, token, key, [answer(of_session), answer(of_begin), *wrong])

    assert found["name"] == Beginning(token).name
    opened = [channel.open(name, from_text(one)) for (name, _), one in zip(BODIES, found["sealed"], strict=True)]
    assert (opened, found["session"]) == ([body for _, body in BODIES], [True, False] + [False] * len(wrong))
    assert found["begin"] == [False, True] + [False] * len(wrong)
    assert all(found["noTokens"])


class Thief:
    """Somebody who listens at the port of a console that has ended, and answers everything with a success."""

    def __init__(self) -> None:
        self.heard: list[tuple[Head, bytes]] = []
        self.most_body = 1 << 20

    async def accept(self, head: Head) -> Accepted:
        heard = self.heard

        class Call:
            most_body = 1 << 20

            async def answer(self, body: Body) -> Response:
                heard.append((head, await body()))
                done = b'{"session": "s", "key": "k", "me": {}, "results": [{"done": {"outcome": "UPLOADED"}}]}'
                return Response(200, (("Content-Type", "application/json"), ("Console-Proof", shown(bytes(32)))), done)

        return Call()

    def has_heard(self, text: str) -> bool:
        return any(text in repr(head.headers) + body.decode(errors="replace") for head, body in self.heard)


@asynccontextmanager
async def taken(port: int) -> AsyncIterator[Thief]:
    """Take a port once nobody listens at it."""
    thief = Thief()
    async with serving(HostPort("127.0.0.1", port), thief, drain_s=0.1):
        yield thief


@asynccontextmanager
async def console_that_ends() -> AsyncIterator[tuple[Served, Callable[[], Awaitable[None]]]]:
    """A console, and what ends it before the block does."""
    async with AsyncExitStack() as last:
        served = await last.enter_async_context(console())
        yield served, last.aclose


@asynccontextmanager
async def begun(bundle: Path, served: Served) -> AsyncIterator[NodePage]:
    """A page of a console, with its live stream."""
    async with page_in_node(
        bundle, f"http://127.0.0.1:{served.application.port}/#{served.sessions.new_link()}"
    ) as page:
        assert await page.do("begin") == {"answer": {"session": mock.ANY, "me": {"subject": "alice"}}}
        await page.do("live")
        await page.hears({"live": {"kind": "m8", "away": "", "stop": None}})
        yield page


async def test_the_page_works_with_its_monoctl_and_believes_nobody_who_takes_the_port(bundle: Path) -> None:
    async with asyncio.timeout(60), console_that_ends() as (served, end):
        port = served.application.port
        async with begun(bundle, served) as page:
            assert (await page.do("here"))["answer"] == {"hash": "", "hasEnded": False}
            assert await page.do("send", **PUT) == {"answer": {"results": [], "notes": []}}
            assert served.taken == [{"k": VALUE.encode()}]
            assert (await page.do("call", operation="conflict"))["failure"]["code"] == "CONFLICT"
            assert await page.do("call", operation="hostile") == {"answer": {"subject": escape(HOSTILE)}}

            await end()
            async with taken(port) as thief:
                await page.hears({"liveEnded": True})
                first = await page.do("send", **PUT)
                assert first["failure"]["message"] == "The connection to monoctl console is broken. Nothing was sent."
                lost = await page.do("call", operation="whoami", request={"uri": "vault://team-a/db"})
                await page.hears({"ended": True})
                assert lost["failure"]["code"] == "CONSOLE_GONE"
                heard = len(thief.heard)
                for what in ("send", "send"):
                    assert (await page.do(what, **PUT))["failure"]["code"] == "CONSOLE_GONE"
                assert (await page.do("call", operation="whoami"))["failure"]["code"] == "CONSOLE_GONE"
                assert len(thief.heard) == heard == 1
                assert not thief.has_heard(VALUE)
                assert not thief.has_heard("team-a")
        assert page.said.count({"erased": True}) == 4


async def test_a_page_whose_port_is_taken_before_it_begins_tells_neither_token_nor_anything_else(bundle: Path) -> None:
    token = shown(a_token())
    thief = Thief()
    async with (
        serving(HostPort("127.0.0.1", 0), thief, drain_s=0.1) as port,
        page_in_node(bundle, f"http://127.0.0.1:{port}/#{token}") as page,
    ):
        assert (await page.do("begin"))["failure"]["code"] == "LINK_ENDED"
        assert (await page.do("send", **PUT))["failure"]["code"] == "CONSOLE_GONE"
    assert len(thief.heard) == 1
    assert not thief.has_heard(token)


async def test_a_page_that_hears_nothing_gives_its_monoctl_up(bundle: Path) -> None:
    async with asyncio.timeout(60), console_that_ends() as (served, end), begun(bundle, served) as page:
        await end()
        await page.hears({"liveEnded": True})
        await page.do("wait")
        await page.hears({"ended": True})
        assert (await page.do("here"))["answer"]["hasEnded"] is True

"""What `monoctl console` holds of the values that went through it, and of the link that began the page: nothing.

Its memory still has the secrets' paths, so the search can see. A console is not dumpable: root alone may look.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest

from monoskope.testing.parts import Part, wait_until
from monoskope.testing.search import Wanted
from monoskope.testing.search.memory import look_in_memory
from tests.e2e.conftest import Team
from tests.support.absent import need_tracing
from tests.support.console import from_text
from tests.support.console_calls import SEALED, Page, framed, value
from tests.support.what_stays import what_stays

SIZES = (64, 1_000, 9_000, 60_000)


@dataclass
class Console:
    part: Part
    page: Page
    link: str
    team: Team

    def put(self, path: str, content: bytes, **more: object) -> tuple[int, dict[str, object]]:
        answer = self.page.send("put", {"uris": [self.team.uri("vault", path)], **more}, [value("k", content)])
        return answer.status, answer.document


@pytest.fixture
def console(team: Team) -> Iterator[Console]:
    part = team.user.background("monoctl", "console", "--no-browser", log=f"{team.user.name}/console.out")
    try:
        address = re.compile(r"http://127\.0\.0\.1:(\d+)/#(\S+)\n")
        wait_until(lambda: address.search(part.log.read_text()) is not None, what="the page's address")
        found = address.search(part.log.read_text())
        assert found
        page = Page(int(found[1]))
        assert page.begin(found[2]).status == 200
        yield Console(part, page, found[2], team)
    finally:
        part.stop()


def a_value(size: int) -> bytes:
    return secrets.token_hex(size // 2).encode()


def test_no_value_stays_in_the_console_whatever_became_of_it(console: Console) -> None:
    need_tracing()
    values = {f"put of {size} bytes": a_value(size) for size in SIZES}
    path = f"path-{secrets.token_hex(8)}"
    for number, content in enumerate(values.values()):
        status, answer = console.put(f"{path}/{number}", content)
        assert status == 200
        assert "done" in str(answer), answer

    def new(name: str, size: int = 5_000) -> bytes:
        return values.setdefault(name, a_value(size))

    uri = console.team.uri("vault", f"{path}/0")
    compared = console.page.send("compare", {"uris": [uri]}, [value("k", new("compared, different"))])
    assert "'equal': False" in str(compared.document), compared.document
    assert "CONFLICT" in str(console.put(f"{path}/0", new("refused by the store"), expect="absent")[1])
    assert "USAGE" in str(console.put("no/../path", new("refused here"))[1])
    assert "failed" in str(console.page.send("put", {"uris": ["nowhere://x"]}, [value("k", new("no such store"))]).body)
    broken = b"A=1\nB='" + new("in an env file that is malformed")
    assert console.page.send("put", {"uris": [uri]}, [({"kind": "env", "name": ".env"}, broken)]).status == 400
    whole = b"K=" + new("in an env file", 3_000)
    assert "done" in str(console.page.send("put", {"uris": [uri]}, [({"kind": "env", "name": ".env"}, whole)]).document)
    looked = console.page.send(
        "names", {}, [({"kind": "env", "name": ".env"}, b"K=" + new("in a file that is dropped"))]
    )
    assert looked.document["keys"] == [{"key": "K", "size": 5_000}]
    assert "size_class" in str(console.put(f"{path}/0", new("in a preview"), dry_run=True)[1])
    patched = console.page.send("patch", {"uris": [uri]}, [value("more", new("in a patch"))])
    assert "done" in str(patched.document), patched.document
    assert console.page.send("put", {"uris": 7}, [value("k", new("of a malformed call"))]).status == 400
    unknown = Page(console.page.port, "no-session")
    assert unknown.send("put", {"uris": [uri]}, [value("k", new("without a session", 200))]).status == 401
    cut(console, new("cut in the middle", 50_000))

    pid = console.part.pid
    assert pid is not None
    wanted = [Wanted.of(name, content) for name, content in values.items()]
    wanted += [Wanted.of("link", console.link.encode()), Wanted.of("token of the link", from_text(console.link))]
    wanted += [Wanted.of("path", path.encode())]

    def left() -> dict[str, Mapping[str, int]]:
        result = look_in_memory(pid, wanted, place="memory")
        assert result.searched, result.reason
        assert result.total("path", "raw") > 0
        return {one.name: result.hits[one.name] for one in wanted if one.name != "path" and result.total(one.name)}

    assert what_stays(left) == {}


def cut(console: Console, content: bytes) -> None:
    """Send a put whose connection ends before its body, and return once the console has seen that."""
    body = console.page.side.seal("put", framed({"uris": [console.team.uri("vault", "cut")]}, [value("k", content)]))
    with closing(socket.create_connection(("127.0.0.1", console.page.port))) as connection:
        said = "".join(f"{name}: {one}\r\n" for name, one in console.page.said(SEALED).items())
        head = f"POST /api/put HTTP/1.1\r\n{said}Content-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body[:-100])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""  # it closes its side, too

"""A console that is served in this process, with operations of the test's own and a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TypeVar, cast

from monoskope.errors import ConflictError
from monoskope.host_port import HostPort
from monoskope.http.server.server import serving
from monoskope.monoctl.console.live import Live
from monoskope.monoctl.console.operations import Context, Operation
from monoskope.monoctl.console.program import LIMITS
from monoskope.monoctl.console.requests import Request
from monoskope.monoctl.console.server import Console, ConsoleApplication
from monoskope.monoctl.console.session import Sessions
from tests.support.console_calls import Page

R = TypeVar("R")
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J\u2028"


class Nothing(Request, frozen=True):
    """Nothing is asked."""


class Put(Request, frozen=True):
    """As a put."""

    uris: list[str]


class Served:
    """What a test asks of a console and sees of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.taken: list[dict[str, bytes]] = []
        self.cleared = 0
        self.held = asyncio.Event()
        self.reached = asyncio.Event()
        self.sessions = Sessions(lambda: self.now)
        self.live = Live(tick_s=0.05)
        operations: Mapping[str, Operation] = {
            "whoami": Operation(Nothing, self._whoami),
            "hostile": Operation(Nothing, self._hostile),
            "held": Operation(Nothing, self._held),
            "conflict": Operation(Nothing, self._conflict),
            "defect": Operation(Nothing, self._defect),
            "put": Operation(Put, self._put, takes_values=True),
        }
        context = cast("Context", None)  # these operations ask no m8
        console = Console(context, self.sessions, self.live, operations, self.said.append, self._began, self._greet)
        self.application = ConsoleApplication(console)

    @property
    def page(self) -> Page:
        return Page(self.application.port)

    async def begun(self) -> Page:
        page = self.page
        assert (await asked(page.begin, self.sessions.new_link())).status == 200
        return page

    def _began(self) -> None:
        self.cleared += 1

    async def _greet(self) -> dict[str, object]:
        return {"me": {"subject": "alice"}}

    async def _whoami(self, _context: Context, _: Nothing) -> object:
        return {"subject": "alice"}

    async def _hostile(self, _context: Context, _: Nothing) -> object:
        return {"subject": HOSTILE}

    async def _held(self, _context: Context, _: Nothing) -> object:
        self.reached.set()
        await self.held.wait()
        self.taken.append({})
        return {}

    async def _conflict(self, _context: Context, _: Nothing) -> object:
        raise ConflictError("something else is there.", fix="Look at `expect`.", reason_name="CONFLICT")

    async def _defect(self, _context: Context, _: Nothing) -> object:
        raise ValueError("correct horse battery staple")

    async def _put(self, _context: Context, _: Put, values: Mapping[str, bytes]) -> object:
        self.taken.append(dict(values))
        return {"results": [], "notes": []}


@contextlib.asynccontextmanager
async def console() -> AsyncIterator[Served]:
    served = Served()
    async with serving(HostPort("127.0.0.1", 0), served.application, limits=LIMITS, drain_s=0.2) as port:
        served.application.port = port
        try:
            yield served
        finally:
            served.live.end()


async def asked(call: Callable[..., R], *arguments: object) -> R:
    """Call something that blocks, while the console answers."""
    return await asyncio.to_thread(call, *arguments)


async def sent(
    page: Page, line: str, fields: Iterable[tuple[str, str]], body: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request as it stands here, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    writer.write("\r\n".join((line, *(f"{name}: {value}" for name, value in fields), "", "")).encode() + body)
    await writer.drain()
    return reader, writer


async def ended(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()

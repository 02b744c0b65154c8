"""What the console's server answers: the page, the beginning of a session, the live stream, and operations."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import resources
from types import MappingProxyType

from monoskope.errors import Code, Error, NotFoundError
from monoskope.http.messages import Accepted, Body, Head, Response, Send, Streamed
from monoskope.monoctl.console import requests
from monoskope.monoctl.console.browser import USUAL
from monoskope.monoctl.console.channel import SealedCall, proven
from monoskope.monoctl.console.live import Live
from monoskope.monoctl.console.operations import Context, Operation
from monoskope.monoctl.console.requests import Request
from monoskope.monoctl.console.session import Begun, EndedError, NoSessionError, Session, Sessions, UsedError
from monoskope.monoctl.output.ending import defect, failure
from monoskope.monoctl.output.formats import Document
from monoskope.text import json_text
from monoskope.value import Unshared, Value

_FILES = MappingProxyType(
    {
        "/": ("index.html", "text/html; charset=utf-8"),
        "/console.js": ("console.js", "text/javascript; charset=utf-8"),
        "/console.css": ("console.css", "text/css; charset=utf-8"),
        "/icon.svg": ("icon.svg", "image/svg+xml"),
        "/licences.txt": ("licences.txt", "text/plain; charset=utf-8"),
    }
)
"""Path to file and type. Nothing else of the folder is served."""


def _files() -> Mapping[str, Response]:
    """Return the answer for each path of the page. Raises `OSError` if this installation lacks a file."""
    folder = resources.files("monoskope.monoctl.console") / "static"
    return {
        path: Response(200, (("Content-Type", kind), *requests.ALWAYS), (folder / name).read_bytes())
        for path, (name, kind) in _FILES.items()
    }


_STATUS = {Code.USAGE: 400, Code.UNAUTHENTICATED: 403, Code.REFUSED: 403, Code.NOT_FOUND: 404, Code.INTERNAL: 500}
"""Of other failures it is 409: the page reads what the body says.

401 is the console's own: the page has no session. That m8 does not know the caller is another matter."""

_LARGE = 65_536
"""Bytes of a call with values from which on it is parsed in a thread: less takes milliseconds."""

_LINES = ("Content-Type", "application/x-ndjson")
BEGUN = "A page has begun. If it was not you who opened it, press Ctrl-C now."
SECOND = (
    "A link was used a second time: the session that it began has ended. If you did not use it twice, a stranger has"
    " read it: press Ctrl-C now."
)


class Begin(Unshared, Request, frozen=True):
    """What `begin` is asked."""

    token: str
    """The name of the link's token (`channel`), never the token."""

    def __repr__(self) -> str:
        return "<Begin>"


class Console(Value, frozen=True):
    """What is served."""

    context: Context
    sessions: Sessions
    live: Live
    operations: Mapping[str, Operation]
    say: Callable[[str], None]
    """Says a sentence to the user in the terminal."""
    began: Callable[[], None]
    """Called when a page has begun."""
    greet: Callable[[], Awaitable[Document]]
    """Says what the page is told when it begins, beside its session."""


class ConsoleApplication:
    """The console's `monoskope.http.messages.Application`.

    An operation that has begun is finished, also if its page goes: what was sent to be written cannot be taken back.

    Attributes:
        host: Where its server is bound.
        port: The same.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.host = USUAL
        self.port = 0
        self._files = _files()
        self._under_way: set[asyncio.Task[Response]] = set()

    @property
    def under_way(self) -> int:
        """How many operations have not ended."""
        return len(self._under_way)

    async def finish(self, seconds: float) -> None:
        """Wait until all operations have ended, for so many seconds at most."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def accept(self, head: Head) -> Accepted | Response:
        """Decide about a request by its head."""
        if not head.path.startswith(requests.API):
            refusal = requests.checked_page(head, f"{self.host}:{self.port}")
            return _refused(refusal) if refusal else self._page(head)
        if refusal := requests.checked_call(head, f"{self.host}:{self.port}"):
            return _refused(refusal)
        name, nonce = head.path.removeprefix(requests.API), requests.nonce(head)
        if name == "begin":
            return _Call(requests.MOST_JSON, lambda content: self._begin(content, nonce))
        try:
            session = self._console.sessions.of(requests.bearer(head))
        except EndedError as error:
            return _failed(error)
        channel, called = session.channel, self._called(name, session)
        prove = partial(channel.prove, name, nonce)
        if isinstance(called, Response):
            return proven(called, prove)
        return SealedCall(called, name, channel, prove, _failed)

    def _page(self, head: Head) -> Response:
        found = None if head.query else self._files.get(head.path)
        return found or _failed(NotFoundError("the console has no such page.", fix="Begin at /."))

    def _called(self, name: str, session: Session) -> Accepted | Response:
        if name == "live":
            return _Call(requests.MOST_JSON, lambda _: self._stream(session))
        operation = self._console.operations.get(name)
        if operation is None:
            return _failed(NotFoundError("the console has no such operation.", fix=requests.NEW_PAGE))
        most = requests.MOST_BODY if operation.takes_values else requests.MOST_JSON
        return _Call(most, lambda content: self._answer(operation, session, content))

    async def _begin(self, content: bytes, nonce: bytes) -> Response:
        """Without a link that counted once, there is nothing to prove the answer by: the page says what that means."""
        try:
            name = requests.parsed(Begin, content).token
        except Error as error:
            return _failed(error)
        beginning = self._console.sessions.beginning(name)
        answer = await self._began(name)
        return answer if beginning is None else proven(answer, partial(beginning.prove, nonce))

    async def _began(self, name: str) -> Response:
        console = self._console
        try:
            begun = console.sessions.begin(name)
        except UsedError as error:
            console.say(SECOND)
            return _failed(error)
        except Error as error:
            return _failed(error)
        console.began()
        console.say(BEGUN)
        return await self._finished(_begun(console, begun))

    async def _stream(self, session: Session) -> Response | Streamed:
        if session.has_ended:
            return _failed(EndedError())
        return Streamed(200, (_LINES, *requests.ALWAYS), partial(self._lines, session))

    async def _lines(self, session: Session, send: Send) -> None:
        sessions, live = self._console.sessions, self._console.live
        sessions.appear(session)
        try:
            async with contextlib.aclosing(live.lines(session.on_end)) as lines:
                async for line in lines:
                    await send(line)
        finally:
            sessions.leave(session)

    async def _answer(self, operation: Operation, session: Session, content: bytes) -> Response:
        if session.has_ended:
            return _failed(EndedError())
        if not operation.takes_values:
            return await self._finished(_asked(operation, self._console.context, content))
        work = _asked_with_values(operation, self._console.context, content)
        # An answer can take minutes: nothing here holds what was sent while it does.
        del content
        return await self._finished(work, forgets=True)

    async def _finished(self, work: Awaitable[object], *, forgets: bool = False) -> Response:
        task = asyncio.ensure_future(_forgotten(_answered(work)) if forgets else _answered(work))
        del work
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


class _Call:
    """A call whose body may be read (`http.messages.Accepted`)."""

    def __init__(self, most_body: int, answer: Callable[[bytes], Awaitable[Response | Streamed]]) -> None:
        self.most_body = most_body
        self._answer = answer

    async def answer(self, body: Body) -> Response | Streamed:
        """Answer; nothing of the body is held while the answer is made."""
        return await self._answer(await body())


async def _begun(console: Console, begun: Begun) -> object:
    return {"session": begun.session, "key": begun.key} | await console.greet()


async def _asked(operation: Operation, context: Context, content: bytes) -> object:
    return await operation.answer(context, requests.parsed(operation.request, content))


async def _asked_with_values(operation: Operation, context: Context, content: bytes) -> object:
    if len(content) > _LARGE:
        # Pages and the live stream go on while a large file is parsed.
        request, values = await asyncio.to_thread(requests.parsed_frame, operation.request, content)
    else:
        request, values = requests.parsed_frame(operation.request, content)
    del content
    work = operation.answer(context, request, values)
    del values
    return await work


async def _forgotten(work: Awaitable[Response]) -> Response:
    """Free what an operation with values held. An error and the frames that it went through may hold each other."""
    response = await work
    gc.collect()
    return response


async def _answered(work: Awaitable[object]) -> Response:
    """Every end of an operation is an answer: an exception that is not caught would be kept, with its frames."""
    try:
        document = await work
    except Error as error:
        return _failed(error)
    except Exception as error:  # noqa: BLE001 - a defect of one operation ends nothing else
        return _failed(defect(error))
    return _json(200, document)


def _refused(refusal: requests.Refusal) -> Response:
    return _json(refusal.status, {"error": failure(refusal.error)})


def _failed(error: Error) -> Response:
    if isinstance(error, NoSessionError):
        return _json(401, {"error": failure(error) | {"code": error.own_code}})
    return _json(_STATUS.get(error.code, 409), {"error": failure(error)})


def _json(status: int, document: object) -> Response:
    # Texts of others are escaped as `monoctl -o json` escapes them.
    return Response(status, (requests.JSON, *requests.ALWAYS), json_text(document).encode())

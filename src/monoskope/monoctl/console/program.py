"""The console as a process: its server, its client, its pages, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator

from monoskope.client import Client, Signer
from monoskope.client.settings import ClientSettings
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.monoctl.console import heard, loopback, opening, terminal
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.events import hear
from monoskope.monoctl.console.greeting import Greeting
from monoskope.monoctl.console.operations.reading.requests import happened
from monoskope.monoctl.console.operations.table import OPERATIONS
from monoskope.monoctl.console.serving.application import Console, ConsoleApplication
from monoskope.monoctl.console.serving.live import Live
from monoskope.monoctl.console.serving.sessions import Sessions
from monoskope.monoctl.output.report import interrupted
from monoskope.value import Value

LIMITS = Limits(most=64)
"""A browser opens six connections to one server; the rest is for further pages."""

SWEEP_S = 1.0
"""Seconds between two looks at whether anybody still uses the console."""

FINISH_S = 10.0
"""Seconds for the operations under way when the console ends."""

_ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Wishes(Value, frozen=True):
    """How a console is to run."""

    settings: ClientSettings
    port: int = 0
    """0: a free one."""
    opens_browser: bool = True
    say: Callable[[str], None] = print
    """Says one sentence to the user in the terminal."""
    signer: Signer | None = None
    """Signs requests; its passphrase was asked for already, for the page asks for none."""


async def run(wishes: Wishes, sent: Sent) -> None:
    """Run a console until a signal ends it, or its last page has been gone for a while.

    Args:
        wishes: How.
        sent: Is told of each request, for whoever has to say what became of it when nobody waits for the end.

    Raises:
        UnavailableError: the port is taken.
        OutcomeUnknownError: it ended before the end of something that was sent.
    """
    live, sessions = Live(), Sessions()

    def observe(progress: Progress) -> None:
        sent.observe(progress)
        live.progress(progress)

    def notify(sentence: str) -> None:
        (heard.note if heard.gathers() else live.note)(sentence)

    async with Client(wishes.settings, notify=notify, observe=observe, signer=wishes.signer) as client:
        desk = Desk(client, live.tell)
        greeting = Greeting(desk)
        pages = Pages(wishes, sessions, greeting.prepare)
        application = ConsoleApplication(
            Console(desk, sessions, live, OPERATIONS, wishes.say, pages.clear, greeting.answer)
        )
        server = await _bound(wishes, application)
        application.port = server.port
        pages.place = f"{application.host}:{server.port}"
        try:
            await server.start()
            pages.open()
            if terminal.hear_enter(pages.open):
                wishes.say("Press Enter for another page, and Ctrl-C to end.")
            await _until_over(application, desk, live, sessions, pages)
        finally:
            pages.remove()
            live.end()
            await _wait_for_ends(application, wishes.say)
            await server.drain()
    if application.under_way:
        raise interrupted(sent.open, [])


async def _wait_for_ends(application: ConsoleApplication, say: Callable[[str], None]) -> None:
    """Wait for what is under way: it was sent, and whoever sent it wants to know what came of it."""
    if application.under_way:
        say(f"Waiting {FINISH_S:g} s at most for the end of what is under way. Ctrl-C ends at once.")
        await application.finish(FINISH_S)


class Sent:
    """The requests that were sent and have no proven end."""

    def __init__(self) -> None:
        self._open: dict[bytes, Progress] = {}

    @property
    def open(self) -> list[Progress]:
        """Return them, in the order in which they were sent."""
        return list(self._open.values())

    def observe(self, progress: Progress) -> None:
        """Take note of a stage."""
        if progress.stage is Stage.SENT:
            self._open[progress.request_id] = progress
        elif progress.stage is Stage.ENDED:
            self._open.pop(progress.request_id, None)


class Pages:
    """Opens pages of a console, each with a link of its own.

    Args:
        wishes: How the console is to run.
        sessions: Make the links.
        prepare: Called before each page is opened.
    """

    def __init__(self, wishes: Wishes, sessions: Sessions, prepare: Callable[[], None]) -> None:
        self.place = ""
        self._wishes = wishes
        self._sessions = sessions
        self._prepare = prepare
        self._folder = opening.Folder() if wishes.opens_browser else None

    def open(self) -> None:
        """Open a page, or print its address."""
        self._prepare()
        if self._folder is None:
            self._print()
            return
        file = self._folder.add(self._address())
        self._wishes.say(f"A page of http://{self.place} opens in your browser.")
        opening.show(file, self._print_instead)

    def _print_instead(self) -> None:
        self._wishes.say("No browser opened here.")
        self._print()

    def _print(self) -> None:
        # In this order: the buffer of the output still holds what was printed, until as much is printed after it.
        self._wishes.say(self._address())
        self._wishes.say("Open this address in your browser, once and within two minutes. Then it counts for nobody.")

    def _address(self) -> str:
        return f"http://{self.place}/#{self._sessions.new_link()}"

    def clear(self) -> None:
        """Remove the files with links."""
        if self._folder is not None:
            self._folder.clear()

    def remove(self) -> None:
        """Remove the folder with them, too."""
        if self._folder is not None:
            self._folder.remove()


async def _bound(wishes: Wishes, application: ConsoleApplication) -> Server:
    failed = OSError()
    # Who opens the page elsewhere, or chose the port, leads a tunnel there.
    for host in loopback.hosts(is_own=wishes.opens_browser and not wishes.port):
        try:
            server = await bind(HostPort(host, wishes.port), application, limits=LIMITS)
        except OSError as error:
            failed = error
        else:
            application.host = host
            return server
    raise UnavailableError(
        f"it is not possible to listen on {loopback.USUAL}:{wishes.port}: {os.strerror(failed.errno or 0).lower()}.",
        fix="Leave --port out: then a free port is taken.",
    )


async def _until_over(
    application: ConsoleApplication, desk: Desk, live: Live, sessions: Sessions, pages: Pages
) -> None:
    """Do what is done beside the answers, until a signal comes or nobody uses the console any more."""
    is_heard = asyncio.Event()

    def began() -> None:
        is_heard.set()
        desk.secrets.read_again()

    async def keep() -> None:
        # What happens while they are read is heard, so that nothing is missed.
        await is_heard.wait()
        await desk.secrets.run()

    async def sweep() -> None:
        while not (sessions.is_over() and not application.under_way):
            await asyncio.sleep(SWEEP_S)
            sessions.sweep()
            if not sessions.is_awaited():
                pages.clear()

    tasks = [
        asyncio.ensure_future(work)
        for work in (
            hear(desk.client.queries, began, functools.partial(happened, desk), live.m8),
            keep(),
            sweep(),
        )
    ]
    with _ended_by_signals(tasks[-1].cancel):
        try:
            await _first_defect_or_last(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _first_defect_or_last(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the last task; raise what any of them raises before."""
    waiting = set(tasks)
    while tasks[-1] in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()


@contextlib.contextmanager
def _ended_by_signals(end: Callable[[], object]) -> Iterator[None]:
    """Call `end` at the first signal that ends programs; the second does so by itself.

    Where the loop has no handlers, Ctrl-C cancels the main task, as `asyncio.run` has it.
    """
    loop = asyncio.get_running_loop()
    handled: list[signal.Signals] = []

    def restore() -> None:
        while handled:
            loop.remove_signal_handler(handled.pop())

    def ended() -> None:
        restore()
        end()

    for number in _ENDS:
        with contextlib.suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, ended)
            handled.append(number)
    try:
        yield
    finally:
        restore()

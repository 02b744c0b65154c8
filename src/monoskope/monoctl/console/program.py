"""The console as a process: its server, its client, its pages, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from monoskope.client import Client, Signer
from monoskope.client.settings import ClientSettings
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.monoctl.console import approvals, changes, overview, rotation, secrets
from monoskope.monoctl.console.browser import USUAL, Pages, hosts
from monoskope.monoctl.console.live import Live, follow_events, note
from monoskope.monoctl.console.operations import Context, Nothing, OfUri, Operation
from monoskope.monoctl.console.overview import FirstView, happened
from monoskope.monoctl.console.server import Console, ConsoleApplication
from monoskope.monoctl.console.session import Sessions
from monoskope.monoctl.console.word import Word
from monoskope.monoctl.output.ending import interrupted
from monoskope.value import Value


def on_line(heard: Callable[[str], None]) -> bool:
    """Call `heard` in the event loop with each line that is typed in this process's terminal, if it has one.

    Return whether it has. In the background nothing is read: the system would stop the process for it.
    """
    if sys.stdin is None or not sys.stdin.isatty() or not _is_in_front():
        return False
    loop = asyncio.get_running_loop()

    def read() -> None:
        while line := sys.stdin.readline():
            try:
                loop.call_soon_threadsafe(heard, line)
            except RuntimeError:
                return  # the loop is closed: the console has ended

    threading.Thread(target=read, daemon=True).start()
    return True


def _is_in_front() -> bool:
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return True  # it is a terminal, and not the one that could stop us


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "whoami": Operation(Nothing, overview.whoami),
        "role-bindings": Operation(Nothing, overview.role_bindings),
        "stores": Operation(Nothing, overview.stores),
        "pin": Operation(changes.Agreed, changes.pin),
        "upstream": Operation(OfUri, overview.upstream),
        "secrets": Operation(secrets.SecretsAsked, secrets.secrets),
        "secret": Operation(OfUri, secrets.secret),
        "versions": Operation(OfUri, secrets.versions),
        "upload": Operation(overview.UploadAsked, overview.upload),
        "events": Operation(overview.EventsAsked, overview.events),
        "groups": Operation(Nothing, secrets.groups),
        "expiring": Operation(Nothing, secrets.expiring),
        "activity": Operation(overview.ActivityAsked, overview.activity),
        "drift": Operation(Nothing, secrets.drift),
        "status": Operation(Nothing, overview.status),
        "changes": Operation(approvals.ChangesAsked, approvals.changes),
        "change": Operation(approvals.OfChange, approvals.change),
        "approve": Operation(approvals.ApproveAsked, approvals.approve),
        "decline": Operation(approvals.DeclineAsked, approvals.decline),
        "withdraw": Operation(approvals.OfChange, approvals.withdraw),
        "names": Operation(Nothing, changes.names, takes_values=True),
        "put": Operation(changes.PutAsked, changes.put, takes_values=True),
        "patch": Operation(changes.PatchAsked, changes.patch, takes_values=True),
        "compare": Operation(changes.OfUris, changes.compare, takes_values=True),
        "generate": Operation(changes.GenerateAsked, changes.generate),
        "recipes": Operation(Nothing, changes.recipes),
        "rounds": Operation(OfUri, rotation.rounds),
        "plan-rotation": Operation(rotation.RotationAsked, rotation.plan),
        "rotate": Operation(rotation.RotationAsked, rotation.rotate),
        "copy": Operation(changes.CopyAsked, changes.copy),
        "import": Operation(changes.OfUris, changes.import_),
        "verify": Operation(changes.VerifyAsked, changes.verify),
        "delete": Operation(changes.DeleteAsked, changes.delete),
        "undelete": Operation(changes.UndeleteAsked, changes.undelete),
        "rollback": Operation(changes.RollbackAsked, changes.rollback),
        "label": Operation(changes.LabelAsked, changes.label),
        "expire": Operation(changes.ExpireAsked, changes.expire),
    }
)
"""Those with values have a framed body."""


LIMITS = Limits(most=64)
"""A browser opens six connections to one server; the rest is for further pages."""

SWEEP_S = 1.0
"""Seconds between two looks at whether the console is still used."""

FINISH_S = 10.0
"""Seconds for the operations under way when the console ends."""

_ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class ConsoleOptions(Value, frozen=True):
    """How a console is to run."""

    settings: ClientSettings
    port: int = 0
    """0: a free one."""
    opens_browser: bool = True
    say: Callable[[str], None] = print
    """Says one sentence to the user in the terminal."""
    signer: Signer | None = None
    """Signs requests; its passphrase was asked for already, for the page asks for none."""


async def run(options: ConsoleOptions, sent: Sent) -> None:
    """Run a console until a signal ends it, or its last page has been gone for a while.

    Args:
        options: How.
        sent: Is told of each request, so that what was sent can be said when the console ends before.

    Raises:
        UnavailableError: the port is taken.
        OutcomeUnknownError: it ended before the end of something that was sent.
    """
    live, sessions = Live(), Sessions()

    def observe(progress: Progress) -> None:
        sent.observe(progress)
        live.progress(progress)

    def notify(sentence: str) -> None:
        if not note(sentence):
            live.note(sentence)

    async with Client(options.settings, notify=notify, observe=observe, signer=options.signer) as client:
        client.people.told = live.people
        word = Word(options.say)
        context = Context(client, live.tell, word)
        greeting = FirstView(context)
        pages = Pages(sessions.new_link, options.say, greeting.prepare, opens_browser=options.opens_browser)
        application = ConsoleApplication(
            Console(context, sessions, live, OPERATIONS, options.say, pages.clear, greeting.answer)
        )
        server = await _bound(options, application)
        application.port = server.port
        pages.place = f"{application.host}:{server.port}"
        try:
            await server.start()
            pages.open()
            word.can_be_typed = on_line(lambda line: None if word.heard(line) else pages.open())
            if word.can_be_typed:
                options.say("Press Enter for another page, and Ctrl-C to end.")
            await _until_over(application, context, live, sessions, pages)
        finally:
            pages.remove()
            live.end()
            word.end()
            await _wait_for_ends(application, options.say)
            await server.drain()
    if application.under_way:
        raise interrupted(sent.open, [])


async def _wait_for_ends(application: ConsoleApplication, say: Callable[[str], None]) -> None:
    """Wait for what is under way: it was sent, and its user wants to know the end."""
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


async def _bound(options: ConsoleOptions, application: ConsoleApplication) -> Server:
    failed = OSError()
    # Who opens the page elsewhere, or chose the port, leads a tunnel there.
    for host in hosts(is_own=options.opens_browser and not options.port):
        try:
            server = await bind(HostPort(host, options.port), application, limits=LIMITS)
        except OSError as error:
            failed = error
        else:
            application.host = host
            return server
    raise UnavailableError(
        f"it is not possible to listen on {USUAL}:{options.port}: {os.strerror(failed.errno or 0).lower()}.",
        fix="Leave --port out: then a free port is taken.",
    )


async def _until_over(
    application: ConsoleApplication, context: Context, live: Live, sessions: Sessions, pages: Pages
) -> None:
    """Follow events, cache secrets and end sessions, until a signal comes or the console is unused."""
    is_followed = asyncio.Event()

    def began() -> None:
        is_followed.set()
        context.secrets.read_again()

    async def keep() -> None:
        # Events are followed while they are read, so that nothing is missed.
        await is_followed.wait()
        await context.secrets.run()

    async def sweep() -> None:
        while not (sessions.is_over() and not application.under_way):
            await asyncio.sleep(SWEEP_S)
            sessions.sweep()
            if not sessions.is_awaited():
                pages.clear()

    tasks = [
        asyncio.ensure_future(work)
        for work in (
            follow_events(context.client.queries, began, functools.partial(happened, context), live.m8),
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

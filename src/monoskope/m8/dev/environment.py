"""`m8 dev`: a whole m8 on one machine, to play with. m8 and the reactor are separate processes.

The folder keeps everything, so a second start goes on where the first one stopped: `m8` (the server), `reactor-local`,
`client` (what `monoctl` reads), `logs`. Every step of the setup first checks whether it is done already, so that the
next start completes an interrupted one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import RefusedError, UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.dev import setup
from monoskope.m8.dev.setup import DevStore
from monoskope.m8.dev.supervisor import Child, Supervisor
from monoskope.m8.init import lay_out
from monoskope.m8.opened import open_tokens, opened_log, os_actor
from monoskope.start import reactor_command

HOST = "127.0.0.1"
PORT = 7443


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    Attributes:
        folder: Where everything lies.
        port: Where a new server listens, 0 for any free port; None for 7443. A kept server keeps its port.
        admin: Whether to leave an administrator's token in `client/admin.token`.
        signed: Whether the reactor is to want signed requests from now on; one that wants them already goes on so.
    """

    folder: Path
    port: int | None = None
    admin: bool = False
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """What runs: what to dial, and where the files are.

    Attributes:
        signed: Whether the reactor wants signed requests.
    """

    server: str
    client: Path
    reactor: Path
    secrets: Path
    signed: bool


def dev_folder(folder: Path) -> Path | None:
    """Return the folder of `m8 dev`'s server if `folder` is that, or holds it; None for any other server's.

    Beside `m8 dev`, who names no folder means that one: the default folder holds no server then.
    """
    own = settings.state_folder(os.environ, "dev")
    is_default = folder == settings.default_folder() and not (folder / settings.SETTINGS_FILE).exists()
    for place in (folder.absolute(), folder.absolute().parent, *((own,) if is_default else ())):
        server: Path = place / "m8"
        if (place / "client").is_dir() and (place / "lock").exists() and (server / settings.SETTINGS_FILE).exists():
            return server
    return None


async def run(options: Options, *, say: Callable[[str], None], ready: Callable[[Ready], None]) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP, then stop everything and return.

    Args:
        options: What to run.
        say: Called with a sentence for each thing that happens.
        ready: Called once, when everything works.

    Raises:
        UnavailableError: the port is taken, or a part does not start.
        RefusedError: another `m8 dev` runs in the folder.
        UsageError: a file in the folder is not as it was left.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(_supervise(options, say, ready))
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupted() -> None:
        task.cancel()
        for number in signals:  # it is stopping: another Ctrl-C must not interrupt that
            loop.add_signal_handler(number, lambda: None)

    for number in signals:
        loop.add_signal_handler(number, interrupted)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _supervise(options: Options, say: Callable[[str], None], ready: Callable[[Ready], None]) -> None:
    with _locked(options.folder):
        server = _server(options)
        supervisor = Supervisor(say)
        try:
            ready(await _start(options, server, supervisor))
            await asyncio.Event().wait()
        finally:
            say("Stopping.")
            await supervisor.stop()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        for part in (folder, folder / "client", folder / "logs"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}.", fix="Name another folder with --dir.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RefusedError(
            f"another m8 dev runs in {folder}.", fix="Use that one, or name another folder with --dir."
        ) from None
    finally:
        os.close(descriptor)


def _server(options: Options) -> settings.ServerSettings:
    """Return the settings of the server, made at the first start, once its port is free."""
    folder = options.folder / "m8"
    if not (folder / settings.SETTINGS_FILE).exists():
        port = _port_to_listen_on(PORT if options.port is None else options.port)
        return lay_out(folder=folder, listen=HostPort(HOST, port))
    kept = settings.load(folder)
    if options.port not in {None, 0, kept.listen.port}:
        raise UsageError(
            f"the server in {options.folder} listens on port {kept.listen.port}, which its reactor and clients know.",
            fix="Leave out --port, or name another folder with --dir.",
        )
    _port_to_listen_on(kept.listen.port)
    return kept


def _port_to_listen_on(port: int) -> int:
    """Return `port`, or a free one for 0. Raises `UnavailableError` if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UnavailableError(
                f"port {port} of {HOST} is taken.", fix="Stop what listens there, or start with --dir FOLDER --port 0."
            ) from None
        return int(probe.getsockname()[1])


async def _start(options: Options, server: settings.ServerSettings, supervisor: Supervisor) -> Ready:
    client, logs = options.folder / "client", options.folder / "logs"
    address = str(server.listen)
    store = DevStore(name="local", type="age", folder=options.folder / "reactor-local")
    ca_file = server.folder / "ca.crt"
    m8 = (sys.executable, "-P", "-m", "monoskope.m8", "serve", "--dir", str(server.folder))
    await supervisor.start(Child("m8", m8, logs / "m8.log"))
    identity = await setup.prepare(store, server=address, ca_file=ca_file)
    if options.signed:
        setup.turn_on(reactor=store.folder, client=client)
    await supervisor.until(setup.listening(server.listen, ca_file))
    async with opened_log(server) as log:
        tokens = open_tokens(server, log, actor=os_actor())
        await setup.enrol(store, identity, server=server.listen, ca_file=ca_file, log=log, tokens=tokens)
        await setup.ensure_user_token(client, tokens, prefixes=["local://"])
        if options.admin:
            await setup.ensure_admin_token(client, tokens)
        before = await setup.known(log, store.name)
        gone = {reactor.replica for reactor in before.reactors} if before else set()
        reactor = tuple(reactor_command("run", str(store.folder)))
        await supervisor.start(Child("reactor-local", reactor, logs / "reactor-local.log"))
        await supervisor.until(setup.attached(log, store.name, besides=gone))
    setup.write_pins(client, server=address, identities={store.name: identity})
    setup.write_settings(client, server=address, ca=ca_file.read_bytes())
    return Ready(
        server=address,
        client=client,
        reactor=store.folder,
        secrets=store.folder / "secrets",
        signed=setup.is_wanted(store.folder),
    )

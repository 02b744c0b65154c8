"""m8's server: it is bound, serves as long as a block runs, and drains once m8 has said that it stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from monoskope import operating_log
from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.m8.background.leased import Leased
from monoskope.m8.background.timekeeper import LEASE, Timekeeper, lease_s
from monoskope.m8.background.watches import LogWatch
from monoskope.m8.http.application import HttpApplication
from monoskope.m8.http.pages import Published
from monoskope.m8.http.requests import Origins
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App


def require_free(listen: HostPort) -> None:
    """Check that nothing listens at `listen` now, before anything is changed for a server that could not start.

    Raises:
        UnavailableError: something does, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except OSError as error:
        raise _taken(listen, error) from None


@dataclass(frozen=True, slots=True)
class Door:
    """A server that is bound to its address."""

    server: Server
    listen: HostPort

    @property
    def port(self) -> int:
        """The bound port."""
        return self.server.port

    async def start(self) -> None:
        """Take calls. Raises `UnavailableError` if another process began to listen meanwhile."""
        try:
            await self.server.start()
        except OSError as error:
            await self.stop(0.0)
            raise _taken(self.listen, error) from None

    async def stop(self, drain_s: float) -> None:
        """Send every connection away, and give the calls under way so many seconds."""
        await self.server.drain(drain_s)


async def build_http(
    app: App,
    endpoints: Endpoints,
    tls: ssl.SSLContext | None,
    *,
    listen: HostPort,
    origins: Collection[str] = (),
    published: Published | None = None,
) -> Door:
    """Return a door that is bound to `listen`; `running` runs it.

    Args:
        app: What it serves.
        endpoints: What operators ask for.
        tls: The certificate; None for tests on the loopback interface.
        listen: Port 0 takes a free one.
        origins: The web pages that may call.
        published: The bundle for newcomers.

    Raises:
        UnavailableError: the address cannot be bound.
    """
    application = HttpApplication(app, endpoints, origins=Origins(frozenset(origins)), published=published)
    limits = Limits(most=app.connections.most)
    try:
        server = await bind(_on_one_port(listen), application, limits=limits, tls=tls, tell=_tell, gate=app.connections)
    except OSError as error:
        raise _taken(listen, error) from None
    return Door(server, listen)


def _on_one_port(listen: HostPort) -> HostPort:
    """Return `listen`, or one address of it if the system chooses the port: it would choose another for each address.

    Raises:
        OSError: the host has no address.
    """
    if listen.port:
        return listen
    found = socket.getaddrinfo(listen.host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return HostPort(str(found[0][4][0]), 0)


def _taken(listen: HostPort, why: OSError) -> UnavailableError:
    """Return the error about an address that cannot be listened on, by what the system said."""
    fix = "Stop what listens there, or change `listen` in m8.toml."
    # asyncio of newer Pythons has no number for it.
    if why.errno in {errno.EADDRNOTAVAIL, None}:
        fix = "That is no address of this machine: change `listen` in m8.toml."
    elif why.errno == errno.EACCES:
        fix = "Only root may listen there: change `listen` in m8.toml to a port from 1024."
    return UnavailableError(f"m8 cannot listen on {listen}.", fix=fix)


async def noticed(seconds: float) -> None:
    """Wait until load balancers have noticed that this process is not ready."""
    await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def running(app: App, door: Door, *others: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Serve as long as the block runs; beside it the feed, the timekeeper, what watches the log, and `others`.

    After the block m8 says that it is not ready, lets another process keep the time, ends the calls that wait for
    events, so that their callers go on elsewhere, sends every connection away, and gives the calls under way `drain_s`
    seconds.

    When one of those fails, for example because the log was tampered with, the block is cancelled and an
    `ExceptionGroup` with the failure is raised.
    """
    await app.feed.begin()
    async for upload in app.documents.open_uploads():
        app.requests.known(upload)

    async with asyncio.TaskGroup() as group:
        keeper = Leased(app, LEASE, lambda: Timekeeper(app).run(), ttl_s=lease_s(app.limits.tick_s))
        keeping = group.create_task(keeper.run())
        works = (app.feed.run(), app.connections.run(), app.strangers.run(), *others)
        beside = [group.create_task(work) for work in works]
        await door.start()
        beside.append(group.create_task(LogWatch(app).run()))
        try:
            yield
        finally:
            app.is_draining = True
            keeping.cancel()
            await asyncio.wait({keeping})
            await noticed(app.limits.not_ready_s)
            app.feed.stop()
            await door.stop(app.limits.drain_s)
            for task in beside:
                task.cancel()


def _tell(error: Exception) -> None:
    """A defect is told by its type and place: its text may hold anything."""
    operating_log.error("defect", error)

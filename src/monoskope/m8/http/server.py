"""m8's server: bound, started and drained."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass

from monoskope import operating_log
from monoskope.host_port import HostPort
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.m8.http.application import HttpApplication
from monoskope.m8.http.origins import Origins
from monoskope.m8.listening import taken
from monoskope.m8.operations.endpoints import Endpoints
from monoskope.m8.service.app import App


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """A server that is bound to its address (`doors.Door`)."""

    server: Server
    listen: HostPort

    @property
    def port(self) -> int:
        """The bound port."""
        return self.server.port

    async def start(self) -> None:
        """Take calls. Raises `UnavailableError` if somebody else began to listen meanwhile."""
        try:
            await self.server.start()
        except OSError as error:
            raise _taken(self.listen, error) from None

    async def tell(self, *, is_ready: bool) -> None:
        """Do nothing: `/readyz` looks by itself."""

    async def leaving(self) -> None:
        """Do nothing: `/readyz` says that m8 drains."""

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
) -> HttpDoor:
    """Return a door that is bound to `listen`; `doors.running` runs it.

    Args:
        app: What it serves.
        endpoints: What operators ask for.
        tls: The certificate; None for tests on the loopback interface.
        listen: Port 0 takes a free one.
        origins: The web pages that may call.

    Raises:
        UnavailableError: the address cannot be bound.
    """
    application = HttpApplication(app, endpoints, origins=Origins(frozenset(origins)))
    limits = Limits(most=app.connections.most)
    try:
        server = await bind(_on_one_port(listen), application, limits=limits, tls=tls, tell=_tell, gate=app.connections)
    except OSError as error:
        raise _taken(listen, error) from None
    return HttpDoor(server, listen)


def _on_one_port(listen: HostPort) -> HostPort:
    """Return `listen`, or one address of it if the system chooses the port: it would choose another for each address.

    Raises:
        OSError: the host has no address.
    """
    if listen.port:
        return listen
    found = socket.getaddrinfo(listen.host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return HostPort(str(found[0][4][0]), 0)


def _taken(listen: HostPort, why: OSError) -> Exception:
    return taken(str(listen), "listen", why)


def _tell(error: Exception) -> None:
    """A defect is told by its type and place: its text may hold anything."""
    operating_log.error("defect", error)

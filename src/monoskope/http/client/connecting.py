"""Connecting to a server by TLS, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from monoskope.http.client.destination import Server, Tunnel, unconnected
from monoskope.http.client.kept import Connection

_Address = tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def connect(server: Server, deadline: float) -> Connection:
    """Return a new connection to `server`, whose certificate has been checked.

    A name may have several addresses: they are tried in turn, each for its share of the time that is left, so that one
    that never answers does not stand before the others.

    Args:
        server: Where it is.
        deadline: By the event loop's clock.

    Raises:
        NotSentError: no address takes a connection, or a proxy opens none.
        UntrustedError: the certificate is not trusted, or the server does not speak TLS.
        LateError: the deadline is over.
    """
    failure: Exception
    try:
        async with asyncio.timeout_at(deadline):
            plain = await _connected(*server.dialled, deadline)
            try:
                if server.proxy is not None:
                    await _open(plain, Tunnel(server, server.proxy))
            except BaseException:
                plain.close()
                raise
            return await _secured(plain, server.host, server.tls)
    except OSError as error:
        failure = unconnected(error)
    # Raised out here so that no error of the library, nor what it holds, hangs on it.
    raise failure


async def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """Return a socket that is connected to one of the addresses of `host`."""
    loop = asyncio.get_running_loop()
    last: OSError = OSError("the name has no address")
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a part of the name is empty, or longer than a name's parts can be
        found = []
    for number, (family, _, _, _, address) in enumerate(found):
        share = (deadline - loop.time()) / (len(found) - number)
        try:
            async with asyncio.timeout(share):
                return await _dialled((family, address))
        except OSError as error:  # of which a TimeoutError is one
            last = error
    raise last


async def _dialled(where: _Address) -> socket.socket:
    family, address = where
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.settimeout(0)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(plain, address)
    except BaseException:
        plain.close()
        raise
    return plain


async def _open(plain: socket.socket, tunnel: Tunnel) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(plain, tunnel.request)
    while not tunnel.opened(await loop.sock_recv(plain, 4_096)):
        pass


async def _secured(plain: socket.socket, host: str, tls: ssl.SSLContext) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(Connection, sock=plain, ssl=tls, server_hostname=host)
    except BaseException:
        # The event loop has the socket now, and closes it at its end. If it were closed here, its descriptor could be
        # another connection's while the event loop still reads there.
        with contextlib.suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)
        raise
    return connection

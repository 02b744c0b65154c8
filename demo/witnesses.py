"""Two witnesses of the demo's log: real litewitnesses, where that program was built, with TLS before them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.engines.litewitness import Litewitness

BUILT = Path(__file__).resolve().parents[1] / "build" / "litewitness" / "litewitness"
"""Where tools/get_litewitness.py puts it."""

NAMES = ("witness.example.org/one", "witness.example.net/two")

Table = dict[str, str]
"""A table `[[witness]]` of m8.toml."""


def installed() -> bool:
    """Whether the two programs of witnesses are here."""
    return BUILT.exists() and shutil.which("witnessctl") is not None


@contextmanager
def running(folder: Path, vkey: str) -> Iterator[list[Table]]:
    """Run both until the end of the block; they take the checkpoints of one log.

    Args:
        folder: Gets the certificate of both.
        vkey: The log's Ed25519 key.
    """
    folder.mkdir(mode=0o700)
    made = tls.make((), now=dt.datetime.now(dt.UTC))
    (folder / "ca.crt").write_bytes(made.ca)
    write_private(folder / "tls.pem", made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    with ExitStack() as last:
        tables = []
        for name in NAMES:
            witness = last.enter_context(Litewitness(BUILT, name))
            witness.know(vkey.partition("+")[0], vkey)
            port = last.enter_context(_secured(context, witness.port))
            found = {"url": f"https://127.0.0.1:{port}", "vkey": witness.vkey, "ca_file": str(folder / "ca.crt")}
            tables.append(found)
        yield tables


@contextmanager
def _secured(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """End TLS before a port of this machine, on another one, which is returned: litewitness speaks HTTP alone."""
    ready, found = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):  # which ends it when all ends, without a complaint
            back, forth = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, forth), _pump(back, writer))

    async def serve() -> None:
        over = asyncio.Event()
        server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
        async with server:
            found.append((asyncio.get_running_loop(), over, server.sockets[0].getsockname()[1]))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    loop, over, own = found[0]
    try:
        yield own
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(5)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()

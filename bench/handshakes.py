"""`python -m bench.handshakes`: copied ClientHellos beside honest clients, with m8's limit of handshakes and without.

Each round floods m8's HTTP door from 32 addresses of this machine with 1,000 ClientHellos a second, of which nothing is
read. Beside it come newcomers, each from an address of its own, and a user from an address that m8 knows. The last line
is JSON: m8's processors in use, hellos that the flood could send a second, for each sort of client how many of its
connections failed and how many ms the others took (p50 and at most), and the KiB of m8's memory that an idle connection
takes. It needs a system that has all of 127.0.0.0/8.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.cpu import cpu_seconds
from bench.figures import p50, rss_bytes
from bench.progress import say
from monoskope.host_port import HostPort
from monoskope.testing.cluster import Cluster
from monoskope.testing.parts import listens

RATE, ADDRESSES, SECONDS = 1_000, 32, 10.0
_KNOWN = "127.0.0.1"
_PAUSE_S = 0.1
_IDLE = 100


def measure() -> dict[str, object]:
    """Return the figures of a round without a flood, one with it, and one without the limit."""
    found: dict[str, object] = {}
    for name, limits, rate in (
        ("quiet", "", 0),
        ("limited", "", RATE),
        ("unlimited", "\n[limits]\nhandshakes = 100000\nhandshakes_per_address = 100000\n", RATE),
    ):
        say(f"{name}: {rate} copied ClientHellos a second for {SECONDS:.0f} s")
        with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder)) as cluster:
            cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
            with (cluster.folder / "m8" / "m8.toml").open("a", encoding="utf-8") as file:
                file.write(limits)
            cluster.start_m8()
            cluster.m8.wait_for(lambda: listens(cluster.server))
            found[name] = _round(cluster, rate)
            if not rate:
                found["kib_a_connection"] = _kib_a_connection(cluster)
        say(f"  {found[name]}")
    return found


def _round(cluster: Cluster, rate: int) -> dict[str, object]:
    address = HostPort.parse(cluster.server)
    token = cluster.administrator.token_file.read_text().strip()
    context = _context(cluster)
    taken: dict[str, list[float | None]] = {"newcomer": [], "known": []}
    _call(address, context, _KNOWN, token)
    with _flood(address, rate) as flood:
        before, begun = cpu_seconds(cluster.pids["m8"]), time.monotonic()
        number = 0
        while time.monotonic() - begun < SECONDS:
            number += 1
            newcomer = f"127.{64 + number // 250}.0.{1 + number % 250}"
            taken["newcomer"].append(_call(address, context, newcomer, token))
            taken["known"].append(_call(address, context, _KNOWN, token))
            time.sleep(_PAUSE_S)
        lasted = time.monotonic() - begun
        used = cpu_seconds(cluster.pids["m8"]) - before
    sent = int(flood[0] if flood else 0)
    figures: dict[str, object] = {"m8_processors": round(used / lasted, 2), "hellos_a_second": round(sent / lasted)}
    for who, seconds in taken.items():
        ms = [one * 1_000 for one in seconds if one is not None]
        figures[who] = {
            "failed": len(seconds) - len(ms),
            "of": len(seconds),
            "p50_ms": round(p50(ms), 1) if ms else None,
            "most_ms": round(max(ms), 1) if ms else None,
        }
    return figures


def _kib_a_connection(cluster: Cluster) -> float:
    address, context = HostPort.parse(cluster.server), _context(cluster)
    token = cluster.administrator.token_file.read_text().strip()
    with contextlib.ExitStack() as held:
        before = rss_bytes(cluster.pids["m8"])
        for number in range(_IDLE):
            door = _door(address, context, f"127.96.0.{1 + number}")
            held.callback(door.close)
            _get_server(door, token)
        return round((rss_bytes(cluster.pids["m8"]) - before) / 1_024 / _IDLE, 1)


def _context(cluster: Cluster) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cluster.folder / "m8" / "ca.crt")


def _door(there: HostPort, context: ssl.SSLContext, address: str) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(
        there.host, there.port, timeout=SECONDS, source_address=(address, 0), context=context
    )


def _get_server(door: http.client.HTTPSConnection, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    door.request("POST", "/monoskope.api.gateway.v1.SecretQueryService/GetServer", b"{}", headers)
    answer = door.getresponse()
    answer.read()
    return answer.status == 200


def _call(there: HostPort, context: ssl.SSLContext, address: str, token: str) -> float | None:
    """Return how long a call over a connection of its own took, None if it got none."""
    begun = time.monotonic()
    with contextlib.closing(_door(there, context, address)) as door, contextlib.suppress(OSError):
        if _get_server(door, token):
            return time.monotonic() - begun
    return None


@contextlib.contextmanager
def _flood(address: HostPort, rate: int) -> Iterator[list[str]]:
    """Flood from another process as long as the block runs; then what is yielded has the number of hellos sent."""
    sent: list[str] = []
    if not rate:
        yield sent
        return
    command = [sys.executable, "-m", "bench.handshakes", address.host, str(address.port), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield sent
        finally:
            sent.append(process.communicate("")[0])


async def _send(host: str, port: int, rate: int) -> int:
    """Send copied ClientHellos until the input ends, and return how many."""
    hello, sent, begun = _client_hello(), 0, time.monotonic()
    sending: set[asyncio.Task[None]] = set()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done():
        while sent < (time.monotonic() - begun) * rate and len(sending) < rate:
            task = asyncio.create_task(_one(host, port, f"127.32.0.{1 + sent % ADDRESSES}", hello))
            sending.add(task)
            task.add_done_callback(sending.discard)
            sent += 1
        await asyncio.sleep(0.002)
    return sent - len(sending)


async def _one(host: str, port: int, address: str, hello: bytes) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as one, contextlib.suppress(OSError, TimeoutError):
        one.settimeout(0)
        one.bind((address, 0))
        await loop.sock_connect(one, (host, port))
        await loop.sock_sendall(one, hello)
        await asyncio.wait_for(loop.sock_recv(one, 1), 5)


def _client_hello() -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    return said.read()


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(str(asyncio.run(_send(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
    else:
        sys.stdout.write(json.dumps(measure()) + "\n")

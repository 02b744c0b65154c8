"""What a TLS connection that stays open takes of m8's memory."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from bench.figures import KIB, rss_bytes
from bench.progress import say
from monoskope.api.gateway.v1 import queries_pb2
from monoskope.testing.cluster import Cluster, editing
from tests.support.http_calls import Asked, Call, hang_up

_LIMITS = {f"{name}{of}": 4_096 for name in ("connections", "handshakes") for of in ("", "_per_address")}
"""So that all connections may come from one address, at once."""

_WARM = 32
"""Connections that are open before the memory is looked at first."""


def tls_connection_kib(folder: Path, connections: int) -> float:
    """Return the KiB by which a fresh m8 grows for each connection over which one call was made."""
    say(f"memory of {connections} TLS connections")
    with Cluster(folder) as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with editing(folder / "m8" / "m8.toml") as table:
            table["limits"] = _LIMITS
        cluster.start_m8()
        kib = asyncio.run(_grown(cluster, connections)) / KIB / connections
    say(f"  {kib:.0f} KiB each")
    return kib


async def _grown(cluster: Cluster, connections: int) -> int:
    tls = ssl.create_default_context(cafile=cluster.folder / "m8" / "ca.crt")
    token = cluster.administrator.token_file.read_text(encoding="ascii").strip()
    call = Call(cluster.server, queries_pb2.GetServerRequest(), (("authorization", f"Bearer {token}"),))
    before = 0
    for number in range(_WARM + connections):
        if number == _WARM:
            before = rss_bytes(cluster.pids["m8"])
        asked = await Asked.send(call.address, call.head(call.written()), call.written(), tls=tls)
        assert (await asked.head()).status == 200
    grown = rss_bytes(cluster.pids["m8"]) - before
    await hang_up()
    return grown

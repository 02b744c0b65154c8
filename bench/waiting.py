"""Key requests without an upload: what one waiting key takes, and what a flood of them does to somebody else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack

from bench.counts import Counts
from bench.figures import p99, rss_bytes
from bench.progress import say
from bench.world import STORE, World, put, settings_of
from monoskope.api.gateway.v1 import commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.errors import UnavailableError
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import Request, make_request
from monoskope.testing.cluster.commands import User
from monoskope.uri import SecretUri

_WAIT_S = 60.0


def new_request(path: str) -> Request:
    """Return a request to put something at `path`, under a new id."""
    return make_request(
        request_id=os.urandom(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse(f"{STORE}://{path}"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(SUITE_1,),
    )


def connect(user: User) -> Connection:
    """Return a connection of `user`'s own."""
    settings = settings_of(user)
    return Connection(settings.server, settings.ca_file, settings.token)


async def keys_alive_bytes(world: World, counts: Counts) -> int:
    """Return by how much a fresh, warm reactor grows for each key that waits."""
    say(f"memory of {counts.keys} waiting keys")
    world.restart_reactor()
    async with Client(settings_of(world.users[0])) as client:
        for _ in range(counts.few_uploads):
            await put(client, world.path())
    before = rss_bytes(world.reactor_pid)
    share, rest = divmod(counts.keys, len(world.users))
    await asyncio.gather(
        *(_wait_for_keys(world, user, share + (number < rest)) for number, user in enumerate(world.users))
    )
    grown = rss_bytes(world.reactor_pid) - before
    say(f"  {grown / 1_024:.0f} KiB")
    world.restart_reactor()
    return round(grown / counts.keys)


async def _wait_for_keys(world: World, user: User, keys: int) -> None:
    connection = connect(user)
    try:
        for _ in range(keys):
            request = new_request(world.path())
            ask = commands_pb2.RequestSecretUploadKeyRequest(request=request.content)
            await connection.call(methods.REQUEST_SECRET_UPLOAD_KEY, ask, _WAIT_S)
            query = queries_pb2.GetSecretUploadKeyRequest(request_id=request.request_id)
            answer = await connection.call(methods.GET_SECRET_UPLOAD_KEY, query, _WAIT_S)
            if not answer.HasField("grant"):
                raise UnavailableError(f"no key came: {upload_pb2.Reason.Name(answer.reason)}.")
    finally:
        await connection.close()


async def unlucky_ratio(world: World, counts: Counts) -> float:
    """Return the quiet user's p99 while another user floods m8, in that without; before and after it are one sample."""
    say(f"fairness: {counts.quiet_puts} puts, without and with a flood of {counts.flood} key requests")
    quiet, loud = world.new_user("quiet"), world.new_user("loud")
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(settings_of(quiet)))
        await _quiet_puts(world, client, counts.few_uploads)
        alone = await _quiet_puts(world, client, counts.quiet_puts // 2)
        with _flooding(loud, world.cluster.server, counts.flood) as flood:
            unlucky = await _quiet_puts(world, client, counts.quiet_puts)
            if flood.poll() is not None and flood.returncode != 0:
                raise UnavailableError("the flood failed.")
            still = flood.poll() is None
            flood.kill()
        world.restart_reactor()
        alone += await _quiet_puts(world, client, counts.quiet_puts - counts.quiet_puts // 2)
    say(
        f"  p99 {p99(unlucky) * 1_000:.0f} ms with, {p99(alone) * 1_000:.0f} ms without;"
        f" the flood {'was still waiting' if still else 'was over'} when the last put ended"
    )
    return p99(unlucky) / p99(alone)


def _flooding(user: User, server: str, requests: int) -> subprocess.Popen[bytes]:
    """Start the flood in a process of its own; returns when its first request was sent."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.flood", str(user.home), server, str(requests)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


async def _quiet_puts(world: World, client: Client, puts: int) -> list[float]:
    seconds = []
    for _ in range(puts):
        began = time.perf_counter()
        await put(client, world.path())
        seconds.append(time.perf_counter() - began)
    return seconds

"""What a user who asks for thousands of keys at once does to another user.

`python -m bench.fairness HOME SERVER REQUESTS` is that user, in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from bench.counts import Counts
from bench.figures import p99
from bench.progress import say
from bench.world import STORE, World, put, settings_of
from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, load_settings
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.errors import Error, UnavailableError
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import Request, make_request
from monoskope.testing.cluster.commands import User
from monoskope.uri import SecretUri

_WAIT_S = 600.0


def new_request(path: str) -> Request:
    """Return a request to put something at `path`, under a new id."""
    return make_request(
        request_id=os.urandom(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse(f"{STORE}://{path}"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(SUITE_1,),
    )


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
        [sys.executable, "-m", "bench.fairness", str(user.home), server, str(requests)], stdout=subprocess.PIPE
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


async def flood(home: Path, server: str, requests: int) -> Counter[str]:
    """Send all requests at once, say so, and return how often each answer came."""
    config = home / ".config" / "monoskope" / "config.toml"
    settings = load_settings(
        server=server, config=config, token_file=config.with_name("token"), environ={"HOME": str(home)}
    )
    connection = Connection(settings.server, settings.ca_file, settings.token)
    answers: Counter[str] = Counter()

    async def one(number: int) -> None:
        ask = commands_pb2.RequestSecretUploadKeyRequest(request=new_request(f"bench/flood-{number}").content)
        try:
            await connection.call(methods.REQUEST_SECRET_UPLOAD_KEY, ask, _WAIT_S)
            answers["recorded"] += 1
        except Error as error:
            answers[error.code.value] += 1

    asking = asyncio.gather(*(one(number) for number in range(requests)))
    await asyncio.sleep(0)
    print("flooding", flush=True)
    await asking
    return answers


if __name__ == "__main__":
    print(asyncio.run(flood(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))

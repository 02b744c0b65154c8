"""The client of a bare put: puts as often as each line of its input says, and answers each with the seconds as JSON.

`floor.frozen` copies this file beside the frozen code: of the bench it may import only what is in that commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import monoskope
from bench import bare_http
from bench.bare import ASK, ID_BYTES, UPLOAD, Cryptography, Step
from bench.counts import IN_FLIGHT
from bench.timing import each, together

_PATIENCE_S = 30.0
_REQUEST = bytes(200)


async def serve(home: Path, port: int, steps: Iterable[str]) -> None:
    """Say whose code this is, then obey `alone N` and `together N` until the input ends."""
    print(json.dumps(str(Path(monoskope.__file__).parent)), flush=True)
    async with AsyncExitStack() as stack:
        put = await _client(stack, home, port, Cryptography(on=Step.CRYPTOGRAPHY in set(steps)))
        # On a thread, so that connections are served meanwhile.
        while line := await asyncio.to_thread(sys.stdin.readline):
            how, puts = line.split()
            seconds = await (each(int(puts), lambda: put(0)) if how == "alone" else together(int(puts), put))
            print(json.dumps(seconds), flush=True)


async def _client(
    stack: AsyncExitStack, home: Path, port: int, cryptography: Cryptography
) -> Callable[[int], Awaitable[None]]:
    """Return what puts once in one of 16 lanes, each with a connection of its own, as 16 users have."""
    calls = [await stack.enter_async_context(bare_http.calls(home, port)) for _ in range(IN_FLIGHT)]

    async def put(lane: int) -> None:
        call, request_id = calls[lane], os.urandom(ID_BYTES)
        grant = cryptography.verified(await call(ASK, request_id + _REQUEST, _PATIENCE_S))
        cryptography.verified(await call(UPLOAD, request_id + cryptography.seal(grant), _PATIENCE_S))

    return put


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))

"""The reactor of a bare put: its messages, its two requests to the engine, and no rule about any of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from bench import bare_http
from bench.bare import RECEIPT, STARTED, Cryptography, Kind, Link, Message, Step
from bench.direct import Direct, Place, connected
from monoskope import event_loop


class Reactor:
    """Answers what the middle carries to it."""

    def __init__(self, link: Link, engine: Direct | None, cryptography: Cryptography) -> None:
        self._link = link
        self._engine = engine
        self._cryptography = cryptography
        self._keys: dict[bytes, MLKEM768X25519PrivateKey | None] = {}
        self._recorded: dict[bytes, asyncio.Future[None]] = {}

    def take(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """Note what was recorded, and return the work on everything else."""
        if message.kind is not Kind.RECORDED:
            return self._grant(message) if message.kind is Kind.ASKED else self._write(message)
        if (waiting := self._recorded.pop(message.request_id, None)) is not None:
            waiting.set_result(None)
        return None

    async def _grant(self, message: Message) -> None:
        self._keys[message.request_id], grant = self._cryptography.new_key()
        await self._send(Kind.GRANTED, message.request_id, grant)

    async def _write(self, message: Message) -> None:
        self._cryptography.open(message.body, self._keys.pop(message.request_id))
        path = f"bare/{message.request_id.hex()}"
        if self._engine is not None:
            await self._engine.look(path)
        self._recorded[message.request_id] = recorded = asyncio.get_running_loop().create_future()
        await self._send(Kind.STARTED, message.request_id, STARTED)
        await recorded
        if self._engine is not None:
            await self._engine.write(path)
        await self._send(Kind.ENDED, message.request_id, RECEIPT)

    async def _send(self, kind: Kind, request_id: bytes, content: bytes) -> None:
        await self._link.send(Message(kind, request_id, self._cryptography.sign(content)))


async def attach(home: Path, port: int, steps: Iterable[str]) -> None:
    """Attach, and serve until killed."""
    place = Place(**json.loads((home / "engine.json").read_text(encoding="utf-8")))
    on = set(steps)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(connected(place)) if Step.ENGINE in on else None
        link = Link(await bare_http.dial(home, port))
        await link.serve(Reactor(link, engine, Cryptography(on=Step.CRYPTOGRAPHY in on)).take)


if __name__ == "__main__":
    event_loop.run(attach(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))

"""The users of the load: each has a connection of its own, rests, and asks for one thing or another."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import time
from collections.abc import Awaitable, Callable

from monoskope.api.gateway.v1 import commands_pb2, log_pb2, queries_pb2
from monoskope.client.http import methods
from monoskope.client.http.on_asyncio import HttpTransport
from monoskope.client.http.transport import Roots, Transport, find_roots
from monoskope.errors import Error, NotReachedError
from tests.load.plan import Plan, Tally
from tests.support.vectors import a_request

CALL_S = 60.0
SEALED = (os.urandom(1_120), os.urandom(528))
KINDS = ("put", "get", "list", "versions", "server", "checkpoint")
WEIGHTS = (30, 25, 10, 10, 15, 10)
GREEDY_AT_ONCE = 16
NEW_EACH_S = 0.5
TRIES = 3
"""People try again where nothing was sent; a loaded machine may need longer for a handshake than one attempt waits."""


def transport(plan: Plan, roots: Roots) -> Transport:
    return HttpTransport(plan.server, roots, has_others=False)


class Caller:
    def __init__(self, name: str, store: str, token: str, way: Transport, tally: Tally) -> None:
        self.name, self._store, self._way, self._tally = name, store, way, tally
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._puts = 0

    async def do(self, kind: str, *, counted_as: str = "") -> bool:
        """Make one call, or the two calls of a put, and count it. Returns whether it was answered."""
        does: dict[str, Callable[[], Awaitable[object]]] = {
            "put": self._put,
            "get": lambda: self._call(methods.GET_SECRET, queries_pb2.GetSecretRequest(uri=self._uri(1))),
            "list": lambda: self._call(methods.LIST_SECRETS, queries_pb2.ListSecretsRequest(page_size=50)),
            "versions": lambda: self._call(
                methods.LIST_SECRET_VERSIONS, queries_pb2.ListSecretVersionsRequest(uri=self._uri(1))
            ),
            "server": lambda: self._call(methods.GET_SERVER, queries_pb2.GetServerRequest()),
            "checkpoint": lambda: self._call(methods.GET_CHECKPOINT, log_pb2.GetCheckpointRequest()),
        }
        began = time.monotonic()
        try:
            await does[kind]()
        except Error as error:
            self._tally.refuse(
                counted_as or kind, f"{error.code.value}: {error}"[:200] if self.name != "greedy" else error.code.value
            )
            return False
        self._tally.add(counted_as or kind, self.name, time.monotonic() - began)
        return True

    async def begin(self) -> None:
        """Connect, and put a first secret, so that every question has an answer. Not counted."""
        await self._put()

    async def _put(self) -> None:
        self._puts += 1
        request = a_request(uri=self._uri(self._puts))
        await self._call(
            methods.REQUEST_SECRET_UPLOAD_KEY,
            commands_pb2.RequestSecretUploadKeyRequest(request=request.content, wait=True),
        )
        sealed = commands_pb2.RequestUploadSecretRequest(
            request_id=request.request_id, encapsulated_key=SEALED[0], ciphertext=SEALED[1]
        )
        await self._call(methods.REQUEST_UPLOAD_SECRET, sealed)

    def _uri(self, number: int) -> str:
        return f"{self._store}://{self.name}/n{number}"

    async def _call(self, method: methods.Method[methods.R], request: object) -> methods.R:
        for _ in range(TRIES - 1):
            with contextlib.suppress(NotReachedError):
                return await self._way.call(method, request, CALL_S, self._metadata)  # type: ignore[arg-type]
            self._tally.again += 1
        return await self._way.call(method, request, CALL_S, self._metadata)  # type: ignore[arg-type]

    async def close(self) -> None:
        await self._way.close()


async def newcomers(plan: Plan, tally: Tally, ends_at: float) -> None:
    """Come anew every half second, with a new connection, and ask one thing."""
    roots = find_roots(plan.ca_file, "")
    for token in itertools.cycle(plan.users.values()):
        if time.monotonic() >= ends_at:
            return
        one = Caller("newcomer", "", token, transport(plan, roots), tally)
        await one.do("server", counted_as="newcomer")
        await one.close()
        await asyncio.sleep(NEW_EACH_S)


def store_of(plan: Plan, name: str) -> str:
    return plan.stores[int(name.lstrip("u") or 0) % len(plan.stores)] if name != "greedy" else plan.stores[0]


def callers(plan: Plan, half: int, tally: Tally) -> list[Caller]:
    """Return every second user, beginning with the first or the second."""
    roots = find_roots(plan.ca_file, "")
    mine = list(plan.users.items())[half::2]
    return [Caller(name, store_of(plan, name), token, transport(plan, roots), tally) for name, token in mine]


async def connect(everybody: list[Caller]) -> None:
    """Let all users connect, a few at a time."""
    few = asyncio.Semaphore(8)

    async def one(caller: Caller) -> None:
        async with few:
            await caller.begin()

    await asyncio.gather(*map(one, everybody))


async def rest_and_call(caller: Caller, plan: Plan, ends_at: float) -> None:
    """Call until the end, with rests in between as the seed says."""
    chance = random.Random(f"{plan.seed}/{caller.name}")
    while (pause := chance.expovariate(1 / plan.pause_s)) < ends_at - time.monotonic():
        await asyncio.sleep(pause)
        await caller.do(chance.choices(KINDS, WEIGHTS)[0])


async def greedy(plan: Plan, tally: Tally, ends_at: float) -> None:
    """Put without a rest, many at once, all as one subject. Who is refused comes back a tenth of a second later."""
    caller = Caller("greedy", plan.stores[0], plan.greedy, transport(plan, find_roots(plan.ca_file, "")), tally)

    async def lane() -> None:
        while time.monotonic() < ends_at:
            if not await caller.do("put"):
                await asyncio.sleep(0.1)

    await asyncio.gather(*(lane() for _ in range(GREEDY_AT_ONCE)))
    await caller.close()

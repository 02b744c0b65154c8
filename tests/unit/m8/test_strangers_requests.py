"""What m8 reads of a request before it knows who sent it, and how much of it afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.http.requests import Codec
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.methods import Kind, Method, methods
from monoskope.m8.service import policy
from monoskope.m8.service.policy import Needs
from tests.support.http_calls import Answered, Asked, Headers, ask
from tests.support.m8_user import PATIENCE_S, User
from tests.support.m8_world import World, a_world

OPEN = 3
"""How many uploads of one user may be under way here."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(sending_per_user=OPEN)) as world:
        yield world


def users_methods(world: World) -> list[Method]:
    return [method for method in methods(world.app).values() if method.kind is not Kind.ATTACHING]


def method_of(world: World, name: str) -> Method:
    return next(method for method in users_methods(world) if method.name == name)


async def refused(world: World, method: Method, body: bytes, headers: Headers) -> str:
    if method.kind is not Kind.STREAMING:
        kind = ("Content-Type", "application/proto")
        return str((await ask(world.address, "POST", method.path, kind, *headers, body=body)).json["code"])
    framed = bytes([0]) + len(body).to_bytes(4, "big") + body
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"POST {method.path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/connect+proto\r\n"
    asked = await Asked.send(world.address, f"{head}Content-Length: {len(framed)}\r\n{fields}", framed)
    answered = await asked.head()
    if "transfer-encoding" not in answered.headers:
        return str((await asked.rest(answered)).json["code"])
    return str(json.loads(b"".join([piece async for piece in asked.chunks()])[5:])["error"]["code"])


async def begun(world: World, method: Method, headers: Headers, body: bytes = b"", *, codec: Codec) -> Asked:
    """Send the head of the largest request of a method, and no more of it than `body`."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"POST {method.path} HTTP/1.1\r\nHost: a\r\nContent-Type: {codec.content_type(method.kind)}\r\n"
    return await Asked.send(world.address, f"{head}Content-Length: {codec.most_body(method)}\r\n{fields}", body)


async def test_no_method_is_reached_without_a_token_and_a_stranger_hears_nothing_of_its_request(world: World) -> None:
    token = world.administrator().token
    instead = [token, f"Basic {token}", f"Bearer {token}, Bearer {token}", f"Bearer {token[:-8]}AAAAAAAA", "Bearer"]
    strangers = [(), *[(("authorization", one),) for one in instead], (("authorization", f"Bearer {token}"),) * 2]
    open_to_all = [method.name for method in users_methods(world) if method.needs is Needs.NOTHING]
    assert open_to_all == ["ExchangeToken"]
    for method in (method for method in users_methods(world) if method.needs is not Needs.NOTHING):
        asks = [(b"", stranger) for stranger in strangers] + [(b"\xff", ()), (bytes(method.most_request + 1), ())]
        for said in await asyncio.gather(*(refused(world, method, *one) for one in asks)):
            # A body that is larger than any message is refused before the token is looked at.
            assert said in {"unauthenticated", "resource_exhausted"}, method.path


LACK: dict[Needs, list[str]] = {
    Needs.TOKEN: ["stranger", "scraper"],
    Needs.RIGHT: ["stranger", "scraper", "member", "administrator"],
    Needs.SEES_ALL: ["stranger", "scraper", "member", "user"],
    Needs.ADMINISTRATOR: ["stranger", "scraper", "member", "user", "auditor"],
}
"""Who lacks what a method needs. A member here is one whom no role binding names."""


@pytest.mark.parametrize("codec", Codec)
async def test_who_lacks_the_right_is_told_before_any_byte_of_the_request_is_sent(world: World, codec: Codec) -> None:
    """The head alone comes, of the largest request: an answer proves that nothing of the body was waited for."""
    asks = {
        "stranger": (),
        "scraper": world.user("prometheus", rights=frozenset(), role=events_pb2.ROLE_METRICS).headers,
        "member": world.member("user:corp:bob").headers,
        "user": world.user("anna", "vault://app").headers,
        "auditor": world.user("carla", rights=frozenset(), role=events_pb2.ROLE_AUDITOR).headers,
        "administrator": world.administrator().headers,
    }
    for method in users_methods(world):
        if method.kind is Kind.STREAMING:  # of 4 KiB, and open to every token
            assert method.needs is Needs.TOKEN
            assert method.most_request <= 4_096
            continue
        for who in LACK.get(method.needs, []):
            asked = await begun(world, method, asks[who], codec=codec)
            async with asyncio.timeout(PATIENCE_S):
                answered = await asked.whole()
            wanted = (401, "unauthenticated") if who == "stranger" else (403, "permission_denied")
            assert (answered.status, answered.json["code"]) == wanted, (method.name, who)


async def test_what_is_too_large_for_its_method_or_no_message_is_not_read(world: World) -> None:
    allowed = {Needs.RIGHT: world.user("anna", "vault://app").headers, Needs.NOTHING: ()}
    for method in users_methods(world):
        asks = allowed.get(method.needs, world.administrator().headers)
        assert await refused(world, method, b"\xff", asks) == "invalid_argument"
        too_large = b"\x2a\x00" * (method.most_request // 2 + 1)
        assert await refused(world, method, too_large, asks) == "resource_exhausted"


async def until_held(world: World, many: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(world.app.sending) != many:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["RequestUploadSecret", "ApplyRoleBindings"])
async def test_requests_that_do_not_end_take_the_places_of_their_user_and_no_others(world: World, name: str) -> None:
    method = method_of(world, name)
    anna: User = world.user("anna", "vault://app")
    if name == "ApplyRoleBindings":
        anna = world.user("anna", rights=frozenset(), role=events_pb2.ROLE_ADMINISTRATOR)
    unfinished = [await begun(world, method, anna.headers, b'{"', codec=Codec.JSON) for _ in range(OPEN)]
    await until_held(world, OPEN)
    async with asyncio.timeout(PATIENCE_S):
        refusal = await (await begun(world, method, anna.headers, b'{"', codec=Codec.JSON)).whole()
    assert (refusal.status, refusal.json["code"]) == (429, "resource_exhausted")
    bob = await begun(world, method, _other(world, name).headers, b"{}", codec=Codec.JSON)
    await until_held(world, OPEN + 1)
    for one in (*unfinished, bob):
        one.close()
    await until_held(world, 0)


def _other(world: World, name: str) -> User:
    return world.administrator() if name == "ApplyRoleBindings" else world.user("bob", "vault://app")


async def test_the_time_of_a_call_runs_while_its_request_comes(world: World) -> None:
    anna = world.user("anna", "vault://app").headers
    method = method_of(world, "RequestUploadSecret")
    asked = await begun(world, method, (*anna, ("Connect-Timeout-Ms", "50")), b"{", codec=Codec.JSON)
    async with asyncio.timeout(PATIENCE_S):
        answered: Answered = await asked.whole()
    assert (answered.status, answered.json["code"]) == (504, "deadline_exceeded")
    await until_held(world, 0)


async def test_a_token_revoked_while_its_request_comes_is_void(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "SOON_S", 0.0)
    issued = await world.app.issuing().issue(
        subject="anna", role=events_pb2.ROLE_USER, prefixes=["vault://app"], rights=[events_pb2.RIGHT_PUT], ttl_s=600
    )
    method = method_of(world, "RequestUploadSecret")
    asked = await begun(world, method, (("authorization", f"Bearer {issued.jwt}"),), b"{", codec=Codec.JSON)
    await until_held(world, 1)
    await world.app.issuing().revoke(issued.id)
    asked.writer.write(b"}".rjust(Codec.JSON.most_body(method) - 1))
    async with asyncio.timeout(PATIENCE_S):
        answered = await asked.whole()
    assert (answered.status, answered.json["code"]) == (401, "unauthenticated")

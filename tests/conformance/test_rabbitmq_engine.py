"""What a RabbitMQ does with the driver's requests: whom they serve, what they leave alone, and what its logs show."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreRefusedError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.rabbitmq_account.store import RabbitmqAccountStore
from monoskope.stores.shared.http import HttpAnswer
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.rabbitmq import RabbitMq
from monoskope.testing.parts import wait_until
from tests.conformance.rabbitmq_harness import RabbitmqHarness
from tests.faults.processes import stands_still


@pytest.fixture
async def harness(rabbitmq: RabbitMq, tmp_path: Path) -> AsyncIterator[RabbitmqHarness]:
    made = RabbitmqHarness(rabbitmq, tmp_path)
    async with made.stores:
        yield made


@pytest.fixture
async def store(harness: RabbitmqHarness) -> RabbitmqAccountStore:
    return await harness.opened()


def password() -> str:
    return secrets.token_urlsafe(24)


def payload(text: str) -> Payload:
    return Payload({"password": text.encode()})


async def put(store: RabbitmqAccountStore, name: str, text: str) -> str:
    return await store.write((name,), payload(text), replacing=None, write_tag=tag())


async def test_a_program_logs_in_with_the_newest_password_alone(
    harness: RabbitmqHarness, store: RabbitmqAccountStore
) -> None:
    name, first, second = harness.account(), password(), "".join(map(chr, range(0x21, 0x7F)))
    await put(store, name, first)
    assert await harness.logs_in(name, first)
    await put(store, name, second)
    assert await harness.logs_in(name, second)
    assert not await harness.logs_in(name, first)


async def test_nothing_but_the_password_changes(harness: RabbitmqHarness, store: RabbitmqAccountStore) -> None:
    """Tags, of one's own too, limits and permissions. And each write has a salt of its own."""
    name, text = harness.account(tags=["monitoring", "team a", "policymaker"]), password()
    server = harness.server
    server.api("PUT", f"user-limits/{name}/max-connections", {"value": 7})
    server.api("PUT", f"permissions/%2F/{name}", {"configure": "^a$", "write": "^b$", "read": ""})
    before = [server.api("GET", f"users/{name}{what}")[1] for what in ("", "/permissions")]
    assert before[0]["limits"] == {"max-connections": 7}
    salts = set()
    for _ in range(2):
        await put(store, name, text)
        user, permissions = (server.api("GET", f"users/{name}{what}")[1] for what in ("", "/permissions"))
        salts.add(b64decode(user["password_hash"])[:4])
        assert user | {"password_hash": ""} == before[0]
        assert permissions == before[1]
    assert len(salts) == 2


async def test_a_password_is_compared_whoever_set_it(harness: RabbitmqHarness, store: RabbitmqAccountStore) -> None:
    name, text, theirs = harness.account(), password(), password()
    assert await store.matches((name,), payload(text)) == (NOTHING, False)
    await put(store, name, text)
    assert (await store.matches((name,), payload(text)))[1]
    assert not (await store.matches((name,), payload(theirs)))[1]
    harness.server.put_user(name, password=theirs)
    assert (await store.matches((name,), payload(theirs)))[1]
    other = b"salt" + md5(b"salt" + text.encode()).digest()
    harness.server.put_user(
        name, password_hash=b64encode(other).decode(), hashing_algorithm="rabbit_password_hashing_md5"
    )
    assert await harness.logs_in(name, text)
    with pytest.raises(CannotReadError):
        await store.matches((name,), payload(text))
    with pytest.raises(CannotReadError):
        await store.read((name,))
    with pytest.raises(UnsupportedError):
        await store.write((name,), payload(text), replacing=NOTHING, write_tag=tag())


# --- whom it serves ---


async def test_an_administrator_is_no_account(harness: RabbitmqHarness, store: RabbitmqAccountStore) -> None:
    """Nothing is told of it, and nothing is changed."""
    text = password()
    name = harness.account(password=text, tags=["management", "administrator"])
    for asked in (store.read_version((name,)), store.matches((name,), payload(text)), put(store, name, password())):
        with pytest.raises(StoreRefusedError, match="rights that no account"):
            await asked
    assert await harness.logs_in(name, text)


@pytest.mark.parametrize("name", ["gone", "without-permissions", "bulk-delete"])
async def test_a_name_that_no_user_has_is_refused(
    harness: RabbitmqHarness, store: RabbitmqAccountStore, name: str
) -> None:
    """Also one that leads to another part of the API. No user is made."""
    before = harness.server.api("GET", "users")
    for asked in (store.read_version((name,)), put(store, name, password())):
        with pytest.raises(StoreRefusedError, match="no such user"):
            await asked
    assert harness.server.api("GET", "users") == before


async def test_a_user_that_is_deleted_meanwhile_is_an_unknown_end(
    harness: RabbitmqHarness, store: RabbitmqAccountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ makes it anew, as it was asked to: without permissions."""
    name = harness.account()

    async def deleted(method: str, *_: Any) -> None:
        if method == "PUT":
            harness.server.api("DELETE", f"users/{name}")

    _before_each_request(store, deleted, monkeypatch)
    with pytest.raises(UnknownOutcomeError):
        await put(store, name, password())
    assert harness.server.api("GET", f"users/{name}/permissions")[1] == []


# --- rights ---


@pytest.mark.parametrize("tags", [[], ["management"], ["policymaker"], ["monitoring"], ["impersonator"]])
async def test_each_smaller_right_is_too_little(
    harness: RabbitmqHarness, store: RabbitmqAccountStore, tags: list[str]
) -> None:
    """With all permissions, too. A new reactor does not start, and the health of one that runs says so.

    The suite shows that `administrator` without any permission is enough.
    """
    name, server = harness.account(), harness.server
    server.put_user(harness.user, password=harness.password, tags=tags)
    server.api("PUT", f"permissions/%2F/{harness.user}", {"configure": ".*", "write": ".*", "read": ".*"})
    for asked in (harness.opened(), store.health(), store.read_version((name,)), put(store, name, password())):
        with pytest.raises(StoreRefusedError, match="as an administrator"):
            await asked
    assert server.api("GET", f"users/{name}")[1]["password_hash"] == ""


async def test_what_the_policy_prints_is_enough(harness: RabbitmqHarness) -> None:
    harness.server.put_user(harness.user, password=harness.password)
    harness.server.shell(RabbitmqAccountStore.policy(harness.config(), (("app_*",),)))
    name, text = harness.account(), password()
    await put(await harness.opened(), name, text)
    assert await harness.logs_in(name, text)


# --- requests and logs ---


async def test_no_password_is_in_a_request_or_in_the_servers_logs_whatever_it_logs(
    harness: RabbitmqHarness, store: RabbitmqAccountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to debug."""
    name, texts = harness.account(), [password() for _ in range(3)]
    sent: list[bytes] = []

    async def seen(*request: Any) -> None:
        sent.append(repr(request).encode())

    _before_each_request(store, seen, monkeypatch)
    await put(store, name, texts[0])
    await store.matches((name,), payload(texts[1]))
    with pytest.raises(StoreRefusedError):
        await put(store, f"{name}x", texts[2])
    assert await harness.logs_in(name, texts[0])
    kept = harness.server.api("GET", f"users/{name}")[1]["password_hash"]
    said = f"User '{name}' authenticated successfully".encode()
    # At the level debug, in the order of what happened, and some time after it.
    wait_until(lambda: said in harness.server.logged(), what="RabbitMQ logs the login")
    assert kept in str(sent)
    assert [text for text in texts if text.encode() in b"".join([*sent, harness.server.logged()])] == []


# --- what breaks ---


async def test_a_lost_answer_is_an_unknown_end_and_the_same_again_repairs_it(
    harness: RabbitmqHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ stands still when it is to write, and its answer is not waited for."""
    store, name, text, pid = await harness.opened(), harness.account(), password(), harness.server.pid
    assert pid is not None

    async def stopped(method: str, *_: Any) -> None:
        if method != "PUT":
            return
        os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(wait_until, lambda: stands_still(harness.server), what="RabbitMQ stands still")
        monkeypatch.setattr(store._users, "_config", harness.config(timeout_s=1.0))

    _before_each_request(store, stopped, monkeypatch)
    try:
        with pytest.raises(UnknownOutcomeError):
            await put(store, name, text)
    finally:
        os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    async with asyncio.timeout(60):
        while not (await store.matches((name,), payload(text)))[1]:
            await put(store, name, text)
    assert await harness.logs_in(name, text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca_file": None}, "certificate is not trusted"),
        ({"address": "https://localhost.invalid:1"}, "does not answer"),
        ({"user": "nobody"}, "does not let the reactor's user in"),
    ],
)
async def test_what_is_wrong_at_the_start_is_told(harness: RabbitmqHarness, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DriverError, match=said) as refused:
        await harness.opened(**changes)
    assert harness.password not in f"{refused.value!r} {refused.value.__context__!r}"


def _before_each_request(store: RabbitmqAccountStore, happens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = store._users.exchange

    async def slowly(*request: Any, **rest: Any) -> HttpAnswer:
        await happens(*request)
        return await exchange(*request, **rest)

    monkeypatch.setattr(store._users, "exchange", slowly)

"""What two nodes of a Redis do with the driver's commands: rights, logs, restarts, and nodes that are away."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.redis_account.store import RedisAccountStore
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.redis import Redis
from monoskope.testing.parts import wait_until
from tests.conformance.redis_harness import RedisHarness
from tests.faults.tcp_proxy import proxy
from tests.support.certificates import client_certificate
from tests.support.sockets import sockets_closed


@pytest.fixture
async def harness(redis_nodes: tuple[Redis, Redis], tmp_path: Path) -> AsyncIterator[RedisHarness]:
    async with sockets_closed(), proxy(redis_nodes[1].port) as gate:
        made = RedisHarness(redis_nodes, tmp_path, gate)
        async with made.stores:
            yield made


@pytest.fixture
async def store(harness: RedisHarness) -> RedisAccountStore:
    return await harness.opened()


def password() -> str:
    return secrets.token_urlsafe(24)


def payload(text: str) -> Payload:
    return Payload({"password": text.encode()})


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def put(store: RedisAccountStore, name: str, text: str) -> str:
    return await store.write((name,), payload(text), replacing=None, write_tag=tag())


async def is_there(store: RedisAccountStore, name: str, text: str) -> bool:
    return (await store.matches((name,), payload(text)))[1]


async def test_a_program_logs_in_with_the_newest_password_alone_also_after_a_restart(
    harness: RedisHarness, store: RedisAccountStore
) -> None:
    """On the replica, too, to which Redis copies no account."""
    name, first, second = harness.account(), password(), "".join(map(chr, range(0x21, 0x7F)))
    await put(store, name, first)
    assert await harness.logs_in(name, first)
    await put(store, name, second)
    for node in harness.nodes:
        node.kill()
        node.start()
    assert await harness.logs_in(name, second)
    assert not await harness.logs_in(name, first)


@pytest.mark.parametrize("rules", ["on ~app:* +@read &news", "off >old >older +get (+set ~x:*)", "on nopass allkeys"])
async def test_all_else_of_an_account_stays(harness: RedisHarness, store: RedisAccountStore, rules: str) -> None:
    """An account that is locked stays so. Other passwords, and that any will do, are taken away."""
    name, text = harness.account(rules), password()

    def rights() -> list[list[str]]:
        lines = [line.split() for told in harness.run("ACL LIST") for line in told.splitlines()]
        return [[word for word in line if word[0] != "#" and word != "nopass"] for line in lines if line[1] == name]

    before = rights()
    assert (await store.read_version((name,)) == NOTHING) == ("pass" not in rules and ">" not in rules)
    await put(store, name, text)
    assert rights() == before
    assert await harness.logs_in(name, text) == rules.startswith("on")
    assert not await harness.logs_in(name, password())


async def test_a_password_is_compared_whoever_set_it(harness: RedisHarness, store: RedisAccountStore) -> None:
    name, text, theirs = harness.account(), password(), password()
    assert await store.matches((name,), payload(text)) == (NOTHING, False)
    await put(store, name, text)
    assert await is_there(store, name, text)
    assert not await is_there(store, name, theirs)
    harness.run(f"ACL SETUSER {name} resetpass >{theirs}")
    assert await is_there(store, name, theirs)
    with pytest.raises(CannotReadError):
        await store.read((name,))
    with pytest.raises(UnsupportedError):
        await store.write((name,), payload(text), replacing=NOTHING, write_tag=tag())


@pytest.mark.parametrize("change", ["resetpass >{other}", "resetpass", ">{other}", "nopass"])
async def test_what_is_on_one_node_alone_is_not_there_and_a_put_mends_it(
    harness: RedisHarness, store: RedisAccountStore, change: str
) -> None:
    """Nor is a password beside which another one lets in."""
    name, text, other = harness.account(), password(), password()
    await put(store, name, text)
    harness.nodes[1].run(f"ACL SETUSER {name} {change.format(other=other)}")
    version, is_same = await store.matches((name,), payload(text))
    assert (version != NOTHING, is_same) == (True, False)
    await put(store, name, text)
    assert await is_there(store, name, text)
    assert not await harness.logs_in(name, other)


# --- what breaks ---


@contextmanager
def unsaved(node: Redis) -> Iterator[None]:
    """As on a full disk: the node cannot write its ACL file."""
    away = node.acl_file.parent.rename(node.folder / "away")
    try:
        yield
    finally:
        away.rename(node.acl_file.parent)


async def test_what_can_be_known_before_ends_before_any_node_is_written(
    harness: RedisHarness, store: RedisAccountStore
) -> None:
    name, text = harness.account(), password()
    await put(store, name, text)
    primary, replica = harness.nodes
    with unsaved(replica), pytest.raises(StoreRefusedError, match="cannot save"):
        await put(store, name, password())
    await harness.take_down()
    with pytest.raises(StoreUnavailableError):
        await put(store, name, password())
    await harness.bring_up()
    replica.run(f"ACL DELUSER {name}")
    for asked in (put(store, name, password()), store.read_version((name,)), is_there(store, name, text)):
        with pytest.raises(StoreRefusedError, match="has no such account") as refused:
            await asked
        assert f":{harness.config().nodes[1].rpartition(':')[2]}" in refused.value.fix, "it says on which node"
    assert harness.lets_in(primary, name, text)
    assert name not in replica.run("ACL USERS")


Sent = list[list[tuple[str, ...]]]


def sent_by(
    store: RedisAccountStore,
    monkeypatch: pytest.MonkeyPatch,
    before_acts: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Sent:
    """Return what is sent to each node from now on. Before the second lot `before_acts` runs."""
    each, sent = store._nodes._each, Sent()

    async def spied(connections: Any, commands: Any) -> Any:
        sent.append(list(commands))
        if before_acts is not None and len(sent) == 2:
            await before_acts()
        return await each(connections, commands)

    monkeypatch.setattr(store._nodes, "_each", spied)
    return sent


@pytest.mark.parametrize("what", ["a node dies", "a node is silent", "a node cannot save"])
async def test_what_is_done_in_part_is_an_unknown_end_and_the_same_again_repairs_it(
    harness: RedisHarness, store: RedisAccountStore, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """What one node took and could not save is not said to be there: it would be gone after a restart."""
    name, first, text = harness.account(), password(), password()
    await put(store, name, first)
    replica = harness.nodes[1]
    broken = unsaved(replica)

    async def silent() -> None:
        assert harness.gate is not None
        harness.gate.passes.clear()
        store._nodes._config = harness.config(timeout_s=0.2)

    async def full() -> None:
        broken.__enter__()

    sent_by(store, monkeypatch, {"a node dies": harness.take_down, "a node is silent": silent}.get(what, full))
    with pytest.raises(UnknownOutcomeError):
        await put(store, name, text)
    if what == "a node cannot save":
        assert await harness.logs_in(name, text)
        with pytest.raises(StoreRefusedError, match="cannot save"):
            await is_there(store, name, text)
        broken.__exit__(None, None, None)
    else:
        assert harness.lets_in(replica, name, first)
        assert harness.gate is not None
        harness.gate.mend()
        await harness.bring_up()
    store = await harness.opened()
    if not await is_there(store, name, text):
        await put(store, name, text)
    replica.kill()
    replica.start()
    assert await harness.logs_in(name, text)
    assert not await harness.logs_in(name, first)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca_file": None}, "certificate of the database is not trusted"),
        ({"nodes": ["localhost.invalid:1"]}, "does not answer"),
        ({"user": "nobody"}, "does not let the reactor's account in"),
    ],
)
async def test_what_is_wrong_at_the_start_is_told(harness: RedisHarness, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DriverError, match=said) as refused:
        await harness.opened(**changes)
    assert harness.password not in f"{refused.value!r} {refused.value.__context__!r}"
    assert refused.value.__context__ is None


async def test_a_node_that_keeps_no_accounts_is_told_at_the_start(harness: RedisHarness) -> None:
    with unsaved(harness.nodes[1]), pytest.raises(StoreRefusedError, match="cannot save"):
        await harness.opened()


async def test_a_node_that_asks_for_a_certificate_is_shown_one(harness: RedisHarness) -> None:
    """Redis asks for one unless it is told not to."""
    replica, (certificate, key) = harness.nodes[1], client_certificate(harness.user)
    files = {"certificate_file": harness.folder / "own.pem", "key_file": harness.folder / "own.key"}
    for file, content in zip(files.values(), (certificate, key), strict=True):
        write_private(file, content.encode())
    shown = {field: str(file) for field, file in files.items()}
    authority = harness.folder / "authority.pem"
    authority.write_bytes(certificate.encode() + replica.trusted.read_bytes())
    replica.run(f"CONFIG SET tls-ca-cert-file {authority} tls-auth-clients yes")
    try:
        with pytest.raises(StoreUnavailableError) as refused:
            await harness.opened()
        assert "tls-auth-clients" in refused.value.fix
        store, name, text = await harness.opened(**shown), harness.account(), password()
        await put(store, name, text)
        assert await is_there(store, name, text)
    finally:
        replica.run(f"CONFIG SET tls-ca-cert-file {replica.trusted} tls-auth-clients no")
    assert await harness.logs_in(name, text)


async def test_over_a_socket_no_tls_is_needed(harness: RedisHarness) -> None:
    name, text = harness.account(), password()
    sockets = [str(node.folder / "socket") for node in harness.nodes]
    await put(await harness.opened(nodes=sockets, ca_file=None), name, text)
    assert await harness.logs_in(name, text)


# --- rights ---


@pytest.mark.parametrize("right", ["getuser", "setuser", "save"])
async def test_each_right_less_is_too_little(harness: RedisHarness, store: RedisAccountStore, right: str) -> None:
    """A new reactor does not start, and one that runs writes to no node. The suite shows that all is enough."""
    name, text = harness.account(), password()
    await put(store, name, text)
    harness.nodes[1].run(f"ACL SETUSER {harness.user} -acl|{right}")
    for asked in (harness.opened(), put(store, name, password())):
        with pytest.raises(StoreRefusedError, match="may not do in the database"):
            await asked
    assert await harness.logs_in(name, text)


async def test_the_reactors_account_has_no_other_right_until_it_gives_itself_one(harness: RedisHarness) -> None:
    """Redis knows no smaller right than this, as the docs say."""
    primary = harness.nodes[0]
    with harness.connect(primary, harness.user, harness.password) as stolen:
        for command in (("GET", "x"), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("ACL", "DELUSER", "x"), ("MONITOR",)):
            with pytest.raises(redis.exceptions.NoPermissionError):
                stolen.execute_command(*command)
        stolen.execute_command("ACL", "SETUSER", harness.user, "+@all", "allkeys")
        assert stolen.execute_command("GET", "x") is None


# --- the logs ---


async def test_no_password_is_sent_nor_in_what_a_node_logs_or_shows(
    harness: RedisHarness, store: RedisAccountStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In its log, MONITOR, SLOWLOG and ACL LOG not even the hash is; that is sent, and lies in the ACL file alone."""
    sent = sent_by(store, monkeypatch)
    name, texts = harness.account(), [password() for _ in range(3)]
    with watched(harness.nodes, tmp_path) as shown:
        await put(store, name, texts[0])
        await is_there(store, name, texts[1])
        with pytest.raises(StoreRefusedError):
            await put(store, f"{name}x", texts[2])
        assert not await harness.logs_in(name, texts[1])
    assert digest(texts[0]) in f"{sent}"
    assert [text for text in texts if text in f"{sent}"] == []
    for node in harness.nodes:
        told = node.run("SLOWLOG GET 100000\nACL LOG 10000\nINFO everything")
        logged = "".join([told, node.log_file.read_text(encoding="utf-8", errors="replace"), *shown])
        assert "getuser" in logged.lower()
        assert f"username\n{name}" in told, "the login that was refused is in ACL LOG"
        for text in (*texts, harness.password):
            assert text not in logged
            assert digest(text) not in logged
        assert digest(texts[0]) in node.acl_file.read_text(encoding="utf-8")
        files = [file.read_bytes() for file in node.folder.rglob("*") if file.is_file()]
        assert [text for text in texts if any(text.encode() in content for content in files)] == []


@contextmanager
def watched(nodes: tuple[Redis, Redis], folder: Path) -> Iterator[list[str]]:
    """Yield a list that is filled at the end with what MONITOR showed of each node meanwhile."""
    shown: list[str] = []
    files = [folder / f"monitor-{node.port}" for node in nodes]
    watching = [node.watch(file) for node, file in zip(nodes, files, strict=True)]
    try:
        for file in files:
            wait_for(file, "OK")
        yield shown
        for node, file in zip(nodes, files, strict=True):
            node.run("ECHO the-end")
            wait_for(file, "the-end")
    finally:
        for process in watching:
            process.kill()
            process.wait()
    shown += [file.read_text(encoding="utf-8") for file in files]


def wait_for(file: Path, word: str) -> None:
    wait_until(lambda: word in file.read_text(encoding="utf-8"), what=f"MONITOR shows {word}")

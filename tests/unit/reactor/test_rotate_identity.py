"""`m8 reactor rotate-identity`: one command, another one at the end, and what m8 must say before each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error, LogMismatchError, RefusedError, UsageError
from monoskope.protocol.identity import Tree, open_rotation
from monoskope.reactor import rotate_identity, settings
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link import look as looking
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Link, SessionEndedError
from monoskope.testing.scripted.log import ScriptedLog
from tests.support.fake_reactor import FakeReactor
from tests.support.real_m8 import RealM8, serving
from tests.unit.reactor.commands import init, typed


@asynccontextmanager
async def store(tmp_path: Path) -> AsyncIterator[tuple[RealM8, Path]]:
    """Serve an m8 with the store of a reactor's folder."""
    folder = tmp_path / "reactor"
    async with serving(tmp_path, store="local") as m8:
        await m8.create(init(folder, server=m8.server), kind="age")
        typed("fingerprint-key", "new", folder)
        yield m8, folder


async def attached(m8: RealM8, folder: Path) -> FakeReactor:
    """Attach a replica of the store, with the identity that the folder has now."""
    identity = Identity.load(folder, store="local")
    replica = m8.world.reactor(identity, store="local")
    await replica.open()
    login = replica.login(kind="age")
    login.rotations.extend(identity.rotations)
    await replica.attach(login)
    return replica


async def test_a_store_is_rotated_once_nobody_serves_it_and_finished_once_somebody_does_again(tmp_path: Path) -> None:
    async with store(tmp_path) as (m8, folder):
        replica = await attached(m8, folder)
        before = await m8.world.app.log.head()
        with pytest.raises(Error, match=r"1 process is attached to m8 for the store local") as refused:
            await asyncio.to_thread(rotate_identity.begin, folder)
        assert "Stop all replicas" in refused.value.fix
        assert await m8.world.app.log.head() == before  # to look is no event
        await replica.half_close()
        await m8.detached()
        former = Identity.load(folder, store="local").shown
        made, said = await asyncio.to_thread(rotate_identity.begin, folder)
        assert Identity.load(folder, store="local").shown == made.shown != former
        assert "m8 has no witnessed log" in said
        with pytest.raises(Error, match="no process serves the store local under its new identity"):
            await asyncio.to_thread(rotate_identity.serving, folder)
        await attached(m8, folder)
        assert await asyncio.to_thread(rotate_identity.serving, folder) == 1
        finished = await asyncio.to_thread(typed, "rotate-identity", folder, "--finish", "--yes")
        assert "The former key is deleted here" in finished.output
        assert not (folder / "identity.key.former").exists()
        with pytest.raises(UsageError, match="no rotation waits"):
            await asyncio.to_thread(rotate_identity.serving, folder)


async def test_nothing_is_rotated_if_a_replica_came_back_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reactor"
    init(folder)
    typed("fingerprint-key", "new", folder)
    looks = iter([reactor_pb2.StoreLook(), reactor_pb2.StoreLook(replicas=[bytes(16)])])

    async def seen(_: Endpoint, **_rest: object) -> reactor_pb2.StoreLook:
        return next(looks)

    async def no_tree(*_: object, **_rest: object) -> None:
        return None

    monkeypatch.setattr(rotate_identity, "look", seen)
    monkeypatch.setattr(rotate_identity, "tree_now", no_tree)
    with pytest.raises(Error, match="1 process is attached"):
        await asyncio.to_thread(rotate_identity.begin, folder)
    assert not (folder / "rotations").exists()


async def test_nothing_is_rotated_while_something_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "reactor"
    init(folder)
    typed("fingerprint-key", "new", folder)

    async def writing(_: Endpoint, **_rest: object) -> reactor_pb2.StoreLook:
        return reactor_pb2.StoreLook(writing=2)

    monkeypatch.setattr(rotate_identity, "look", writing)
    with pytest.raises(Error, match="2 requests are being written in the store local"):
        await asyncio.to_thread(rotate_identity.begin, folder)
    assert not (folder / "identity.key.next").exists()


def test_without_m8_nothing_is_rotated(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    before = init(folder, server="localhost:1")
    typed("fingerprint-key", "new", folder)
    (tmp_path / "ca.crt").write_text("")
    assert typed("rotate-identity", folder, "--yes").exit_code != 0
    assert typed("identity", folder).output == f"{before}\n"


class Telling:
    """m8 at the other end of a link: it answers each look with the next of its answers."""

    def __init__(self, *answers: reactor_pb2.StoreLook) -> None:
        self._answers: Iterator[reactor_pb2.StoreLook] = iter(answers)
        self.asked: list[int] = []
        self._first = True

    @asynccontextmanager
    async def link(self, _: Endpoint) -> AsyncIterator[Link]:
        self._first = True
        yield Link(self)

    async def receive(self) -> bytes:
        if self._first:
            self._first = False
            return reactor_pb2.AttachResponse(challenge=bytes(32)).SerializeToString()
        return reactor_pb2.AttachResponse(look=next(self._answers)).SerializeToString()

    async def send(self, message: bytes | str) -> None:
        assert isinstance(message, bytes)
        self.asked.append(reactor_pb2.AttachRequest.FromString(message).look.size)

    close_code = 0
    is_silent = False


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    identity = store_identity.make(tmp_path, store="local")
    return Endpoint(("m8:1",), tmp_path, identity, b"", "0" * 16, "age", events_pb2.StoreCapabilities)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_PAUSE_S", 0.0)


LOG = ScriptedLog(5)


async def test_the_tree_covers_all_that_is_recorded_when_the_rotation_begins(endpoint: Endpoint) -> None:
    m8 = Telling(
        reactor_pb2.StoreLook(position=5, note=LOG.note(3)),
        reactor_pb2.StoreLook(position=6, later=True),
        reactor_pb2.StoreLook(position=7, note=LOG.note(5)),
    )
    tree = await looking.tree_now(endpoint, LOG.vkeys, link=m8.link)
    assert tree == Tree(5, LOG.checkpoint(5).root)
    assert m8.asked == [0, 5, 5]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reactor_pb2.StoreLook(note=LOG.note(4)), SessionEndedError),
        (reactor_pb2.StoreLook(note=ScriptedLog(5).note(5)), LogMismatchError),
        (reactor_pb2.StoreLook(note=b"no note"), UsageError),
        (reactor_pb2.StoreLook(), RefusedError),
    ],
    ids=["a smaller tree", "another log's tree", "no note", "none where one is pinned"],
)
async def test_no_other_tree_is_taken(endpoint: Endpoint, answer: reactor_pb2.StoreLook, error: type[Error]) -> None:
    m8 = Telling(reactor_pb2.StoreLook(position=5), answer)
    with pytest.raises(error):
        await looking.tree_now(endpoint, LOG.vkeys, link=m8.link)


async def test_without_a_witnessed_log_there_is_no_tree(endpoint: Endpoint) -> None:
    m8 = Telling(reactor_pb2.StoreLook(position=5), reactor_pb2.StoreLook(position=5))
    assert await looking.tree_now(endpoint, (), link=m8.link) is None


def test_the_command_names_the_tree_in_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, tree = tmp_path / "reactor", Tree(5, LOG.checkpoint(5).root)
    init(folder)
    typed("fingerprint-key", "new", folder)
    file = folder / "reactor.toml"
    file.write_text(f"log_vkeys = {LOG.vkeys}\n{file.read_text()}")
    assert settings.read_file(folder).log_vkeys == LOG.vkeys

    async def drained(_: Endpoint, vkeys: object) -> Tree:
        assert list(vkeys) == LOG.vkeys  # type: ignore[call-overload]
        return tree

    monkeypatch.setattr(rotate_identity, "_drained", drained)
    done = typed("rotate-identity", folder, "--yes")
    made = Identity.load(folder, store="local")
    assert done.stdout == f"{made.shown}\n"
    assert "--finish" in done.stderr
    assert open_rotation(made.rotations[0], store="local").tree == tree
    assert isinstance(typed("rotate-identity", folder, "--yes").exception, UsageError)  # not twice by mistake


def test_keys_of_a_log_that_are_none_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    init(folder)
    file = folder / "reactor.toml"
    file.write_text(f'log_vkeys = ["x"]\n{file.read_text()}')
    with pytest.raises(UsageError, match="log_vkeys"):
        settings.read(folder)

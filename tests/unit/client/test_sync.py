"""The synchronous client: all that the asynchronous one has, for any thread, with or without an event loop."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

import monoskope
from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.client import Client, SyncClient
from monoskope.client.administration import Stores
from monoskope.client.loop_thread import LoopThread
from monoskope.client.sync import SyncStores
from monoskope.errors import NotFoundError, UsageError
from monoskope.testing.scripted.client import pinned, settings_for, token
from monoskope.testing.scripted.m8 import ScriptedM8
from tools import sync_client

VALUES = {"password": b"correct horse battery staple"}


class Watched(ScriptedM8):
    """Streams events without an end, and answers administrators."""

    def watched(self) -> Iterator[views_pb2.EventSummary]:
        for position in range(1, 1_000):
            yield views_pb2.EventSummary(position=position)

    def more(self, method: str, message: Message) -> Message:
        if isinstance(message, commands_pb2.ActivateSecretStoreRequest):
            return commands_pb2.ActivateSecretStoreResponse(store=self.stores["vault"])
        if isinstance(message, queries_pb2.GetServerRequest):
            return queries_pb2.GetServerResponse(subject="alice")
        return super().more(method, message)


@pytest.fixture
def m8(tmp_path: Path) -> Iterator[Watched]:
    scripted = Watched()
    with scripted.serving_in_thread(tmp_path):
        pinned(scripted, tmp_path)
        yield scripted


@contextmanager
def opened(m8: ScriptedM8, folder: Path, **given: Any) -> Iterator[SyncClient]:
    client = SyncClient(settings_for(m8, folder), system_known_stores=folder / "none", pause_s=0.001, **given)
    with client:
        yield client


def public(kind: type) -> dict[str, Any]:
    members = inspect.getmembers(kind, callable)
    return {name: member for name, member in members if not name.startswith("_")}


@pytest.mark.parametrize(("twin", "of"), [(SyncClient, Client), (SyncStores, Stores)])
def test_every_method_has_its_twin_with_its_signature_and_its_words(twin: type, of: type) -> None:
    """If this fails, a method was added or changed: run `make generate`."""
    theirs, ours = public(of), public(twin)

    assert ours.keys() == theirs.keys()
    for name, method in theirs.items():
        wanted, found = inspect.signature(method), inspect.signature(ours[name])
        assert found.parameters == wanted.parameters, name
        if wanted.return_annotation.startswith("AsyncIterator"):
            assert f"Async{found.return_annotation}" == wanted.return_annotation, name
        else:
            assert found.return_annotation == wanted.return_annotation, name
        assert inspect.getdoc(ours[name]) == inspect.getdoc(method)


def test_what_is_committed_is_what_would_be_generated() -> None:
    assert sync_client.TWIN.read_text(encoding="utf-8") == sync_client.render()


def test_the_package_says_its_version() -> None:
    assert monoskope.__version__.count(".") == 2
    assert monoskope.client.__version__ == monoskope.__version__
    with pytest.raises(AttributeError, match="no attribute"):
        monoskope.__getattr__("nothing")


def test_a_put_a_list_and_an_error(m8: Watched, tmp_path: Path) -> None:
    stages: list[str] = []
    with opened(m8, tmp_path, observe=lambda progress: stages.append(progress.stage.name)) as client:
        assert client.put_secret("vault://app/db", VALUES).outcome == "UPLOADED"
        assert client.stores.activate("vault").name == "vault"
        with pytest.raises(NotFoundError, match="nowhere"):
            client.put_secret("nowhere://app/db", VALUES)
    assert stages == ["ASKING", "SENT", "ENDED"]
    assert token("alice") not in repr(client)


def test_a_stream_is_left_when_its_reader_leaves(m8: Watched, tmp_path: Path) -> None:
    with opened(m8, tmp_path) as client:
        seen = []
        for event in client.watch_events():
            seen.append(event.position)
            if len(seen) == 3:
                break
        assert seen == [1, 2, 3]
        assert client.get_server().subject == "alice"


def test_many_threads_use_one_client(m8: Watched, tmp_path: Path) -> None:
    with opened(m8, tmp_path) as client, ThreadPoolExecutor(8) as threads:
        uris = [f"vault://app/{number}" for number in range(24)]
        results = list(threads.map(lambda uri: client.put_secret(uri, VALUES), uris))

    assert [result.uri for result in results] == uris


async def test_it_works_where_an_event_loop_runs(m8: Watched, tmp_path: Path) -> None:
    with opened(m8, tmp_path) as client:
        assert client.put_secret("vault://app/db", VALUES).outcome == "UPLOADED"


def test_it_is_used_while_it_is_open(m8: Watched, tmp_path: Path) -> None:
    client = SyncClient(settings_for(m8, tmp_path))
    with pytest.raises(UsageError, match="not open") as caught:
        client.put_secret("vault://app/db", VALUES)
    assert "with SyncClient()" in caught.value.fix
    with opened(m8, tmp_path) as client:
        with pytest.raises(UsageError, match="open already"):
            client.__enter__()
        client.put_secret("vault://app/db", VALUES)
    with pytest.raises(UsageError, match="not open"):
        list(client.watch_events())
    assert "monoskope-client" not in [thread.name for thread in threading.enumerate()]


def test_its_own_callback_is_refused_and_does_not_hang(m8: Watched, tmp_path: Path) -> None:
    caught: list[UsageError] = []

    def observe(_: object) -> None:
        try:
            client.get_server()
        except UsageError as error:
            caught.append(error)

    with opened(m8, tmp_path, observe=observe) as client:
        client.put_secret("vault://app/db", VALUES)
    assert "an observer" in caught[0].message


def test_a_forked_process_is_told_to_open_its_own(m8: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(m8, tmp_path) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(UsageError, match="forked"):
                client.get_server()
        assert client.get_server().subject == "alice"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_forked_with_an_open_client_can_open_its_own(m8: Watched, tmp_path: Path) -> None:
    program = """
import os
from monoskope.client import SyncClient

def forked():
    if os.fork() == 0:
        with SyncClient() as own:
            print(own.get_server().subject, flush=True)
        os._exit(0)
    print(os.wait()[1], flush=True)

with SyncClient() as client:
    client.get_server()
    forked()
    client.get_server()
forked()
"""
    environment = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(monoskope.__file__).parents[1]),
        "MONOCTL_SERVER": m8.server,
        "MONOCTL_CA_FILE": str(m8.ca_file),
        "MONOCTL_TOKEN": token("alice"),
    }
    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.splitlines() == ["alice", "0", "alice", "0"], ran.stderr


def test_ctrl_c_cancels_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio  # noqa: PLC0415
    import concurrent.futures  # noqa: PLC0415

    loop, begun, cancelled = LoopThread(), threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupted(_: object) -> None:
        begun.wait()
        raise KeyboardInterrupt

    loop.start()
    with monkeypatch.context() as patch:
        patch.setattr(concurrent.futures.Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(wait())
    cancelled.wait()
    loop.stop()


def test_a_generator_that_is_left_is_closed() -> None:
    loop, closed = LoopThread(), threading.Event()

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async def plain() -> AsyncIterator[int]:
        yield 1

    loop.start()
    for number in loop.iterate(numbers()):
        assert number == 1
        break
    assert list(loop.iterate(plain())) == [1]
    assert closed.is_set()
    loop.stop()


SAMPLE = '''
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from elsewhere import Item
LIMIT: int = 3

class Base:
    @property
    @abstractmethod
    def hidden(self) -> Item: ...

    async def ask(self, uri: str, *, n: int = LIMIT) -> Item:
        """Ask."""

    def items(self) -> AsyncIterator[Item]:
        """Iterate."""

    def shown(self) -> str:
        """Show."""

    async def forget(self) -> None:
        """Forget."""
'''


def test_a_method_of_any_form_gets_its_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample.py").write_text(SAMPLE)
    monkeypatch.setattr(sync_client, "SOURCE", tmp_path)
    found = list(sync_client.methods("sample", "Base"))

    made = [sync_client.twin(module, node, "_client") for module, node in found]

    assert [text.splitlines()[0] + text.splitlines()[-1].strip() for text in made] == [
        "    def ask(self, uri: str, *, n: int=LIMIT) -> Item:return self._loop.run(self._client.ask(uri, n=n))",
        "    def items(self) -> Iterator[Item]:return self._loop.iterate(self._client.items())",
        "    def shown(self) -> str:return self._client.shown()",
        "    def forget(self) -> None:self._loop.run(self._client.forget())",
    ]
    assert sync_client.imports((module, node.args, node.returns) for module, node in found[:1]) == {
        "from elsewhere import Item",
        "from sample import LIMIT",
    }

"""The synchronous client: all that the asynchronous one has, for any thread, with or without an event loop."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import monoskope
from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.client import Client, ClientSettings, SyncClient
from monoskope.client.access import Access
from monoskope.client.login.credential import Exchange, Issued
from monoskope.client.proofs.log import ServerLog
from monoskope.client.runtime import Runtime, blocking
from monoskope.client.stores import Stores
from monoskope.client.sync import SyncAccess, SyncLog, SyncStores
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import Error, NotFoundError, OutcomeUnknownError, UsageError
from monoskope.testing.scripted.client import pinned, settings_for, token
from monoskope.testing.scripted.m8 import ScriptedM8

VALUES = {"password": b"correct horse battery staple"}


class Watched(ScriptedM8):
    """Streams many events, and answers administrators."""

    def __init__(self) -> None:
        super().__init__()
        self.streamed = [views_pb2.EventSummary(position=position) for position in range(1, 1_000)]
        activated = commands_pb2.ActivateSecretStoreResponse(store=self.stores["vault"])
        self.answers[commands_pb2.ActivateSecretStoreRequest] = activated
        self.answers[queries_pb2.GetServerRequest] = queries_pb2.GetServerResponse(subject="alice")


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


@pytest.mark.parametrize(
    ("twin", "of"), [(SyncClient, Client), (SyncStores, Stores), (SyncAccess, Access), (SyncLog, ServerLog)]
)
def test_every_method_has_its_twin_with_its_signature_and_its_words(twin: type, of: type) -> None:
    theirs, ours = public(of), public(twin)

    assert ours.keys() == theirs.keys()
    for name, method in theirs.items():
        wanted, found = inspect.signature(method), inspect.signature(ours[name])
        assert found.parameters == wanted.parameters, name
        assert found.return_annotation == wanted.return_annotation.replace("AsyncGenerator", "Iterator"), name
        assert inspect.getdoc(ours[name]) == inspect.getdoc(method)
        assert not inspect.iscoroutinefunction(ours[name])
    arguments = inspect.signature(twin).parameters.keys() - inspect.signature(of).parameters.keys()
    assert arguments in (set(), {"of"})


def test_the_package_says_its_version() -> None:
    assert (monoskope.__version__.count("."), monoskope.client.__version__) == (2, monoskope.__version__)
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
        for event in client.log.watch_events():
            seen.append(event.position)
            if len(seen) == 3:
                break
        assert seen == [1, 2, 3]
        assert client.get_server().subject == "alice"


@pytest.mark.parametrize(("threads", "puts"), [(12, 4), pytest.param(32, 200, marks=pytest.mark.soak)])
def test_many_threads_use_one_client(m8: Watched, tmp_path: Path, threads: int, puts: int) -> None:
    with opened(m8, tmp_path) as client, ThreadPoolExecutor(threads) as pool:
        work = {
            thread: pool.submit(lambda uris: [client.put_secret(uri, VALUES).uri for uri in uris], uris)
            for thread in range(threads)
            for uris in [[f"vault://app/{thread}x{number}" for number in range(puts)]]
        }
        for thread, done in work.items():
            assert done.result() == [f"vault://app/{thread}x{number}" for number in range(puts)]
    assert len({attempt.request.request_id for attempt in m8.attempts}) == threads * puts


@pytest.mark.parametrize("ttl", [dt.timedelta(), dt.timedelta(days=366, seconds=1)])
def test_a_token_that_lives_for_no_time_or_too_long_is_not_asked_for(
    m8: Watched, tmp_path: Path, ttl: dt.timedelta
) -> None:
    with opened(m8, tmp_path) as client, pytest.raises(UsageError, match="one second to 366 days"):
        client.access.create_token("machine:local:backup", ttl=ttl)


def test_several_secrets_of_one_call_are_put_at_once_and_told_of_one_by_one(m8: Watched, tmp_path: Path) -> None:
    all_of_them = threading.Barrier(8)
    told: list[int] = []

    def observe(progress: Progress) -> None:
        if progress.stage is Stage.ASKING:
            all_of_them.wait()

    uris = [f"vault://app/{number}" for number in range(8)]
    with opened(m8, tmp_path, observe=observe, progress=lambda tally: told.append(tally.ended)) as client:
        results = client.put_secrets(uris, VALUES)
    assert [result.uri for result in results] == uris
    assert told == [*range(9)]


class Renewing:
    """Gives a new token whenever one is refused, and counts how many."""

    source = "a test"

    def __init__(self) -> None:
        self.given = 0

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        del exchange, runtime, refused
        self.given += 1
        return Issued(token("alice"), 3_600.0)


def test_threads_have_a_login_renewed_once(m8: Watched, tmp_path: Path) -> None:
    credential = Renewing()
    settings = ClientSettings(server=m8.server, ca_file=m8.ca_file, credential=credential, known_stores=tmp_path / "k")
    with SyncClient(settings, system_known_stores=tmp_path / "none") as client, ThreadPoolExecutor(16) as threads:
        assert {one.result().subject for one in [threads.submit(client.get_server) for _ in range(64)]} == {"alice"}
    assert credential.given == 1


class Suspending(Renewing):
    """Awaits something of asyncio."""

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        await asyncio.sleep(0)
        return await super().issue(exchange, runtime, refused=refused)


def test_a_credential_that_needs_an_event_loop_is_told_so(m8: Watched, tmp_path: Path) -> None:
    settings = ClientSettings(server=m8.server, ca_file=m8.ca_file, credential=Suspending())
    client = SyncClient(settings, system_known_stores=tmp_path / "none")
    with client:
        # The latter has a deadline, which is taken back where it was set.
        for work in (client.get_server, lambda: client.put_secret("vault://app/db", VALUES)):
            with pytest.raises(UsageError, match="no event loop"):
                work()


async def test_it_works_where_an_event_loop_runs(m8: Watched, tmp_path: Path) -> None:
    with opened(m8, tmp_path) as client:
        assert client.put_secret("vault://app/db", VALUES).outcome == "UPLOADED"
        assert [event.position for event, _ in zip(client.log.watch_events(), range(2), strict=False)] == [1, 2]


def test_it_is_used_while_it_is_open(m8: Watched, tmp_path: Path) -> None:
    client = SyncClient(settings_for(m8, tmp_path), system_known_stores=tmp_path / "none")
    with pytest.raises(UsageError, match="not open"):
        client.put_secret("vault://app/db", VALUES)
    assert client.open() is client
    with pytest.raises(UsageError, match="open already"):
        client.open()
    client.put_secret("vault://app/db", VALUES)
    client.close()
    client.close()
    with pytest.raises(UsageError, match="not open"):
        list(client.log.watch_events())
    with client:
        assert client.get_server().subject == "alice"


def test_closing_from_another_thread_ends_what_waits(m8: Watched, tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()
    found: list[Error] = []

    def end(attempt: Any) -> views_pb2.SecretUpload:
        asked.set()
        over.wait()
        return m8.honest_end(attempt)

    def put() -> None:
        try:
            client.put_secret("vault://app/db", VALUES)
        except Error as error:
            found.append(error)

    m8.end = end
    with opened(m8, tmp_path) as client:
        thread = threading.Thread(target=put)
        thread.start()
        asked.wait()
        client.close()
        thread.join()
    over.set()
    assert isinstance(found[0], OutcomeUnknownError)
    assert "the client is closed" in found[0].message


def test_its_own_callback_may_call_it(m8: Watched, tmp_path: Path) -> None:
    subjects: list[str] = []
    client: SyncClient
    with opened(m8, tmp_path, observe=lambda _: subjects.append(client.get_server().subject)) as client:
        client.put_secret("vault://app/db", VALUES)
    assert subjects == ["alice"] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_opens_its_own_and_leaves_its_parents_alone(m8: Watched, tmp_path: Path) -> None:
    program = """
import os
from monoskope.client import SyncClient
from monoskope.errors import UsageError

with SyncClient() as client:
    client.get_server()
    if os.fork() == 0:
        try:
            client.get_server()
        except UsageError as error:
            print(error.message, flush=True)
        client.close()
        with SyncClient() as own:
            print(own.get_server().subject, flush=True)
        os._exit(0)
    print(os.wait()[1], flush=True)
    print(client.get_server().subject)
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
    told = "the client was opened in another process, from which this one was forked."
    assert ran.stdout.splitlines() == [told, "alice", "0", "alice"], ran.stderr


def test_after_a_ctrl_c_nothing_more_is_sent(m8: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, interrupted = threading.Barrier(3), threading.Event()

    def observe(progress: Progress) -> None:
        assert progress.stage is Stage.ASKING
        asking.wait()
        interrupted.wait()

    def wait(self: Any, ended: Any) -> None:
        asking.wait()
        self.cancelled = True
        interrupted.set()
        ended.acquire()
        raise KeyboardInterrupt

    monkeypatch.setattr(blocking._Group, "_wait", wait)
    with opened(m8, tmp_path, observe=observe) as client, pytest.raises(KeyboardInterrupt):
        client.put_secrets(["vault://app/a", "vault://app/b"], VALUES)
    assert not any(attempt.sealed for attempt in m8.attempts)


def test_a_semaphore_is_had_in_order_and_by_no_more_than_it_says() -> None:
    semaphore = blocking.Semaphore(2)
    holders, most = 0, 0
    guard = threading.Lock()

    def hold(_: int) -> None:
        nonlocal holders, most
        blocking.run(semaphore.acquire())
        with guard:
            holders += 1
            most = max(most, holders)
        with guard:
            holders -= 1
        semaphore.release()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(hold, range(400)))
    assert most <= 2
    blocking.run(semaphore.acquire())
    blocking.run(semaphore.acquire())
    with pytest.raises(TimeoutError):
        blocking.run(semaphore.acquire(ends_at=0.0))
    semaphore.release()
    blocking.run(semaphore.acquire())


def test_every_public_name_is_where_the_package_says() -> None:
    assert {name for name in monoskope.client.__all__ if getattr(monoskope.client, name) is None} == set()

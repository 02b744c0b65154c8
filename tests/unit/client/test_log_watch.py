"""A client holds m8 to its log: beside its first call, before anything is sealed, over every way to m8."""

from __future__ import annotations

import asyncio
import math
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from monoskope.api.gateway.v1 import log_pb2, queries_pb2
from monoskope.client import Client, PutResult
from monoskope.client.connection import Connection
from monoskope.client.http.methods import GET_CHECKPOINT, Method
from monoskope.client.known.logs import KnownLogs, LogPin
from monoskope.client.runtime import blocking
from monoskope.client.settings import ClientSettings
from monoskope.errors import ConflictError, Error, LogMismatchError, NotFoundError, UnavailableError, UsageError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.log import ScriptedLog, ScriptedWitness
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.support.clocks import Clock, Kind, blocking_client, clocked

URI, VALUES = "vault://app/db", {"password": b"correct horse battery staple"}
AGAIN_AFTER_S = 3_600.0
OTHER_SERVER = "m8-b.example.org:7443"
"""Of a list with the scripted m8. It is never dialled."""


class LoggedM8(ScriptedM8):
    """Has a log, which a test bends, and answers every query."""

    def __init__(self) -> None:
        super().__init__()
        self.log: ScriptedLog = ScriptedLog(5)
        self.answers[queries_pb2.GetServerRequest] = queries_pb2.GetServerResponse(version="1")


@pytest.fixture(autouse=True)
def checks_count_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check counts until the test says that its time is over, and is waited for, however slow the machine is."""
    monkeypatch.setattr("monoskope.client.log.check.UNPINNED_S", 60.0)
    monkeypatch.setattr("monoskope.client.log.AGAIN_AFTER_S", AGAIN_AFTER_S)


@pytest.fixture(params=["asyncio", "blocking"])
def way(request: pytest.FixtureRequest) -> str:
    """How the client reaches m8: beside the first call as a task, or in a thread with a connection of its own."""
    return str(request.param)


@pytest.fixture
async def m8(way: str, tmp_path: Path) -> AsyncIterator[LoggedM8]:
    async with LoggedM8().serving(tmp_path) as m8:
        pinned(m8, tmp_path)
        yield m8


class User:
    """Runs commands of one way, each with a client of its own, as `monoctl` does."""

    def __init__(self, way: str, m8: ScriptedM8, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._blocks = way == "blocking"
        self._kind: Kind = blocking_client if way == "blocking" else Client
        self._m8 = m8

    def skip_pauses(self) -> Clock:
        """Let pauses take no time from now on; return the clock by which the time of a command is over."""
        clock = Clock()
        self._kind = clocked(self._kind, clock)
        return clock

    def settings(self, **given: Any) -> ClientSettings:
        return settings_for(self._m8, self.folder, **given)

    async def run(self, work: Callable[[Client], object], settings: ClientSettings | None = None) -> object:
        async def whole() -> object:
            client = self._kind(
                settings or self.settings(),
                notify=self.notes.append,
                system_known_stores=self.folder / "system" / "known_stores",
                pause_s=0.001,
            )
            async with client:
                return await work(client)  # type: ignore[misc]  # each is a coroutine

        if self._blocks:
            return await asyncio.to_thread(blocking.run, whole())
        return await whole()

    async def put(self, settings: ClientSettings | None = None) -> object:
        return await self.run(lambda client: client.put_secret(URI, VALUES), settings)

    async def refused(
        self, settings: ClientSettings | None = None, *, match: str = ".", patient: bool = False
    ) -> LogMismatchError:
        """Check that a put ends for what m8 shows of its log, before anything is sealed."""
        with pytest.raises(LogMismatchError, match=match) as caught:
            await (self.run(patient_put, settings) if patient else self.put(settings))
        assert self._m8.count("RequestUploadSecret") == 0
        return caught.value

    @property
    def without_memory(self) -> ClientSettings:
        """Settings that name no file."""
        return ClientSettings(
            server=self._m8.server,
            ca_file=self._m8.ca_file,
            token=self.settings().token,
            store_identities={"vault": self._m8.identity.shown},
        )

    async def ask(self, settings: ClientSettings | None = None) -> object:
        return await self.run(lambda client: client.get_server(), settings)

    @property
    def known(self) -> LogPin | None:
        return KnownLogs(self.folder / "known_logs", system=self.folder / "none").pin(self._m8.server)


@pytest.fixture
def user(way: str, m8: LoggedM8, tmp_path: Path) -> User:
    return User(way, m8, tmp_path)


async def test_first_contact_pins_the_log_and_says_so_once(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    assert isinstance(await user.put(), PutResult)
    await user.put()

    assert user.known is not None
    assert (user.known.origin, user.known.size, len(user.notes)) == (m8.log.key.origin, 5, 1)
    assert f"first look at the log of {m8.server}. It is pinned now: {m8.log.key.origin}, 5 entries" in user.notes[0]
    assert (m8.log.asked, stat.S_IMODE((tmp_path / "known_logs").stat().st_mode)) == ([0, 5], 0o600)


async def test_a_log_that_grows_is_followed(user: User, m8: LoggedM8) -> None:
    await user.put()
    m8.log.grow(7)
    await user.ask()
    await user.ask()

    assert m8.log.asked == [0, 5, 12]
    assert user.known is not None
    assert user.known.size == 12


async def test_a_log_that_does_not_fit_stops_a_put_before_sealing(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    await user.ask()
    before = user.known
    m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")

    caught = await user.refused(match="does not continue")

    assert (user.known, len(caught.notes)) == (before, 2)
    (evidence,) = tmp_path.glob("known_logs.evidence-*")
    assert evidence.read_text(encoding="utf-8") == "\n".join(caught.notes)
    assert str(evidence) in caught.fix


def forked(log: ScriptedLog, size: int, *, shared: int) -> ScriptedLog:
    """Return a fork of `log` that has so many entries in common with it."""
    fork = ScriptedLog(shared, key=log.key)
    fork.grow(size - shared, seed="fork")
    return fork


def remembered(user: User, server: str, log: ScriptedLog, size: int, *, replaces: LogPin | None = None) -> None:
    """Have the user's machine know so many entries of a log."""
    pin = LogPin((log.vkeys[0], log.vkeys[1]), log.note(size))
    KnownLogs(user.folder / "known_logs", system=user.folder / "none").remember(server, pin, replaces=replaces)


@pytest.mark.parametrize("first", [True, False], ids=["first contact", "known"])
@pytest.mark.parametrize("size", [8, 12], ids=["smaller", "larger"])
async def test_of_two_commands_at_once_that_are_shown_two_histories_the_second_notices(
    user: User, m8: LoggedM8, monkeypatch: pytest.MonkeyPatch, size: int, first: bool
) -> None:
    """While m8 answers the second one, the first one pins a fork of 10 entries, which continues what was known."""
    if not first:
        await user.ask()
    wait_for_the_log(user, monkeypatch)
    known = user.known
    others = forked(m8.log, 10, shared=5)
    m8.log.grow(size - 5)
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        remembered(user, m8.server, others, 10, replaces=known)
        return honest(request)

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    caught = await user.refused(patient=True)

    texts = [note.partition("\n\n")[0] + "\n" for note in caught.notes]
    assert texts == [others.checkpoint(10).text, m8.log.checkpoint(size).text]
    assert user.known is not None
    assert user.known.size == 10


@pytest.mark.parametrize("shown", ["the larger", "the smaller"])
async def test_servers_of_a_list_must_have_shown_one_history(user: User, m8: LoggedM8, shown: str) -> None:
    """7 entries at one server, and 10 of a fork at the other: whichever m8 shows now, it does not continue both."""
    m8.log.grow(2)
    fork = forked(m8.log, 10, shared=5)
    m8.log.grow(5)
    for server, log, size in ((m8.server, m8.log, 7), (OTHER_SERVER, fork, 10)):
        remembered(user, server, log, size)
    m8.log = m8.log if shown == "the smaller" else fork

    await user.refused(structs.replace(user.settings(), servers=(m8.server, OTHER_SERVER)))


@pytest.mark.parametrize("size", [7, 8], ids=["as large as the smaller", "between the two"])
async def test_an_m8_shows_no_less_than_the_largest_pin_of_a_list(user: User, m8: LoggedM8, size: int) -> None:
    """7 entries at one server, and 10 at the other: it shows 7 or 8, of a fork that the smaller one does not betray."""
    fork = forked(m8.log, size, shared=7 if size > 7 else 5)
    m8.log.grow(5)
    smaller = m8.log if size > 7 else fork
    for server, log, known in ((m8.server, smaller, 7), (OTHER_SERVER, m8.log, 10)):
        remembered(user, server, log, known)
    m8.log, honest = fork, fork.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        return honest(log_pb2.GetCheckpointRequest(size=min(request.size, size)))

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    await user.refused(structs.replace(user.settings(), servers=(m8.server, OTHER_SERVER)))


async def test_an_m8_that_shows_each_pin_another_log_is_refused(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    """7 entries at one server, and 10 of a fork at the other: it continues each of them, by a tree of its own."""
    m8.log.grow(2)
    fork = forked(m8.log, 10, shared=5)
    for server, log, size in ((m8.server, m8.log, 7), (OTHER_SERVER, fork, 10)):
        remembered(user, server, log, size)
    before = (tmp_path / "known_logs").read_bytes()
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        log, shown = (fork, fork.answer) if request.size == 10 else (m8.log, honest)
        log.grow(1)
        return shown(request)

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    with pytest.raises(UnavailableError, match="grew each time"):
        await user.put(structs.replace(user.settings(), servers=(m8.server, OTHER_SERVER)))
    assert (m8.count("RequestUploadSecret"), (tmp_path / "known_logs").read_bytes()) == (0, before)


async def test_a_key_of_the_log_that_was_mistyped_is_told_each_time(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    await user.ask()
    file = tmp_path / "known_logs"
    server, first, *others = file.read_text().split(" ")
    name, key_id, key = first.split("+", 2)
    wrong = "0" * len(key_id) if key_id.strip("0") else "1" * len(key_id)
    file.write_text(" ".join([server, f"{name}+{wrong}+{key}", *others]))

    async def twice(client: Client) -> None:
        for _ in range(2):
            with pytest.raises(UsageError, match="must have the key id of its name, type and key"):
                await client.put_secret(URI, VALUES)

    await user.run(twice)
    assert m8.count("RequestUploadSecret") == 0


async def test_no_answer_is_given_before_the_log_was_found_to_fit(user: User, m8: LoggedM8) -> None:
    await user.ask()
    m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")

    with pytest.raises(LogMismatchError):
        await user.ask()
    with pytest.raises(LogMismatchError):  # and not that there is no such thing
        await user.run(lambda client: client.get_secret(URI))


async def test_an_m8_that_lies_anew_each_time_does_not_fill_the_disk_of_its_users(
    user: User, m8: LoggedM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is printed all the same."""
    monkeypatch.setattr("monoskope.client.log.check.MOST_EVIDENCE", 2)
    await user.ask()
    for seed in "abcd":
        m8.log = ScriptedLog(9, key=m8.log.key, seed=seed)
        with pytest.raises(LogMismatchError) as caught:
            await user.ask()
        assert len(caught.value.notes) == 2
    assert len(list(tmp_path.glob("known_logs.evidence-*"))) == 2


@pytest.mark.parametrize("pin", [True, False], ids=["pinned", "not pinned"])
async def test_an_m8_that_shows_no_log_is_an_error_once_pinned(user: User, m8: LoggedM8, pin: bool) -> None:
    if pin:
        await user.ask()
    m8.log.failure = NotFoundError("there is no log.")

    if not pin:
        assert isinstance(await user.put(), PutResult)
        assert user.notes == []
        return
    await user.refused(match=r"shows no checkpoint .* \(m8 says: there is no log\)")


@pytest.mark.parametrize("failure", [NotFoundError("there is no log."), UnavailableError("the log is away.")])
async def test_a_demanded_quorum_holds_m8_at_first_contact(
    user: User, m8: LoggedM8, failure: Error, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An m8 that refuses to show its log must not be believed more than one that shows it without cosignatures."""
    wait_for_the_log(user, monkeypatch)
    m8.log.failure = failure
    witness = ScriptedWitness("witness.example/a")
    await user.refused(user.settings(log_witnesses=(str(witness.vkey),), log_quorum=1), patient=True)


def wait_for_the_log(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the pauses of a check, and have the last of them end long after its time: no call has little time."""
    monkeypatch.setattr("monoskope.client.log.check.CALL_TIMEOUT_S", 50.0)
    monkeypatch.setattr("monoskope.client.log.check._MOST_PAUSE_S", math.inf)
    user.skip_pauses()


def patient_put(client: Client) -> object:
    """Put, with more time than all pauses of a check take by the clock that they share."""
    return client.put_secret(URI, VALUES, timeout=1_000)


async def test_an_m8_without_the_service_is_an_error_once_it_is_pinned(user: User, way: str, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    folder.mkdir()
    async with ScriptedM8().serving(folder) as older:
        pinned(older, folder)
        other = User(way, older, folder)
        assert isinstance(await other.put(), PutResult)
        remembered(other, older.server, ScriptedLog(2), 2)
        with pytest.raises(LogMismatchError, match="shows no checkpoint"):
            await other.put()


async def test_a_process_behind_is_awaited_and_told(user: User, m8: LoggedM8, monkeypatch: pytest.MonkeyPatch) -> None:
    m8.log.grow(4)
    await user.ask()
    del m8.log.entries[5:]
    wait_for_the_log(user, monkeypatch)

    caught = await user.refused(patient=True, match=r"as far as it did before \(9 entries\).* this process has 5")
    assert [note.split("\n")[1] for note in caught.notes] == ["9", "5"]
    assert m8.log.asked.count(9) > 5


async def test_a_log_that_has_lost_what_was_signed_is_not_waited_for(user: User, m8: LoggedM8) -> None:
    """Each command would else take half a minute, from a restore on to the log's renewal."""
    m8.log.grow(4)
    await user.ask()
    del m8.log.entries[5:]
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        if request.size > 5:
            raise ConflictError("the event log ends at position 5.", fix="Run: m8 log renew")
        return honest(request)

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    clock = user.skip_pauses()
    began = clock.time

    caught = await user.refused(patient=True, match=r"as far as it did before \(9 entries\).* ends at position 5")

    assert clock.time == began
    assert [note.split("\n")[1] for note in caught.notes] == ["9", "5"]


async def test_a_process_that_catches_up_is_no_error(user: User, m8: LoggedM8) -> None:
    await user.ask()
    later = m8.log.entries[3:]
    del m8.log.entries[3:]
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        try:
            return honest(request)
        finally:
            m8.log.entries += later
            later.clear()

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    assert isinstance(await user.put(), PutResult)


async def test_a_hanging_check_ends_with_the_command(user: User, m8: LoggedM8, monkeypatch: pytest.MonkeyPatch) -> None:
    await user.ask()
    released, honest, honest_key = threading.Event(), Connection.call, m8.honest_key
    clock = user.skip_pauses()

    def key_at_the_last_moment(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        clock.time += 999.9
        return honest_key(attempt)

    async def hanging(connection: Connection, method: Method[Any], *rest: Any, **more: Any) -> Any:
        if method is GET_CHECKPOINT:
            await asyncio.get_running_loop().create_future() if not connection.runtime.blocks else released.wait(30)
        return await honest(connection, method, *rest, **more)

    monkeypatch.setattr(Connection, "call", hanging)
    m8.key_answer = key_at_the_last_moment
    try:
        async with asyncio.timeout(60):
            with pytest.raises(UnavailableError, match="did not show its log in time"):
                await user.run(patient_put)
    finally:
        released.set()
    assert (m8.count("RequestSecretUploadKey"), m8.count("RequestUploadSecret")) == (1, 0)


async def test_a_quorum_with_given_keys_holds_m8_on_a_machine_without_memory(user: User, m8: LoggedM8) -> None:
    m8.log.witnesses = [ScriptedWitness("witness.example/a"), ScriptedWitness("witness.example/b")]
    witnesses = tuple(str(each.vkey) for each in m8.log.witnesses)
    vkeys = tuple(m8.log.vkeys)
    no_memory = structs.replace(user.without_memory, log_vkeys=vkeys, log_witnesses=witnesses, log_quorum=2)
    assert isinstance(await user.put(no_memory), PutResult)
    assert not [note for note in user.notes if "log" in note and "known_stores" not in note]

    m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")  # its own keys are not enough
    with pytest.raises(LogMismatchError, match="none has the cosignatures of 2 of your witnesses"):
        await user.put(no_memory)


@pytest.fixture
async def demanding(user: User, m8: LoggedM8) -> ClientSettings:
    """Settings that demand the cosignature of the one witness. Three entries are pinned by them."""
    m8.log.witnesses = [ScriptedWitness("witness.example/a")]
    settings = user.settings(log_witnesses=(str(m8.log.witnesses[0].vkey),), log_quorum=1)
    later = m8.log.entries[3:]
    del m8.log.entries[3:]
    await user.ask(settings)
    m8.log.entries += later
    return settings


async def test_a_fork_that_no_witness_saw_is_not_pinned(user: User, m8: LoggedM8, demanding: ClientSettings) -> None:
    fork = forked(m8.log, 9, shared=3)
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        found = honest(request)
        if request.size == 3:
            found.newest.CopyFrom(fork._proven(9, 3))
        return found

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    assert isinstance(await user.put(demanding), PutResult)

    assert user.known is not None
    assert user.known.checkpoint + b"\n" == m8.log.checkpoint(5).text.encode()


@pytest.mark.parametrize("catch_up", [True, False], ids=["and catch up", "and stay there"])
async def test_witnesses_that_are_behind_are_waited_for_and_then_told(
    user: User, m8: LoggedM8, demanding: ClientSettings, monkeypatch: pytest.MonkeyPatch, catch_up: bool
) -> None:
    wait_for_the_log(user, monkeypatch)
    honest, log, asked = m8.log.answer, m8.log, list[int]()

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        asked.append(request.size)
        found = honest(request)
        if len(asked) < 3 or not catch_up:
            log.at_s = int(time.time()) - 100
            found.witnessed.CopyFrom(log._proven(4, request.size))
            log.at_s = None
        return found

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    done = user.run(lambda client: client.put_secret(URI, VALUES, timeout=1_000), demanding)
    if catch_up:
        assert isinstance(await done, PutResult)
        return
    with pytest.raises(LogMismatchError, match="1 entry of its log that your witnesses have not cosigned"):
        await done
    assert m8.count("RequestUploadSecret") == 0
    assert len(asked) > 5


async def test_a_size_that_no_log_can_have_does_not_lock_the_client_to_it(user: User, m8: LoggedM8) -> None:
    honest = m8.log.answer

    def answer(request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        found = honest(request)
        checkpoint = Checkpoint(m8.log.key.origin, 2**63 - 1, bytes(32))
        found.newest.note = m8.log.key.sign(checkpoint, int(time.time()))
        return found

    m8.log.answer = answer  # type: ignore[method-assign]  # a test bends it
    with pytest.raises(LogMismatchError, match="which no log can have"):
        await user.ask()
    m8.log.answer = honest  # type: ignore[method-assign]  # as above
    assert isinstance(await user.put(), PutResult)


async def test_a_machine_without_memory_is_told_that_nothing_is_held_against_the_log(user: User, m8: LoggedM8) -> None:
    no_memory = user.without_memory
    assert isinstance(await user.put(no_memory), PutResult)
    assert any("nothing is held against the log" in note for note in user.notes)

    witness = str(ScriptedWitness("w.example").vkey)
    with pytest.raises(UsageError, match="neither a file for known_logs nor log_vkeys"):
        await user.put(structs.replace(no_memory, log_witnesses=(witness,), log_quorum=1))


async def test_what_cannot_be_written_down_is_said_and_the_command_goes_on(user: User, tmp_path: Path) -> None:
    (tmp_path / ".known_logs.lock").mkdir()

    assert isinstance(await user.put(), PutResult)
    assert any("cannot hold m8 to what its log shows now" in note for note in user.notes)


async def test_an_old_checkpoint_is_a_warning(user: User, m8: LoggedM8) -> None:
    m8.log.at_s = 1_700_000_000

    await user.ask()

    assert any("was signed last" in note for note in user.notes)


async def test_the_administrators_file_holds_m8_from_the_start(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    line = f"{m8.server} {' '.join(ScriptedLog(1).vkeys)} -\n"
    (tmp_path / "system" / "known_logs").write_text(line)
    with pytest.raises(LogMismatchError, match="does not count"):
        await user.put()

    (tmp_path / "system" / "known_logs").write_text(f"{m8.server} {' '.join(m8.log.vkeys)} -\n")
    assert isinstance(await user.put(), PutResult)
    assert user.known is not None
    assert user.known.size == 5


async def test_what_was_sent_is_reported_before_the_log_that_does_not_fit(user: User, m8: LoggedM8) -> None:
    """The log changes after the first of three secrets."""
    await user.ask()

    def work(client: Client) -> object:
        async def both() -> list[PutResult | Error]:
            first = await client.put_secret(URI, VALUES)
            m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
            client._session.watch._counts_until = 0.0
            return [first, *await client.put_secrets(["vault://app/two", "vault://app/three"], VALUES)]

        return both()

    results = await user.run(work)
    assert isinstance(results, list)
    assert [type(result).__name__ for result in results] == ["PutResult", "LogMismatchError", "LogMismatchError"]
    assert m8.count("RequestUploadSecret") == 1


async def test_nothing_that_follows_a_sending_waits_for_the_log(user: User, m8: LoggedM8) -> None:
    """The log is bent once the sealed secret has come: its receipt is shown all the same."""
    await user.ask()
    honest = m8.end

    def end(attempt: Attempt) -> object:
        m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
        return honest(attempt)

    m8.end = end  # type: ignore[assignment]
    assert isinstance(await user.put(), PutResult)
    with pytest.raises(LogMismatchError):
        await user.ask()


async def test_a_check_counts_for_a_while_and_one_that_failed_does_not(user: User, m8: LoggedM8) -> None:
    def work(client: Client) -> object:
        async def several() -> None:
            for _ in range(3):
                await client.get_server()
            honest, m8.log = m8.log, ScriptedLog(9, key=m8.log.key, seed="fork")
            watch = client._session.watch
            watch._counts_until -= AGAIN_AFTER_S
            for _ in range(2):
                with pytest.raises(LogMismatchError):
                    await client.get_server()
            m8.log = honest
            await client.get_server()

        return several()

    await user.run(work)
    assert m8.log.asked == [0, 5]


async def test_an_m8_that_was_away_is_looked_at_again_at_once(user: User, m8: LoggedM8) -> None:
    """Whoever answers after a break may be another one: a look before it counts for nothing."""

    def work(client: Client) -> object:
        async def several() -> None:
            await client.get_server()
            m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
            m8.failing["GetServer"] = [UnavailableError("it is away.")]
            with pytest.raises(UnavailableError):
                await client.get_server()
            with pytest.raises(LogMismatchError):
                await client.get_server()

        return several()

    await user.run(work)


async def test_a_renewed_log_is_accepted_by_name_alone(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    await user.ask()
    before = (tmp_path / "known_logs").read_bytes()
    m8.log = ScriptedLog(2, key=LogKey.make("monoskope/fedcba9876543210"))
    with pytest.raises(LogMismatchError, match="and the one that is pinned is"):
        await user.put()

    with pytest.raises(LogMismatchError, match="you accept monoskope/0000000000000000"):
        await user.run(lambda client: client.log.accept("monoskope/0000000000000000"))
    copy = await user.run(lambda client: client.log.accept("monoskope/fedcba9876543210"))

    assert Path(str(copy)).read_bytes() == before
    assert isinstance(await user.put(), PutResult)
    with pytest.raises(UsageError, match="shows the log that is pinned"):
        await user.run(lambda client: client.log.accept("monoskope/fedcba9876543210"))


async def test_a_log_of_this_name_and_other_keys_is_not_accepted(user: User, m8: LoggedM8, tmp_path: Path) -> None:
    """Anybody can use a name. Keys that a person compared, or that the settings give, are the ones that count."""
    await user.ask()
    before = (tmp_path / "known_logs").read_bytes()
    right = LogKey.make("monoskope/fedcba9876543210")
    vkeys = tuple(map(str, right.vkeys))
    m8.log = ScriptedLog(2, key=LogKey.make(right.origin))

    with pytest.raises(LogMismatchError, match="with other keys than those that you accept"):
        await user.run(lambda client: client.log.accept(right.origin, vkeys=vkeys))
    with pytest.raises(LogMismatchError, match="not signed by both keys"):
        await user.run(lambda client: client.log.accept(right.origin), user.settings(log_vkeys=vkeys))
    assert (tmp_path / "known_logs").read_bytes() == before

    m8.log = ScriptedLog(2, key=right)
    await user.run(lambda client: client.log.accept(right.origin, vkeys=vkeys[::-1]))
    assert isinstance(await user.put(user.settings(log_vkeys=vkeys)), PutResult)


async def test_the_log_is_shown(user: User, m8: LoggedM8) -> None:
    m8.log.witnesses = [ScriptedWitness("witness.example/a")]
    await user.ask()
    m8.log.grow(2)
    m8.log.trouble = "the disk is full."
    m8.log.witnessed_size = 6

    log = await user.run(lambda client: client.log.get())

    assert (log.size, log.witnessed_size, log.pinned_size, log.quorum) == (7, 6, 5, 1)  # type: ignore[attr-defined]
    assert log.trouble == "the disk is full."  # type: ignore[attr-defined]
    assert log.witnesses[0].name == "witness.example/a"  # type: ignore[attr-defined]
    m8.log.failure = NotFoundError("there is none.")
    with pytest.raises(LogMismatchError):
        await user.run(lambda client: client.log.get())

"""A backup holds everything up to one position; whatever is missing or changed in it, or fails in age, is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import msgspec
import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, Error, UnavailableError, UsageError
from monoskope.m8.backup import age, files, form
from monoskope.m8.backup.create import Making
from monoskope.m8.backup.form import DamagedError
from monoskope.m8.backup.restore import Checking, restore
from monoskope.m8.log.event_log import EventLog, NewEvent
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.tree_rows import Checkpoint, Cosignature, Named
from monoskope.m8.readmodels import documents as chain
from monoskope.testing.logs import ledger, some_time
from tests.support.failures import failure

SEALED = [b"sealed %d" % number for number in range(3)]


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def upload(log: EventLog, stream: str, sealed: bytes) -> None:
    message = events_pb2.SecretUploadRequested(sealed_sha256=digest(sealed), size=len(sealed))
    event = NewEvent("SecretUploadRequested", message.SerializeToString())
    await log.append(stream, None, [event], actor="ann", sealed=sealed)


async def opened(path: Path, *, for_import: bool = False) -> SqliteLog:
    return await SqliteLog.open(path, clock=some_time, projector=ledger, for_import=for_import)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    made = await opened(tmp_path / "log.db")
    for number, sealed in enumerate(SEALED):
        await made.append(f"s{number}", None, [NewEvent("Kept", b"x%d" % number)], actor="ann")
        await upload(made, f"u{number}", sealed)
    yield made
    await made.close()


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    made = await opened(tmp_path / "target.db", for_import=True)
    yield made
    await made.close()


def making(log: EventLog) -> Making:
    return Making(log, created_at_ms=some_time(), log_id="0" * 32, engine="sqlite", version="0")


async def backup(log: EventLog) -> bytes:
    return b"".join([piece async for piece in making(log).pieces()])


async def pieces(content: bytes, size: int = 7) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def check(content: bytes, at_least: Noted | None = None) -> Checking:
    checking = Checking(pieces(content), at_least)
    await checking.begin()
    async for _ in checking.pages():
        pass
    return checking


async def test_what_is_restored_is_the_same_log_byte_for_byte(log: SqliteLog, target: SqliteLog) -> None:
    header = await restore(Checking(pieces(await backup(log))), target)
    assert header.position == 6
    assert await target.read(after=0, limit=100) == await log.read(after=0, limit=100)
    assert await target.scan("counts", limit=100) == await log.scan("counts", limit=100)
    assert [await target.sealed(digest(body)) for body in SEALED] == SEALED
    assert await target.check_chain() == 6


async def test_an_empty_log_can_be_backed_up(tmp_path: Path, target: SqliteLog) -> None:
    empty = await opened(tmp_path / "empty.db")
    content = await backup(empty)
    await empty.close()
    assert (await restore(Checking(pieces(content)), target)).position == 0
    assert await target.head() == 0


async def test_what_is_recorded_or_erased_while_it_runs_does_no_harm(log: SqliteLog, target: SqliteLog) -> None:
    made = making(log)
    running = made.pieces()
    content = await anext(running)
    await upload(log, "later", b"later")
    await log.erase_sealed([digest(SEALED[1])])
    content += b"".join([piece async for piece in running])
    assert made.end is not None
    assert (made.end.records, made.end.sealed, made.end.erased) == (6, 2, 1)
    await restore(Checking(pieces(content)), target)
    assert await target.head() == 6
    assert await target.sealed(digest(b"later")) is None
    assert await target.sealed(digest(SEALED[1])) is None
    assert await target.check_chain() == 6


async def test_a_backup_that_is_cut_off_anywhere_is_refused(log: SqliteLog) -> None:
    content = await backup(log)
    await check(content)
    for end in range(len(content)):
        await failure(Error, check(content[:end]), r"not hold|no backup")
    await failure(Error, check(content + b"\0"), "follows its end")


async def test_a_backup_with_any_byte_changed_is_refused(log: SqliteLog) -> None:
    """Also of the checkpoints, which stand at its end."""
    await log.import_names([Named(1, "example.org/log", ("a+key",), 1)], [Checkpoint(1, 1, bytes(32), 1)])
    content = await backup(log)
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        await failure(Error, check(bytes(changed)))


async def test_records_of_a_chain_that_does_not_hold_are_not_backed_up(log: SqliteLog, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.execute("DROP TRIGGER events_stay")
        connection.execute(
            "UPDATE events SET record = (SELECT record FROM events WHERE position = 2) WHERE position = 3"
        )
        connection.commit()
    await failure(Error, backup(log), "position 3")


async def test_sealed_bytes_that_nothing_names_are_refused(log: SqliteLog) -> None:
    content = await backup(log)
    body = form.page([SEALED[0]])
    assert content.count(body) == 1
    other = form.page([b"other! %d" % 1])
    assert len(other) == len(body)
    await failure(Error, check(content.replace(body, other)), "no record before them names")


async def test_a_newer_format_says_so(log: SqliteLog) -> None:
    old = await backup(log)
    new = form.MAGIC + form.frame(form.HEADER, msgspec.json.encode({"format": form.FORMAT + 1}))
    await failure(UsageError, check(new + old), f"format {form.FORMAT + 1}")


async def test_a_backup_older_than_the_note_is_refused_before_it_begins(log: SqliteLog, target: SqliteLog) -> None:
    content = await backup(log)
    at = await Noted.last(log)
    await check(content, at)
    await check(content, Noted(6))
    await failure(ConflictError, restore(Checking(pieces(content), Noted(9)), target), "lacks 3 events")
    assert await target.head() == 0
    await failure(ConflictError, check(content, Noted(6, os.urandom(32))), "position 6 is another")


async def test_a_restore_that_broke_off_goes_on_and_m8_does_not_open_half_a_log(
    log: SqliteLog, target: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monoskope.m8.backup.create.READ", 2)
    content = await backup(log)
    cut = content.rindex(form.RECORDS, 0, content.index(form.page([SEALED[2]])) - 300)
    await failure(Error, restore(Checking(pieces(content[: cut + 9])), target), "cut off")
    assert 0 < await target.head() < 6
    await failure(ConflictError, opened(tmp_path / "target.db"), "import")
    # Another log cannot be mixed in.
    other = await opened(tmp_path / "other.db")
    for _ in range(7):
        await upload(other, "u", os.urandom(9))
    with pytest.raises(ConflictError, match="another log"):
        await restore(Checking(pieces(await backup(other))), target)
    await other.close()
    # Pages of another size: what is there already may end within one.
    monkeypatch.setattr("monoskope.m8.backup.create.READ", 5)
    await restore(Checking(pieces(await backup(log))), target)
    assert await target.read(after=0, limit=100) == await log.read(after=0, limit=100)
    await (await opened(tmp_path / "target.db")).close()


async def test_pages_stay_small_however_large_records_are(log: SqliteLog) -> None:
    for _ in range(4):
        await log.append("large", None, [NewEvent("x", os.urandom(700_000))], actor="ann")
    sizes = [len(piece) async for piece in making(log).pieces()]
    assert max(sizes) < form.PAGE + 10_000
    assert sum(sizes) > 2_800_000


@pytest.mark.parametrize(
    ("field", "lie"),
    [("position", -1), ("position", 0), ("head", "x" * 64), ("head", ""), ("log_id", "\x1b]0;x"), ("log_id", "0" * 99)],
)
async def test_a_wrong_header_is_refused_at_first(log: SqliteLog, target: SqliteLog, field: str, lie: object) -> None:
    header = await Checking(pieces(await backup(log))).begin()
    told = msgspec.json.encode(msgspec.structs.asdict(header) | {field: lie})
    with pytest.raises(DamagedError, match="its header says what none can"):
        await restore(Checking(pieces(form.MAGIC + form.frame(form.HEADER, told))), target)
    assert await target.head() == 0


@pytest.mark.parametrize(
    ("stream", "kind", "data"),
    [
        ("token/x", "TokenIssued", b"\xff\xff"),
        ("secret-stores", "SecretStoreActivated", b"\x0a\x01x"),
        (f"upload/{'0' * 32}", "SecretUploadKeyRequested", b"\x0a\x04junk"),
    ],
)
async def test_foreign_events_are_refused(log: SqliteLog, tmp_path: Path, stream: str, kind: str, data: bytes) -> None:
    await log.append(stream, None, [NewEvent(kind, data)], actor="ann")
    at = tmp_path / "m8.db"
    made = await SqliteLog.open(at, clock=some_time, projector=chain.project, for_import=True)
    with pytest.raises(DamagedError, match="its events do not follow"):
        await restore(Checking(pieces(await backup(log))), made)
    await made.close()
    await failure(ConflictError, opened(at), "import")


async def test_names_and_checkpoints_go_with_the_records_that_they_are_of(log: SqliteLog, target: SqliteLog) -> None:
    """Of those that were signed while the backup was made, it holds none whose records it has not."""
    last = await log.head()
    names = [Named(1, "example.org/log", ("a+key",), 1), Named(2, "example.org/next", ("b+key",), 2, "Lost.", b"note")]
    kept = [
        Checkpoint(1, 1, bytes(32), 1, b"note", (Cosignature("w+key", "line", 5),)),
        Checkpoint(2, last, bytes(32), 2),
    ]
    await log.import_names(names, [*kept, Checkpoint(2, last + 1, bytes(32), 3)])
    content = await backup(log)
    await check(content)
    await restore(Checking(pieces(content)), target)
    assert await target.names() == names
    assert await target.checkpoints(1, after=0, limit=9) == kept[:1]
    assert await target.checkpoints(2, after=0, limit=9) == kept[1:]


PIECE = 100_000


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    age.make_identity(tmp_path / "identity")
    return tmp_path / "identity"


def recipients(identity: Path) -> list[age.Recipient]:
    return [one.to_public() for one in age.identities(identity)]


async def endless(begun: asyncio.Event) -> AsyncGenerator[bytes, None]:
    while True:
        yield os.urandom(PIECE)
        begun.set()


async def some(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


async def test_what_goes_in_comes_out_also_for_many_recipients(identity: Path) -> None:
    others = [age.Identity.generate().to_public() for _ in range(500)]
    for size, all_of_them in ((0, []), (1, others), (65_536, []), (1_000_001, [])):
        content, sealed = os.urandom(size), io.BytesIO()
        await age.encrypt(some(content), files.Writer(sealed, "memory"), [*all_of_them, *recipients(identity)])
        opened = age.decrypted(files.Reader(io.BytesIO(sealed.getvalue()), "memory"), age.identities(identity))
        assert b"".join([piece async for piece in opened]) == content


async def test_a_cancelled_backup_leaves_no_file(identity: Path, tmp_path: Path) -> None:
    folder = tmp_path / "target"
    folder.mkdir()
    begun = asyncio.Event()

    async def work() -> None:
        async with files.written(str(folder / "backup")) as target:
            await age.encrypt(endless(begun), target, recipients(identity))

    task = asyncio.create_task(work())
    await begun.wait()
    assert list(folder.iterdir()) != []
    task.cancel()
    await failure(asyncio.CancelledError, task)
    assert list(folder.iterdir()) == []


async def test_a_reader_that_stops_ends_the_thread(identity: Path) -> None:
    sealed = io.BytesIO()
    await age.encrypt(some(os.urandom(5_000_000)), files.Writer(sealed, "memory"), recipients(identity))
    opened = age.decrypted(files.Reader(io.BytesIO(sealed.getvalue()), "memory"), age.identities(identity))
    assert await anext(opened)
    await opened.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_the_failure_of_either_end_is_what_is_told(identity: Path, tmp_path: Path) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"begun"
        raise UnavailableError("the log is gone.")

    with pytest.raises(UnavailableError, match="the log is gone"):
        async with files.written(str(tmp_path / "backup")) as target:
            await age.encrypt(failing(), target, recipients(identity))
    assert not (tmp_path / "backup").exists()

    class Full(io.BytesIO):
        def write(self, _piece: object, /) -> int:
            raise UnavailableError("no room.")

    # However little is written: pyrage itself drops a failure at the very end.
    for size in (1, 1_000_000):
        with pytest.raises(UnavailableError, match="no room"):
            await age.encrypt(some(bytes(size)), files.Writer(Full(), "memory"), recipients(identity))


@pytest.mark.parametrize("content", ["", "# nothing", "age1qqqq", "AGE-SECRET-KEY-1QQQ", "\xff"])
def test_a_file_without_an_identity_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content, encoding="latin-1")
    (tmp_path / "file").chmod(0o600)
    with pytest.raises(UsageError, match="holds no age identity") as caught:
        age.identities(tmp_path / "file")
    assert "QQQ" not in str(caught.value)


def test_recipients_come_from_options_and_a_file(identity: Path, tmp_path: Path) -> None:
    [one] = recipients(identity)
    (tmp_path / "recipients").write_text(f"# of the operators\n{one}\n\n")
    assert len(age.recipients([str(one)], tmp_path / "recipients")) == 2
    with pytest.raises(UsageError, match="no recipient is named"):
        age.recipients([])
    with pytest.raises(UsageError, match="cannot be read"):
        age.recipients([], tmp_path / "missing")


@pytest.mark.parametrize("start", [age.MAGIC + b"-> X25519 a\n", b"no age at all"])
async def test_a_header_without_end_is_given_up(identity: Path, start: bytes) -> None:
    """To read a header takes as long as the square of its length: one of 3 MB would take minutes."""
    content = io.BytesIO(start + (b"A" * 64 + b"\n") * 50_000)
    opened = age.decrypted(files.Reader(content, "memory"), age.identities(identity))
    async with asyncio.timeout(60):
        await failure(DamagedError, anext(opened))
    assert content.tell() < 2 * age.MAX_HEADER

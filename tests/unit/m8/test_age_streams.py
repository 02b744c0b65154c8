"""A stream through age: if it ends early, nothing of it is left, and its own failure is raised."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.backup import age, files
from monoskope.m8.backup.form import DamagedError

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


async def test_what_goes_in_comes_out(identity: Path) -> None:
    for size in (0, 1, 65_536, 1_000_001):
        content = os.urandom(size)
        sealed = io.BytesIO()
        await age.encrypt(some(content), files.Writer(sealed, "memory"), recipients(identity))
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
    with pytest.raises(asyncio.CancelledError):
        await task
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
        with pytest.raises(DamagedError):
            await anext(opened)
    assert content.tell() < 2 * age.MAX_HEADER


async def test_a_backup_for_many_recipients_is_opened(identity: Path) -> None:
    others = [age.Identity.generate().to_public() for _ in range(500)]
    sealed = io.BytesIO()
    await age.encrypt(some(b"x"), files.Writer(sealed, "memory"), [*others, *recipients(identity)])
    opened = age.decrypted(files.Reader(io.BytesIO(sealed.getvalue()), "memory"), age.identities(identity))
    assert b"".join([piece async for piece in opened]) == b"x"

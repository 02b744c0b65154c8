"""Backups are encrypted with age: its keys, and a stream that is encrypted or decrypted piece by piece.

`pyrage` reads and writes like a file, and blocks. So it runs on a thread, and what it reads comes from the event loop,
or what it writes goes there. A failure there is raised as it is; pyrage's words for it are not shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyrage

from monoskope.errors import RefusedError, UsageError
from monoskope.m8.backup.files import Reader, Writer
from monoskope.m8.backup.form import damaged, not_a_backup
from monoskope.settings import read_private, write_private

Recipient: TypeAlias = pyrage.x25519.Recipient
Identity: TypeAlias = pyrage.x25519.Identity


def make_identity(file: Path) -> str:
    """Write a new identity into the new file `file` (mode 0600), and return its recipient, `age1…`.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    identity, recipient = new_identity()
    write_private(file, f"{identity}\n".encode("ascii"))
    return recipient


def new_identity() -> tuple[Identity, str]:
    """Return a new identity, whose text is secret, and its recipient, `age1…`."""
    identity = pyrage.x25519.Identity.generate()
    return identity, str(identity.to_public())


def recipients(texts: Sequence[str], file: Path | None = None) -> list[Recipient]:
    """Return the recipients that are given, and those in `file`, one a line, with `#` before comments.

    Raises:
        UsageError: there is none, or one is no `age1…` key; the file cannot be read.
    """
    given = [*texts, *(() if file is None else _lines(_text(file)))]
    if not given:
        raise UsageError(
            "a backup is encrypted, and no recipient is named.",
            fix="Name one: --recipient age1… . Make its key on another machine: m8 backup key FILE",
        )
    return [_recipient(text) for text in given]


def _recipient(text: str) -> Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        pass
    # Not shown: it may be the identity, which is secret.
    raise UsageError("a recipient is not an age1… key.", fix="Copy it again: m8 backup key printed it.")


def identities(file: Path) -> list[Identity]:
    """Return the identities in `file`, one a line, with `#` before comments.

    Raises:
        UsageError: it is missing, or holds no identity.
        RefusedError: others can reach it.
    """
    content = read_private(file, missing="Name the file with the identity: m8 backup key made it.")
    found = []
    try:
        for line in _lines(content.decode("ascii")):
            found.append(pyrage.x25519.Identity.from_str(line))  # noqa: PERF401  the loop may end early
    except (UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise UsageError(
            f"{file} holds no age identity.", fix="Name the file with AGE-SECRET-KEY-1…, as m8 backup key makes it."
        )
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"the file of recipients {file} cannot be read as text.", fix="Check its name and mode."
        ) from None


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


MAGIC = b"age-encryption.org/v1\n"
MAX_HEADER = 131_072
"""Bytes of age's own header at most: some 1,000 recipients. It takes as long as the square of them to be read."""
_HEADER_ENDS = b"\n--- "
_PIECE = 262_144
"""How many bytes go to the event loop at once."""
_WAITING = 4
"""How many such pieces wait there at most."""


class _StoppedError(Exception):
    """The caller that waited for the stream is gone."""


class _Pulled:
    """A reader of what an asynchronous iterator yields."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._left = memoryview(b"")
        self.failure: BaseException | None = None
        self.is_stopped = False

    def read(self, size: int = -1, /) -> bytes:
        if self.is_stopped:
            raise _StoppedError
        try:
            while not self._left:
                self._left = memoryview(asyncio.run_coroutine_threadsafe(self._next(), self._loop).result())
        except StopAsyncIteration:
            return b""
        except BaseException as error:
            self.failure = error
            raise
        size = len(self._left) if size < 0 else size
        piece, self._left = bytes(self._left[:size]), self._left[size:]
        return piece

    async def _next(self) -> bytes:
        # StopAsyncIteration passes through a future of a thread, unlike through a coroutine's.
        return await anext(self._pieces)


class _Kept:
    """A writer that keeps the failure of another one."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.failure: BaseException | None = None

    def write(self, piece: bytes, /) -> int:
        try:
            return self._writer.write(piece)
        except BaseException as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self._writer.flush()


async def encrypt(
    pieces: AsyncGenerator[bytes, None], writer: Writer, recipients: Sequence[pyrage.x25519.Recipient]
) -> None:
    """Encrypt what `pieces` yield for `recipients`, and write it.

    Raises:
        Exception: what `pieces` or `writer` raised.
    """
    reader, kept = _Pulled(pieces), _Kept(writer)
    work = asyncio.create_task(asyncio.to_thread(pyrage.encrypt_io, reader, kept, list(recipients)))
    try:
        await asyncio.shield(work)
    except (pyrage.EncryptError, OSError) as error:
        raise kept.failure or reader.failure or error from None
    else:
        # pyrage drops a failure of its very last write.
        if kept.failure is not None:
            raise kept.failure
    finally:
        # A thread cannot be cancelled: it ends at its next read, and until then `pieces` and `writer` are its own.
        reader.is_stopped = True
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()
        await pieces.aclose()


class _Pushed:
    """A writer into a queue of the event loop."""

    def __init__(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._piece = bytearray()
        self.is_stopped = False

    def write(self, piece: bytes, /) -> int:
        self._piece += piece
        if len(self._piece) >= _PIECE:
            self.flush()
        return len(piece)

    def flush(self) -> None:
        if self.is_stopped:
            raise _StoppedError
        if self._piece:
            asyncio.run_coroutine_threadsafe(self._queue.put(bytes(self._piece)), self._loop).result()
            self._piece.clear()


class _Begun:
    """A reader that notes its own failure and whether it begins as age's format does. It gives a long header up."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._start = bytearray()
        self._is_begun = False
        self.failure: BaseException | None = None

    @property
    def is_age(self) -> bool:
        return bytes(self._start[: len(MAGIC)]) == MAGIC

    def read(self, size: int = -1, /) -> bytes:
        try:
            piece = self._reader.read(size)
            self._note(piece)
        except BaseException as error:
            self.failure = error
            raise
        return piece

    def _note(self, piece: bytes) -> None:
        if self._is_begun:
            return
        before = max(0, len(self._start) - len(_HEADER_ENDS))
        self._start += piece
        self._is_begun = self._start.find(_HEADER_ENDS, before) >= 0
        if self._is_begun:
            del self._start[len(MAGIC) :]
        elif len(self._start) > MAX_HEADER:
            raise damaged("its beginning is longer than any can be") if self.is_age else not_a_backup()


async def decrypted(reader: Reader, identities: Sequence[pyrage.x25519.Identity]) -> AsyncGenerator[bytes, None]:
    """Yield what was encrypted, each piece only after age has authenticated it.

    Raises:
        RefusedError: it is encrypted for none of `identities`.
        DamagedError: it is cut off, was changed, or is something else.
        Exception: what `reader` raised.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
    begun, pushed = _Begun(reader), _Pushed(queue)

    async def work() -> None:
        try:
            await asyncio.to_thread(_decrypt, begun, pushed, list(identities))
        except (pyrage.DecryptError, OSError) as error:
            raise _explained(error, begun) from None
        finally:
            await queue.put(None)

    working = asyncio.create_task(work())
    try:
        while (piece := await queue.get()) is not None:
            yield piece
        await working
    finally:
        pushed.is_stopped = True
        while not working.done():
            # The thread may wait for room in the queue: only then it sees that the reader is gone.
            with contextlib.suppress(asyncio.QueueEmpty):
                while True:
                    queue.get_nowait()
            await asyncio.wait([working], timeout=0.01)
        if not working.cancelled():
            working.exception()  # the caller that left does not want it


def _decrypt(reader: Any, writer: _Pushed, identities: list[pyrage.x25519.Identity]) -> None:  # noqa: ANN401
    pyrage.decrypt_io(reader, writer, identities)
    writer.flush()


def _explained(error: Exception, begun: _Begun) -> BaseException:
    if begun.failure is not None:
        return begun.failure
    if not begun.is_age:
        return not_a_backup()
    if isinstance(error, pyrage.DecryptError) and "matching keys" in str(error):
        return RefusedError(
            "the backup is not encrypted for this identity.",
            fix="Name the file of an identity whose recipient it was made for (--identity).",
        )
    return damaged("it is cut off or was changed, as age's own check says")

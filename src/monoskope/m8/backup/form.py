"""The form of a backup, which stands inside the age stream, and how a backup fails.

The ten bytes `MAGIC`, then frames: one byte for the kind, four bytes for the length (most significant byte first), then
so many bytes.

| kind | content |
|---|---|
| `H` | the header, JSON: first and once |
| `R` | a page of records; each is four bytes for its length, then the record byte for byte |
| `S` | sealed bytes that records of the page before it name, in the same form |
| `N` | what the log is called towards those who hold it to account, JSON |
| `C` | some of its checkpoints with their cosignatures, JSON; after `N` |
| `E` | the end, JSON: last and once; nothing follows it |

The end holds the SHA-256 of everything before its frame. Source: docs/adr/0035-backups.md.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TypeVar

import msgspec
from google.protobuf.message import DecodeError

from monoskope.api.secrets.v1.events_pb2 import SecretUploadRequested
from monoskope.errors import AlreadyExistsError, Code, Error, NotFoundError, RefusedError, UnavailableError, UsageError
from monoskope.m8.log.event_log import LogTamperedError, RecordedEvent
from monoskope.m8.log.folder import Noted, is_id
from monoskope.m8.log.tree_rows import Checkpoint, Named

T = TypeVar("T")


class DamagedError(Error):
    """A backup does not hold: it is cut off, changed, or something else altogether. Nothing in it counts."""

    code = Code.IDENTITY_CHANGED


def damaged(what: str) -> DamagedError:
    """Return the error of a backup that does not hold; `what` says why, without a full stop."""
    return DamagedError(f"the backup does not hold: {what}.", fix="Take another backup; keep this one as evidence.")


def not_a_backup() -> DamagedError:
    """Return the error of something that no `m8 backup create` made."""
    return DamagedError(
        "this is no backup that m8 backup create made, or its beginning is damaged.",
        fix="Name the right one.",
    )


def exists(place: str) -> AlreadyExistsError:
    """Return the error of a target that is taken."""
    return AlreadyExistsError(f"{place} exists already; it was not changed.", fix="Name a new one.")


def of_files(error: OSError, place: str) -> Error:
    """Return the error that explains what the operating system refused at `place`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return UnavailableError(
                f"{place} cannot be written: there is no space left. Nothing of the backup is kept.",
                fix="Free some space there, or name another place.",
            )
        case errno.EPIPE:
            return UnavailableError(
                f"{place} was closed before the backup was whole.",
                fix="See what the program behind the pipe says. What it stored is cut off and no backup.",
            )
        case errno.ENOENT | errno.ENOTDIR:
            return NotFoundError(f"{place} or its folder does not exist.", fix="Check both names.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return RefusedError(
                f"{place} cannot be reached: {error.strerror}.", fix="Check the owner and mode of it and its folder."
            )
        case _:
            return UnavailableError(f"{place} fails: {error.strerror}.", fix="Check the disk, or name another place.")


MAGIC = b"m8-backup\n"
FORMAT = 1
"""A backup of a greater number needs a newer m8."""

HEADER, RECORDS, SEALED, NAMES, CHECKPOINTS, END = b"H", b"R", b"S", b"N", b"C", b"E"

MAX_FRAME = 33_554_432
"""Bytes in one frame at most. A page ends at `PAGE` bytes, and one record has about 4 MiB at most."""

PAGE = 1_048_576
_LENGTH = 4
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Header(msgspec.Struct, frozen=True):
    """What a backup is of. Unknown fields are ignored: a change that matters raises `format`.

    Attributes:
        format: `FORMAT` of the m8 that made it.
        created_at_ms: When it was begun, milliseconds since 1970.
        position: The last position in it; the first is 1. 0 for an empty log.
        head: Hash of the record there, hex; "" for an empty log.
        log_id: The id of the log, 32 hex digits, "" if it had none. A restored log has the same.
        engine: "sqlite" or "postgresql": where it was made. It can be restored into either.
        version: Of the m8 that made it.
    """

    format: int
    created_at_ms: int
    position: int
    head: str
    log_id: str
    engine: str
    version: str

    @property
    def end(self) -> Noted:
        """The last position, and the hash of the record there."""
        return Noted(self.position, bytes.fromhex(self.head))


class End(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a backup must have held when it ends.

    Attributes:
        records: How many records.
        sealed: How many sealed bytes.
        erased: How many sealed bytes its records name that were erased before.
        sha256: Of everything before the end's own frame, hex.
        checkpoints: How many checkpoints.
    """

    records: int
    sealed: int
    erased: int
    sha256: str
    checkpoints: int = 0


def frame(kind: bytes, content: bytes) -> bytes:
    """Return one frame."""
    assert len(content) <= MAX_FRAME, "pages are small"
    return kind + len(content).to_bytes(_LENGTH, "big") + content


def page(bodies: Sequence[bytes]) -> bytes:
    """Return the content of a page."""
    return b"".join(part for body in bodies for part in (len(body).to_bytes(_LENGTH, "big"), body))


def bodies(content: bytes) -> list[bytes]:
    """Return what is in a page. Raises `DamagedError`."""
    found, at = [], 0
    while at < len(content):
        start = at + _LENGTH
        at = start + int.from_bytes(content[at:start], "big")
        if at > len(content):
            raise damaged("a page is shorter than it says")
        found.append(content[start:at])
    return found


def header(content: bytes) -> Header:
    """Return the header. Raises `DamagedError`; `UsageError` for one of a newer format."""
    number = _decoded(content, dict[str, object], "its header").get("format")
    if isinstance(number, int) and number > FORMAT:
        raise UsageError(
            f"the backup has format {number}, this m8 knows {FORMAT} and no newer one.",
            fix="Use the version of m8 that made it, or a newer one.",
        )
    whole = _decoded(content, Header, "its header")
    if not (_fits(whole.position, whole.head) and (not whole.log_id or is_id(whole.log_id))):
        raise damaged("its header says what none can")
    return whole


def _fits(position: int, head: str) -> bool:
    return (_SHA256.fullmatch(head) is not None and position > 0) or (position == 0 and not head)


def names(content: bytes) -> list[Named]:
    """Return the names of the log. Raises `DamagedError`."""
    return _decoded(content, list[Named], "the names of its log")


def checkpoints(content: bytes) -> list[Checkpoint]:
    """Return checkpoints. Raises `DamagedError`."""
    return _decoded(content, list[Checkpoint], "its checkpoints")


def end(content: bytes) -> End:
    """Return the end. Raises `DamagedError`."""
    return _decoded(content, End, "its end")


def _decoded(content: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise damaged(f"{what} cannot be read") from None


class Frames:
    """Reads frames from pieces of any size."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self._left = bytearray()
        self._sha256 = hashlib.sha256()
        self.sha256 = b""
        """Of everything before the frame that was read last."""

    async def begin(self) -> None:
        """Read what every backup begins with. Raises `DamagedError`."""
        if await self._take(len(MAGIC)) != MAGIC:
            raise not_a_backup()

    async def next(self) -> tuple[bytes, bytes]:
        """Return the kind and the content of the next frame. Raises `DamagedError` if there is none."""
        self.sha256 = self._sha256.digest()
        head = await self._take(1 + _LENGTH)
        size = int.from_bytes(head[1:], "big")
        if size > MAX_FRAME:
            raise damaged("a frame is longer than any can be")
        return head[:1], await self._take(size)

    async def is_over(self) -> bool:
        """Whether nothing follows."""
        async for piece in self._pieces:
            self._left += piece
            if self._left:
                break
        return not self._left

    async def close(self) -> None:
        """Read no more."""
        await self._pieces.aclose()

    async def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            piece = await anext(self._pieces, None)
            if piece is None:
                raise damaged("it is cut off")
            self._left += piece
        found = bytes(self._left[:size])
        del self._left[:size]
        self._sha256.update(found)
        return found


_KIND = SecretUploadRequested.DESCRIPTOR.name


def named(events: Iterable[RecordedEvent]) -> list[bytes]:
    """Return the SHA-256 of the sealed bytes that `events` name, in their order, each once.

    Raises:
        LogTamperedError: an event cannot be read.
    """
    found: dict[bytes, None] = {}
    for event in events:
        if event.type == _KIND and (digest := _digest(event)):
            found[digest] = None
    return list(found)


def _digest(event: RecordedEvent) -> bytes:
    try:
        return SecretUploadRequested.FromString(event.data).sealed_sha256
    except DecodeError:
        raise LogTamperedError(event.position, "the event in the record cannot be parsed") from None

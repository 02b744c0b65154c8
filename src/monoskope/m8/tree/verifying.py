"""Checking the whole tree against the records: every tile, checkpoint, signature and cosignature that the log keeps.

The records themselves are checked by `EventLog.check_chain`. Sealed bytes are no part of either, and may be erased.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from monoskope.errors import Error
from monoskope.m8.log import tree_rows
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.failures import LogTamperedError
from monoskope.m8.log.tree_rows import Named, TileKey
from monoskope.m8.tree.signing import BehindError, Signed
from monoskope.m8.tree.tree import PIECE, Edge, TilesDamagedError
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.note import Note, NoteSignature
from monoskope.value import Value

_PAGE = 256


class Verified(Value, frozen=True):
    """What was checked: how many names the log has had, and how many checkpoints and cosignatures."""

    names: int = 0
    checkpoints: int = 0
    cosignatures: int = 0


async def verified(log: EventLog, head: int, signed: Signed | None = None) -> Verified:
    """Check the tree of the first `head` records and all checkpoints, and return how many there are.

    Args:
        log: The log, of which the chain was checked up to `head`.
        head: The last position.
        signed: What `log.checkpoint` says.

    Raises:
        LogTamperedError: something does not hold; names the size of the tree.
        BehindError: everything holds, and `signed` is of more records, as after a restore.
        TilesDamagedError: a tile is not that of the records.
        UnavailableError: the log fails.
    """
    names = await log.names()
    checkpoints = cosignatures = 0
    for named in names:
        known = signed if signed is not None and signed.checkpoint.origin == named.origin else None
        walk = _Walk(log, named, head)
        await walk.run(known)
        checkpoints += walk.checkpoints
        cosignatures += walk.cosignatures
    return Verified(len(names), checkpoints, cosignatures)


class _Walk:
    """One walk over all records, for the checkpoints of one name."""

    def __init__(self, log: EventLog, named: Named, head: int) -> None:
        self._log = log
        self._named = named
        self._head = head
        self._edge = Edge()
        self._vkeys = [VerifierKey.parse(vkey) for vkey in named.vkeys]
        self.checkpoints = self.cosignatures = 0

    async def run(self, signed: Signed | None) -> None:
        after = signed
        async for one in self._kept():
            if after is not None and after.checkpoint.size < one.size:
                await self._check_signed(after)
                after = None
            await self._upto(one.size)
            self._check_root(one.size, one.root, "a checkpoint")
            if one.note:
                self._check_note(one)
                self.checkpoints += 1
        if after is not None and after.checkpoint.size <= self._head:
            await self._check_signed(after)
            after = None
        await self._upto(self._head)
        if after is not None:
            raise BehindError(self._head, after.checkpoint, "log.checkpoint")

    async def _kept(self) -> AsyncIterator[tree_rows.Checkpoint]:
        after = 0
        while page := await self._log.checkpoints(self._named.number, after=after, limit=_PAGE):
            for one in page:
                yield one
            after = page[-1].size

    async def _check_signed(self, signed: Signed) -> None:
        await self._upto(signed.checkpoint.size)
        self._check_root(signed.checkpoint.size, signed.checkpoint.root, "log.checkpoint")

    async def _upto(self, size: int) -> None:
        """Add records up to that size, and compare the tiles that they make."""
        if size > self._head:
            raise LogTamperedError(self._head + 1, f"the record is missing, and a checkpoint of size {size} was signed")
        while self._edge.size < size:
            hashes = await self._log.hashes(after=self._edge.size, limit=min(PIECE, size - self._edge.size))
            if not hashes:
                raise LogTamperedError(self._edge.size + 1, "the record is missing")
            made = self._edge.add(hashes)
            self._compare(made, await self._log.tiles(made))

    def _compare(self, made: Mapping[TileKey, bytes], kept: Mapping[TileKey, bytes]) -> None:
        """Compare tiles as far as both go: the tree of a log that is not served ends before the log."""
        for key, body in kept.items():
            if made[key][: len(body)] != body[: len(made[key])]:
                raise TilesDamagedError(self._edge.size)

    def _check_root(self, size: int, root: bytes, where: str) -> None:
        if self._edge.root() != root:
            raise LogTamperedError(size, f"the records up to there are not those that {where} was signed for")

    def _check_note(self, one: tree_rows.Checkpoint) -> None:
        """Check what the note says, both signatures, and every cosignature."""
        try:
            note = Note.parse(one.note)
            says = Checkpoint.parse(note.text)
            signers = note.verified(self._vkeys)
            cosigned = [_cosigned(note, each) for each in one.cosignatures]
        except Error:
            raise LogTamperedError(one.size, "the checkpoint there has a signature that does not hold") from None
        if says != Checkpoint(self._named.origin, one.size, one.root) or len(signers) != len(self._vkeys):
            raise LogTamperedError(one.size, "the checkpoint there is not the one that was signed")
        if not all(cosigned):
            raise LogTamperedError(one.size, "a cosignature of the checkpoint there has another time")
        self.cosignatures += len(cosigned)


def _cosigned(note: Note, cosignature: tree_rows.Cosignature) -> bool:
    """Whether the time of a cosignature is the one that was kept. Raises `Error` if it does not verify."""
    vkey = VerifierKey.parse(cosignature.vkey)
    return _times(Note(note.text, (NoteSignature.parse(cosignature.line),)), [vkey]) == [cosignature.at_s]


def _times(note: Note, vkeys: Sequence[VerifierKey]) -> list[int | None]:
    return list(note.verified(vkeys).values())

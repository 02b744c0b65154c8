"""The signed checkpoints of one log, under its present name: the newest, and the one that covers a record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from monoskope.m8.log.tree_rows import Checkpoint, Cosignature, Named, TreeRows
from monoskope.m8.tree.cosigners import Cosigners

_DAY_MS = 86_400_000
_PAGE = 256
"""Checkpoints that are read at once."""


class Checkpoints:
    """Reads and keeps checkpoints.

    Args:
        rows: The log.
        named: Its name that counts now.
        cosigners: The witnesses that m8 asks, None if it asks none.
    """

    def __init__(self, rows: TreeRows, named: Named, cosigners: Cosigners | None) -> None:
        self._rows = rows
        self._vkeys: Sequence[str] = () if cosigners is None else tuple(cosigners.vkeys)
        self._quorum = 0 if cosigners is None else cosigners.quorum
        self.named = named

    async def newest(self) -> Checkpoint | None:
        """Return the newest one of all. Raises `UnavailableError`, as every method does."""
        return await self._rows.checkpoint(self.named.number)

    async def newest_witnessed(self) -> Checkpoint | None:
        """Return the newest one that a quorum cosigned; None if there is none, or if m8 asks no witness."""
        if not self._quorum:
            return None
        return await self._rows.checkpoint(self.named.number, vkeys=self._vkeys, quorum=self._quorum)

    async def covering(self, size: int, *, witnessed: bool) -> Checkpoint | None:
        """Return the smallest one of at least `size` leaves, None if there is none yet.

        Args:
            size: The position of the record that it is to cover.
            witnessed: Whether a quorum must have cosigned it. Without witnesses none has.
        """
        if not witnessed:
            return await self._rows.checkpoint(self.named.number, at_least=size)
        if not self._quorum:
            return None
        return await self._rows.checkpoint(self.named.number, at_least=size, vkeys=self._vkeys, quorum=self._quorum)

    async def add(self, checkpoint: Checkpoint) -> None:
        """Keep the note of a checkpoint that was claimed."""
        await self._rows.keep_note(checkpoint.number, checkpoint.size, checkpoint.note, at_ms=checkpoint.at_ms)

    async def add_cosignatures(self, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Keep cosignatures of the checkpoint of that size."""
        await self._rows.keep_cosignatures(self.named.number, size, cosignatures)


async def thin(rows: TreeRows, number: int, *, after: int, now_ms: int) -> int:
    """Drop checkpoints older than a day, all but the last of each day and those that a witness cosigned.

    The next one proves what each of them does. One page is looked at, of those greater than `after`.

    Args:
        rows: The log.
        number: Of the name that they belong to.
        after: The size up to which they were looked at before.
        now_ms: Milliseconds since 1970.

    Returns:
        The size up to which they are done: `after` itself if no other one is old.

    Raises:
        UnavailableError: the log fails.
    """
    drops = []
    for one, later in pairwise(await rows.checkpoints(number, after=after, limit=_PAGE)):
        if one.at_ms > now_ms - _DAY_MS:
            break
        after = one.size
        if later.note and not one.cosignatures and one.at_ms // _DAY_MS == later.at_ms // _DAY_MS:
            drops.append(one.size)
    if drops:
        await rows.drop_checkpoints(number, drops)
    return after


def whole_note(checkpoint: Checkpoint) -> bytes:
    """Return the note with its cosignatures."""
    return checkpoint.note + "".join(f"{each.line}\n" for each in checkpoint.cosignatures).encode()

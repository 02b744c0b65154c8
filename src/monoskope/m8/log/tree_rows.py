"""What an event log keeps beside its events so that strangers can hold m8 to it: the tree, checkpoints, cosignatures.

The tree is derived from the records, and can be made again. Checkpoints, cosignatures and what the log is called are
not: m8 signed them, and others have them. Nothing here knows what a note says, or verifies one.

Sources: docs/adr/0054-a-tree-beside-the-log.md, c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from monoskope.value import Value

HASH_BYTES = 32
"""Bytes of one hash in a tile."""

FULL = 256
"""Hashes in a full tile."""

TileKey: TypeAlias = tuple[int, int]
"""The level of a tile, from 0, and its index there, from 0."""


class Named(Value, frozen=True):
    """What the event log is called towards strangers, and since when. A log that was renewed has several, in order.

    Attributes:
        number: 1 for the first, then 2, 3, ….
        origin: The first line of its checkpoints.
        vkeys: The verifier keys of its own signatures, as text.
        since_ms: When it was recorded, milliseconds since 1970.
        reason: Why it was renewed, "" for one that continues none.
        last_note: The last note known of the one before it, b"" without one.
    """

    number: int
    origin: str
    vkeys: tuple[str, ...]
    since_ms: int
    reason: str = ""
    last_note: bytes = b""


class Cosignature(Value, frozen=True):
    """A witness's signature of a checkpoint.

    Attributes:
        vkey: The verifier key of the witness, as text.
        line: The signature line of the note, without its newline.
        at_s: When the witness signed, by its own clock, seconds since 1970.
    """

    vkey: str
    line: str
    at_s: int


class Checkpoint(Value, frozen=True):
    """A checkpoint as the log keeps it.

    Attributes:
        number: Of the `Named` that it belongs to.
        size: Of the tree.
        root: Of the tree.
        at_ms: When it was claimed or last signed, milliseconds since 1970.
        note: The note with the log's own signatures; b"" as long as it is claimed and not signed.
        cosignatures: In the order of their verifier keys.
    """

    number: int
    size: int
    root: bytes
    at_ms: int
    note: bytes = b""
    cosignatures: tuple[Cosignature, ...] = ()


class TreeRows(ABC):
    """The part of an `EventLog` about its tree. Every method raises `UnavailableError` as those of `EventLog` do.

    `ValueError` means that the caller broke a rule stated here.
    """

    @abstractmethod
    async def hashes(self, *, after: int, limit: int) -> list[bytes]:
        """Return the hashes of up to `limit` (at least 1) records whose position is greater than `after`, in order."""

    @abstractmethod
    async def tree_size(self) -> int:
        """Return how many leaves the tiles of level 0 have."""

    @abstractmethod
    async def tiles(self, wanted: Collection[TileKey]) -> dict[TileKey, bytes]:
        """Return the tiles that are there, each with as many hashes as it has so far. All are of one moment."""

    @abstractmethod
    async def put_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Keep tiles, all or none. One that has more hashes already stays as it is.

        So of two that build the tree at once, the slower one takes nothing away.
        """

    @abstractmethod
    async def names(self) -> list[Named]:
        """Return what the log is and was called, in order; [] if it never made a checkpoint."""

    @abstractmethod
    async def give_name(self, named: Named) -> bool:
        """Call the log so from now on, durably, and return whether it did.

        It does if `named.number` is one more than the last one: so of two at once, one does. Nothing can be claimed
        under the name before any more.
        """

    @abstractmethod
    async def claim(self, number: int, size: int, root: bytes, *, at_ms: int) -> bool:
        """Claim that the tree of `size` has `root`, durably, and return whether nothing speaks against it.

        It does not if `number` is not the last name, if a greater size is claimed, or this size with another root.
        To be called before anything is signed: so whoever signs, and however many, one root of each size is signed.
        """

    @abstractmethod
    async def keep_note(self, number: int, size: int, note: bytes, *, at_ms: int) -> None:
        """Keep the note of a claimed checkpoint, in place of an earlier one of the same claim.

        A claim that is not there is `ValueError`.
        """

    @abstractmethod
    async def keep_cosignatures(self, number: int, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Keep cosignatures of a claimed checkpoint, in place of earlier ones of the same verifier keys."""

    @abstractmethod
    async def newest_claim(self, number: int) -> Checkpoint | None:
        """Return the claim of the greatest size, signed or not, without cosignatures; None if there is none."""

    @abstractmethod
    async def checkpoint(
        self, number: int, *, at_least: int | None = None, vkeys: Collection[str] = (), quorum: int = 0
    ) -> Checkpoint | None:
        """Return a signed checkpoint, None if there is none that fits.

        Args:
            number: Of the name that it belongs to.
            at_least: The smallest one of this size or a greater one is returned; without it, the greatest of all.
            vkeys: Of the witnesses whose cosignatures count.
            quorum: How many of them must have cosigned it.
        """

    @abstractmethod
    async def checkpoints(self, number: int, *, after: int, limit: int) -> list[Checkpoint]:
        """Return up to `limit` (at least 1) claims whose size is greater than `after`, signed or not, in order.

        The smallest size is 1, so `after=0` begins with the first.
        """

    @abstractmethod
    async def drop_checkpoints(self, number: int, sizes: Collection[int]) -> None:
        """Drop checkpoints of these sizes; those that a witness cosigned stay. Not to be called for the greatest."""

    @abstractmethod
    async def cosigned(self, number: int, vkey: str) -> tuple[int, int]:
        """Return the size of the greatest checkpoint that the witness cosigned, and when (`at_s`); (0, 0) if none."""

    @abstractmethod
    async def import_names(self, names: Sequence[Named], checkpoints: Sequence[Checkpoint]) -> None:
        """Take over names and checkpoints of the log that is being imported. What is there already stays as it is."""


def check_tiles(tiles: Mapping[TileKey, bytes]) -> None:
    """Raise `ValueError` unless each tile has from 1 to `FULL` hashes, at a level and an index that there can be."""
    for (level, index), body in tiles.items():
        if not 0 <= level < 8 or index < 0:
            raise ValueError("a tile has a level from 0 to 7, and an index.")
        if not body or len(body) % HASH_BYTES or len(body) > FULL * HASH_BYTES:
            raise ValueError(f"a tile has from 1 to {FULL} hashes of {HASH_BYTES} bytes.")


def check_claim(size: int, root: bytes) -> None:
    """Raise `ValueError` unless a checkpoint may say this."""
    if size < 1 or len(root) != HASH_BYTES:
        raise ValueError("a checkpoint is of a tree with a leaf, and has a root.")


def unclaimed(size: int) -> ValueError:
    """Return the error of a note for a checkpoint that nobody claimed."""
    return ValueError(f"nobody claimed a checkpoint of the size {size}.")

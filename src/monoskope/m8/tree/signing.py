"""When m8 may sign a checkpoint, and the order in which it does: what must never be signed twice is durable before.

Each signature takes these steps. A process may die, or stand still, between any two of them:

1. The tree is read: its size and its root.
2. It must continue what `log.checkpoint` says, what was claimed last, and what witnesses showed.
3. The size and the root are claimed in the log. Of two processes that disagree, one cannot.
4. Both keys sign, in memory.
5. The note is written to `log.checkpoint`, forced to disk.
6. Only now it is kept in the log, from where everyone gets it.

`log.checkpoint` in m8's folder has the last checkpoint that was signed, or seen, here. A database that was put back to
an earlier state cannot know what was signed since. This file does. So it must never be put back together with the
database: no backup holds it. Every process follows what is signed, whichever process signs, and keeps its file up to
date.

Source: docs/adr/0054-a-tree-beside-the-log.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from monoskope.errors import ConflictError, Error, UsageError
from monoskope.failpoints import failpoint
from monoskope.m8.log import tree_rows
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Named, TreeRows
from monoskope.m8.tree.tree import Tree
from monoskope.m8.tree.witnessed_log import Seen, WitnessedLog
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import verify_consistency
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.settings import find_private, locked, write_private
from monoskope.value import Value

FILE = "log.checkpoint"


class Signed(Value, frozen=True):
    """A checkpoint and the note that it stands in."""

    checkpoint: Checkpoint
    note: bytes


class LastSigned:
    """The file of one folder. Several processes may use it at once. Its methods block.

    Args:
        folder: Of m8.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def read(self) -> Signed | None:
        """Return what was signed last, None if nothing was.

        Raises:
            UsageError: the file holds something else: nothing is to be signed until an operator has looked.
            RefusedError: others can reach it.
        """
        content = find_private(self._path)
        if content is None:
            return None
        try:
            return Signed(Checkpoint.parse(Note.parse(content).text), content)
        except UsageError as error:
            raise UsageError(
                f"{self._path} is damaged: {error.message}",
                fix="If m8 log status shows that the log is whole, move the file away; m8 writes it again.",
            ) from None

    def advance(self, note: bytes, *, after: Signed | None) -> bool:
        """Write `note`, which continues `after`, down, forced to disk, and return whether the file holds it now.

        It does not if the file has changed since it held `after` (None: nothing), unless to the same checkpoint.

        Raises:
            UsageError: as `read`, or the file cannot be written.
        """
        new = Checkpoint.parse(Note.parse(note).text)
        with locked(self._path):
            found = self.read()
            there = None if found is None else found.checkpoint
            if there not in (new, None if after is None else after.checkpoint):
                return False
            write_private(self._path, note, replace=True)
            return True


RENEW = "m8 log renew --reason TEXT"


class StoppedError(ConflictError):
    """This m8 must not sign. Its message says why."""


class BehindError(StoppedError):
    """The log ends before what was signed for it, or shown of it. It may catch up, as a standby does."""

    def __init__(self, size: int, known: Checkpoint, where: str) -> None:
        super().__init__(
            f"the event log ends at position {size}, and {where} has a checkpoint of it up to {known.size}: an older "
            "or another database is in use.",
            fix=f"If records are lost for good, run: {RENEW} . Else put the right database in place.",
        )


class ForkedError(StoppedError):
    """The log holds other records than what was signed for it."""

    def __init__(self, known: Checkpoint, where: str) -> None:
        super().__init__(
            f"the event log does not continue the checkpoint of position {known.size} that {where} has: records were "
            "changed, or this is another database.",
            fix=f"Keep both as evidence, and find out which one is yours. If records are lost for good, run: {RENEW}",
        )


class Signer:
    """Signs the checkpoints of one log for one process.

    Args:
        rows: The log.
        last: What was signed last, outside of the database.
        clock: Milliseconds since 1970.
    """

    def __init__(self, rows: TreeRows, last: LastSigned, clock: Callable[[], int]) -> None:
        self._rows = rows
        self._tree = Tree(rows)
        self._last = last
        self._clock = clock

    async def sign(self, key: LogKey, named: Named, shown: Iterable[Checkpoint] = ()) -> tree_rows.Checkpoint:
        """Sign a checkpoint of the whole tree, and return it. The tree must have a leaf.

        Args:
            key: The keys of `named`.
            named: The last name of the log.
            shown: Checkpoints of this log that witnesses have shown.

        Raises:
            StoppedError: nothing may be signed.
            UnavailableError: the log fails.
            UsageError: `log.checkpoint` cannot be read or written.
        """
        size = await self._tree.size()
        checkpoint = Checkpoint(key.origin, size, await self._tree.root(size))
        before = await self.check(checkpoint, named, shown)
        failpoint("m8.checkpoint.before-claim")
        at_ms = self._clock()
        if not await self._rows.claim(named.number, size, checkpoint.root, at_ms=at_ms):
            raise StoppedError(
                f"another m8 has claimed a checkpoint that speaks against that of position {size}.",
                fix="If two m8 of this log use one database, this passes. Else compare the logs of all m8.",
            )
        failpoint("m8.checkpoint.after-claim")
        note = key.sign(checkpoint, at_ms // 1000)
        failpoint("m8.checkpoint.after-sign")
        if not await asyncio.to_thread(self._last.advance, note, after=before):
            raise StoppedError(
                "another m8 of this folder has signed a checkpoint meanwhile.", fix="This passes by itself."
            )
        failpoint("m8.checkpoint.after-file")
        await self._rows.keep_note(named.number, size, note, at_ms=at_ms)
        failpoint("m8.checkpoint.after-note")
        return tree_rows.Checkpoint(named.number, size, checkpoint.root, at_ms, note)

    async def check(self, checkpoint: Checkpoint, named: Named, shown: Iterable[Checkpoint] = ()) -> Signed | None:
        """Check that `checkpoint`, of the whole tree, continues everything that was signed.

        Returns what `log.checkpoint` held. Raises as `sign`.
        """
        signed = await asyncio.to_thread(self._last.read)
        if signed is not None and signed.checkpoint.origin != checkpoint.origin:
            await self._check_former(signed.checkpoint)
        elif signed is not None:
            await self.follows(signed.checkpoint, checkpoint, "log.checkpoint")
        claim = await self._rows.newest_claim(named.number)
        if claim is not None:
            known = Checkpoint(checkpoint.origin, claim.size, claim.root)
            await self.follows(known, checkpoint, "the database")
        for each in shown:
            await self.follows(each, checkpoint, "a witness")
        return signed

    async def follows(self, known: Checkpoint, checkpoint: Checkpoint, where: str) -> None:
        """Check that `checkpoint`, of the whole tree, continues one that `where` has. Raises as `sign`."""
        if known.size > checkpoint.size:
            raise BehindError(checkpoint.size, known, where)
        proof = await self._tree.consistency(known.size, checkpoint.size)
        try:
            verify_consistency(known.size, known.root, checkpoint.size, checkpoint.root, proof)
        except LogProofError:
            raise ForkedError(known, where) from None

    async def _check_former(self, known: Checkpoint) -> None:
        """After a renewal the file may still hold a checkpoint of the name before."""
        if known.origin not in {named.origin for named in await self._rows.names()}:
            raise StoppedError(
                f"log.checkpoint is of another log, {known.origin}.",
                fix="Compare this folder with that of another replica. If the file was copied here, move it away.",
            )


def sentence(error: Error) -> str:
    """Return what an error says in one line, with what helps."""
    return f"{error.message} {error.fix}".strip()


class Follower:
    """Keeps the file `log.checkpoint` of one folder up to date.

    Args:
        log: The event log.
        witnessed: What this process knows of its checkpoints.
        last: The file.
        signer: Knows what continues what.
    """

    def __init__(self, log: EventLog, witnessed: WitnessedLog, last: LastSigned, signer: Signer) -> None:
        self._log = log
        self._witnessed = witnessed
        self._last = last
        self._signer = signer

    async def follow(self) -> None:
        """Write the newest checkpoint down, if it continues what is written down.

        Raises:
            StoppedError: it does not, the log ends before that, or the keys of the log did not sign it.
            UnavailableError: the log fails, or its tree is behind what is written down: look again.
            UsageError: `log.checkpoint` cannot be read or written.
        """
        seen = await self._witnessed.seen()
        signed = await self.check(seen)
        if seen.newest is not None and _is_news(signed, seen):
            await asyncio.to_thread(self._last.advance, seen.newest.note, after=signed)

    async def check(self, seen: Seen) -> Signed | None:
        """Check that the newest checkpoint continues what is written down, and return that. Raises as `follow`."""
        signed = await asyncio.to_thread(self._last.read)
        if signed is not None and not _is_former(signed, seen):
            await self._check(signed.checkpoint, seen)
        if seen.named is not None and seen.newest is not None and _is_news(signed, seen):
            newest = Checkpoint(seen.named.origin, seen.newest.size, seen.newest.root)
            _check_signed(newest, seen.newest.note, seen.named)
        return signed

    async def _check(self, signed: Checkpoint, seen: Seen) -> None:
        if seen.named is not None and seen.newest is not None and signed.size <= seen.size:
            newest = Checkpoint(seen.named.origin, seen.newest.size, seen.newest.root)
            await self._signer.follows(signed, newest, "log.checkpoint")
            return
        # It was signed here and is not in the database yet, or not any more.
        head = await self._log.head()
        if head < signed.size:
            raise BehindError(head, signed, "log.checkpoint")
        # While the tree is behind the records it is not known whether they fit: what was found before still counts.
        if await self._witnessed.tree.root(signed.size) != signed.root:
            raise ForkedError(signed, "log.checkpoint")


def _check_signed(newest: Checkpoint, note: bytes, named: Named) -> None:
    """Check that the keys of the log signed `newest` in `note`. Raises `StoppedError`.

    An attacker who can write to the database could else write to the file, which outlives it, and keep m8 from signing.
    """
    try:
        policy = Policy(LogKeys.of([VerifierKey.parse(text) for text in named.vkeys]))
        if policy.believe(note).checkpoint == newest:
            return
    except (NoteError, LogProofError):
        pass
    raise StoppedError(
        f"the database has a checkpoint of position {newest.size} that the keys of the log did not sign.",
        fix="The database was changed. Keep it as evidence, and run: m8 events verify",
    )


def _is_news(signed: Signed | None, seen: Seen) -> bool:
    """Whether the newest checkpoint is not the one that is written down."""
    if seen.named is None or seen.newest is None:
        return False
    return signed is None or signed.checkpoint != Checkpoint(seen.named.origin, seen.newest.size, seen.newest.root)


def _is_former(signed: Signed, seen: Seen) -> bool:
    """Whether it is of a name before the last one: it was renewed."""
    return signed.checkpoint.origin in {named.origin for named in seen.names[:-1]}

"""When m8 may sign a checkpoint, and the order in which it does: what must never be signed twice is durable before.

Each signature takes these steps. A process may die, or stand still, between any two of them:

1. The tree is read: its size and its root.
2. It must continue what `log.checkpoint` says, what was claimed last, and what witnesses showed.
3. The size and the root are claimed in the log. Of two processes that disagree, one cannot.
4. Both keys sign, in memory.
5. The note is written to `log.checkpoint`, forced to disk.
6. Only now it is kept in the log, from where everybody gets it.

Source: docs/adr/0054-a-tree-beside-the-log.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from monoskope.errors import ConflictError, Error
from monoskope.failpoints import failpoint
from monoskope.m8.log import tree_rows
from monoskope.m8.log.tree_rows import Named, TreeRows
from monoskope.m8.tree.last_signed import LastSigned, Signed
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import LogProofError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import verify_consistency

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

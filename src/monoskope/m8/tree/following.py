"""Following what is signed, whichever process signs: so each folder notices a database that was put back."""

from __future__ import annotations

import asyncio

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.tree.last_signed import LastSigned, Signed
from monoskope.m8.tree.signing import BehindError, ForkedError, Signer, StoppedError
from monoskope.m8.tree.witnessed_log import Seen, WitnessedLog
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.policy import LogKeys, Policy
from monoskope.protocol.tlog.vkey import VerifierKey


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
        # While the tree is behind the records nobody can say whether they fit: what was found before still counts.
        if await self._witnessed.tree.root(signed.size) != signed.root:
            raise ForkedError(signed, "log.checkpoint")


def _check_signed(newest: Checkpoint, note: bytes, named: Named) -> None:
    """Check that the keys of the log signed `newest` in `note`. Raises `StoppedError`.

    Who can write to the database could else write to the file, which outlives it, and keep m8 from signing for good.
    """
    try:
        policy = Policy(LogKeys.of([VerifierKey.parse(text) for text in named.vkeys]))
        if policy.believe(note).checkpoint == newest:
            return
    except (NoteError, LogProofError):
        pass
    raise StoppedError(
        f"the database has a checkpoint of position {newest.size} that the keys of the log did not sign.",
        fix="Somebody changed the database. Keep it as evidence, and run: m8 events verify",
    )


def _is_news(signed: Signed | None, seen: Seen) -> bool:
    """Whether the newest checkpoint is not the one that is written down."""
    if seen.named is None or seen.newest is None:
        return False
    return signed is None or signed.checkpoint != Checkpoint(seen.named.origin, seen.newest.size, seen.newest.root)


def _is_former(signed: Signed, seen: Seen) -> bool:
    """Whether it is of a name before the last one: it was renewed."""
    return signed.checkpoint.origin in {named.origin for named in seen.names[:-1]}

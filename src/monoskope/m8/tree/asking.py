"""Asking the witnesses, in the process that signs: what they show at its start, then for their cosignatures."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from monoskope.errors import Error
from monoskope.m8.log import tree_rows
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.tree.checkpoints import whole_note
from monoskope.m8.tree.cosigners import Asked, Cosigners
from monoskope.m8.tree.state import WitnessNote
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey

OLD_S = 1_800
"""A cosignature that is older than its checkpoint by more seconds is of the signature an hour before."""


class Asking:
    """What one process asks the witnesses, from the moment on at which it begins to sign.

    Args:
        log: The event log.
        cosigners: The witnesses, None if m8 asks none.
        clock: Milliseconds since 1970.
        every_s: They are asked at most so often, in seconds.
    """

    def __init__(self, log: EventLog, cosigners: Cosigners | None, clock: Callable[[], int], *, every_s: float) -> None:
        self._log = log
        self._cosigners = cosigners
        self._clock = clock
        self._every_s = every_s
        self._asked_at = float("-inf")
        self._shown: list[Checkpoint] | None = None
        self._signed = (0, 0)
        self._cosigned: set[str] = set()
        self.witnesses: tuple[WitnessNote, ...] = ()
        """What was wrong with each witness when it was asked last."""
        self.no_quorum_since_ms = 0
        """Since when the newest checkpoint lacks a quorum, milliseconds since 1970; 0 if it does not."""
        self.stop = ""
        """Why nothing may be signed, in one sentence: what a witness has shown. It stays so."""

    async def shown(self, key: LogKey, tree: Tree) -> list[Checkpoint]:
        """Return what witnesses show that our own keys signed. They are asked once, and `passed` drops it.

        A witness that does not answer keeps nobody from signing: it is asked again with the next checkpoint.
        """
        if self._shown is None:
            found = []
            for note in () if self._cosigners is None else await self._cosigners.published(tree):
                try:
                    if note.verified(key.vkeys):
                        found.append(Checkpoint.parse(note.text))
                except Error:  # it says nothing about us
                    continue
            self._shown = found  # not earlier: a look that failed is made again, and nothing is signed before
        return self._shown

    def passed(self) -> None:
        """Take note that a checkpoint was signed which continues all that witnesses showed."""
        self._shown = []

    async def cosign(self, named: Named, checkpoint: tree_rows.Checkpoint, tree: Tree) -> bool:
        """Ask for cosignatures of the newest checkpoint if it lacks any, and return whether there are new ones.

        A tree that did not grow is signed again each hour. It keeps the cosignatures that it has, and lacks newer ones:
        clients do not accept a quorum whose times are old.

        Raises:
            UnavailableError: the log fails.
        """
        checkpoint = self._with_newer_alone(checkpoint)
        cosigners = self._cosigners
        if cosigners is None or self.stop or not self._is_due(checkpoint, cosigners):
            return False
        self._asked_at = time.monotonic()
        asked = await cosigners.cosign(whole_note(checkpoint), tree)
        if asked.cosignatures:
            await self._log.keep_cosignatures(named.number, checkpoint.size, asked.cosignatures)
            self._cosigned.update(each.vkey for each in asked.cosignatures)
        self._take(checkpoint, asked, cosigners)
        return bool(asked.cosignatures)

    def _with_newer_alone(self, checkpoint: tree_rows.Checkpoint) -> tree_rows.Checkpoint:
        """Return it with those cosignatures alone that came after it was signed last."""
        signed = (checkpoint.size, checkpoint.at_ms)
        if signed != self._signed:
            # What another process was given: it is new or an hour old, by clocks that may differ by some minutes.
            least_s = checkpoint.at_ms // 1000 - OLD_S
            newer = {each.vkey for each in checkpoint.cosignatures if each.at_s >= least_s}
            self._signed, self._cosigned = signed, newer
        kept = tuple(each for each in checkpoint.cosignatures if each.vkey in self._cosigned)
        return msgspec.structs.replace(checkpoint, cosignatures=kept)

    def _is_due(self, checkpoint: tree_rows.Checkpoint, cosigners: Cosigners) -> bool:
        lacks = set(cosigners.vkeys) - {each.vkey for each in checkpoint.cosignatures}
        return bool(lacks) and time.monotonic() - self._asked_at >= self._every_s

    def _take(self, checkpoint: tree_rows.Checkpoint, asked: Asked, cosigners: Cosigners) -> None:
        have = {each.vkey for each in (*checkpoint.cosignatures, *asked.cosignatures)} & set(cosigners.vkeys)
        if len(have) >= cosigners.quorum:
            self.no_quorum_since_ms = 0
        elif not self.no_quorum_since_ms:
            self.no_quorum_since_ms = self._clock()
        self.witnesses = tuple(WitnessNote(each.vkey, each.trouble) for each in asked.witnesses)
        self.stop = asked.stop

"""Cosignatures: what m8 wants of its witnesses, when it asks them, and what other processes are told of that.

How witnesses are asked stands in `witnesses`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from monoskope import operating_log
from monoskope.errors import Error
from monoskope.m8.log import tree_rows
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Cosignature, Named
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note, with_lines
from monoskope.value import Value


class Trouble:
    """One thing that may be wrong.

    Args:
        begun: What the operating log calls its beginning.
        ended: And its end.
        warns: Whether m8 goes on as before meanwhile: then it is a warning, and no error.
    """

    def __init__(self, begun: str, ended: str, *, warns: bool = False) -> None:
        self._warns = warns
        self._begun = begun
        self._ended = ended
        self.sentence = ""
        """What is wrong now, "" if nothing is."""

    def say(self, sentence: str) -> None:
        """Take note of how it is now."""
        if sentence and sentence != self.sentence:
            log = operating_log.get()
            (log.warning if self._warns else log.error)(self._begun, message=sentence)
        elif self.sentence and not sentence:
            operating_log.get().info(self._ended)
        self.sentence = sentence


KEY = "witnessed-log"
"""The key of the heartbeat."""

TOLD_MS = 60_000
"""It is told again at least so often, in milliseconds."""

STALE_MS = 3 * TOLD_MS
"""What was told longer ago is of a process that signs no more."""


class WitnessNote(msgspec.Struct, frozen=True):
    """How it went with one witness: its verifier key, as text, and what is wrong with it, in one sentence, or ""."""

    vkey: str
    trouble: str = ""


class State(msgspec.Struct, frozen=True):
    """How the signing goes. Unknown fields are ignored.

    Attributes:
        trouble: Why nothing is signed, in one sentence, "" if all is well.
        witnesses: Of each witness that is asked, what is wrong with it.
        no_quorum_since_ms: Since when the newest checkpoint lacks a quorum, milliseconds since 1970; 0 if it does not.
        at_ms: When this was told, milliseconds since 1970.
    """

    trouble: str = ""
    witnesses: tuple[WitnessNote, ...] = ()
    no_quorum_since_ms: int = 0
    at_ms: int = 0

    def says_as(self, other: State | None) -> bool:
        """Whether it says the same, whenever it was told."""
        return other is not None and msgspec.structs.replace(self, at_ms=other.at_ms) == other


async def told(log: EventLog) -> State | None:
    """Return what was told last, None if nothing was, or nothing that this m8 understands.

    Raises:
        UnavailableError: the log fails.
    """
    content = (await log.beat_notes()).get(KEY)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=State)
    except msgspec.DecodeError:
        return None


async def tell(log: EventLog, state: State) -> None:
    """Tell it. Raises `UnavailableError`."""
    await log.beat(KEY, state.at_ms, msgspec.json.encode(state))


class Asked(Value, frozen=True):
    """What came of asking all witnesses for one checkpoint.

    Attributes:
        cosignatures: Those that verified.
        stop: Why this log must sign nothing more, in one sentence, "" if it may: a witness has shown a checkpoint of
            ours that does not fit.
        witnesses: One for each that was asked.
    """

    cosignatures: tuple[Cosignature, ...] = ()
    stop: str = ""
    witnesses: tuple[WitnessNote, ...] = ()


class Cosigners(Protocol):
    """The witnesses that m8 is set to ask."""

    @property
    def vkeys(self) -> Sequence[str]:
        """Their verifier keys, as text."""

    @property
    def quorum(self) -> int:
        """How many of them must have cosigned a checkpoint, at least 1."""

    @property
    def alarm_s(self) -> float:
        """For how many seconds a quorum may be missing before m8 says so."""

    async def cosign(self, note: bytes, tree: Tree) -> Asked:
        """Ask every witness to cosign `note`, and return what came of it. It takes no longer than it is allowed to."""

    async def published(self, tree: Tree) -> Sequence[Note]:
        """Return the checkpoints of this log that witnesses show, as far as they answer, with any signatures.

        What this log's keys signed, and does not fit to `tree`, is shown again by later calls, of any process.
        """


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

        A witness that does not answer keeps m8 from nothing: it is asked again with the next checkpoint.
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
        asked = await cosigners.cosign(
            with_lines(checkpoint.note, (each.line for each in checkpoint.cosignatures)), tree
        )
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
        self.witnesses = asked.witnesses
        self.stop = asked.stop

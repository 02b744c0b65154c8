"""What m8 wants of its witnesses: cosignatures, and what they have seen of this log. Not how they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.note import Note
from monoskope.value import Value


class WitnessState(Value, frozen=True):
    """How it went with one witness.

    Attributes:
        vkey: Its verifier key, as text.
        trouble: What is wrong with it, in one sentence, or "".
    """

    vkey: str
    trouble: str = ""


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
    witnesses: tuple[WitnessState, ...] = ()


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
        """Return the checkpoints of this log that witnesses show, as far as they answer, whoever signed them.

        What this log's keys signed, and does not fit to `tree`, is shown again by later calls, of any process.
        """

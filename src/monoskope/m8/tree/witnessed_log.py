"""The witnessed log as one m8 process knows it: what it answers to those who hold it to account, cheaply.

A thousand clients ask with every command. So what the database says is asked for at most once a second, and a proof is
made once. Here is also the `[log]` table of `m8.toml`: how often m8 signs a checkpoint (docs/operate/witnessed-log.md).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise

import msgspec

from monoskope.event_loop import heeded
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Checkpoint, Named, TreeRows
from monoskope.m8.tree.cosigning import STALE_MS, Cosigners, State, told
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import COVERED_S
from monoskope.value import Value

MOST_EVERY_S = COVERED_S / 4
"""With it a record waits for three quarters of the time within which it has to be covered. In the last quarter another
m8 can take the signing over."""
HOURLY_S = 3_600.0
"""A checkpoint is signed at least so often, in seconds, even if the log did not grow: its age says that m8 lives."""


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[log]` table.

    Attributes:
        checkpoint_every_s: While the log grows, m8 signs a checkpoint at most so often, in seconds, and a third as
            often where little happens and none is asked for.
    """

    checkpoint_every_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0.05 <= self.checkpoint_every_s <= MOST_EVERY_S:
            raise ValueError(f"`checkpoint_every_s` must be from 0.05 to {MOST_EVERY_S:g}")


_DAY_MS = 86_400_000
_PAGE = 256
"""Checkpoints that are read at once."""


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


FRESH_S = 1.0
"""What was looked up serves every caller within so many seconds."""

AGAIN_S = 0.1
"""A caller who knows a larger checkpoint has the database asked again, and all such callers at most so often."""

WANTED = "checkpoint-wanted"
"""The key of the heartbeat by which one process tells the one that signs that a checkpoint is asked for."""

KEPT = 1_024
"""Consistency proofs that are remembered."""


class Witness(Value, frozen=True):
    """One witness: its verifier key, the largest size that it cosigned and when, and what is wrong with it."""

    vkey: str
    size: int
    at_s: int
    trouble: str


class Seen(Value, frozen=True):
    """What the database said at one moment.

    Attributes:
        names: Of the log, in order; () if it is not witnessed.
        newest: The newest checkpoint of the last name.
        witnessed: The newest one with a quorum.
        state: What the process that signs told last.
        witnesses: In the order of the settings.
    """

    names: tuple[Named, ...] = ()
    newest: Checkpoint | None = None
    witnessed: Checkpoint | None = None
    state: State | None = None
    witnesses: tuple[Witness, ...] = ()

    @property
    def named(self) -> Named | None:
        """The name that counts now."""
        return self.names[-1] if self.names else None

    @property
    def size(self) -> int:
        """The size of the newest checkpoint, 0 without one."""
        return 0 if self.newest is None else self.newest.size


class WitnessedLog:
    """One process's view.

    Args:
        log: The event log.
        clock: Milliseconds since 1970.
    """

    def __init__(self, log: EventLog, clock: Callable[[], int]) -> None:
        self._log = log
        self._clock = clock
        self._looking: asyncio.Task[Seen] | None = None
        self._until = 0.0
        self._looked_at = float("-inf")
        self._wanted_at = float("-inf")
        self._proofs: OrderedDict[tuple[int, int, int], tuple[bytes, ...]] = OrderedDict()
        self.tree = Tree(log)
        self.cosigners: Cosigners | None = None
        """The witnesses that this m8 asks; set before it serves."""
        self.own_trouble = ""
        """Why this process lets nothing be signed, whatever others say: its folder knows more than the database."""
        self.key_trouble = ""
        """Why this process cannot sign, which another one may do."""

    async def seen(self, *, at_least: int = 0) -> Seen:
        """Return what the database says, or said within the last second.

        Args:
            at_least: If the newest checkpoint that it knows is smaller, it asks again, at most ten times a second: a
                caller can name any size.

        Raises:
            UnavailableError: the log fails.
        """
        found = await self._shared()
        if found.size < at_least and time.monotonic() - self._looked_at >= AGAIN_S:
            self._until = 0.0
            found = await self._shared()
        return found

    def forget(self) -> None:
        """Ask the database the next time: this process has just changed something there."""
        self._until = 0.0

    async def want(self) -> None:
        """Have a checkpoint signed as soon as may be: what is asked for has none. Raises `UnavailableError`."""
        now = time.monotonic()
        if now - self._wanted_at >= FRESH_S:
            self._wanted_at = now
            await self._log.beat(WANTED, self._clock())

    async def wanted_at_ms(self) -> int:
        """Return when a checkpoint was asked for last, by any process; 0 if never. Raises `UnavailableError`."""
        return (await self._log.beats()).get(WANTED, 0)

    async def consistency(self, number: int, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof between two sizes of the tree, the smaller one first, of the log's name `number`.

        Raises:
            TreeBehindError: the tree is not as large yet.
        """
        key = (number, min(old, new), max(old, new))
        if (proof := self._proofs.get(key)) is None:
            proof = await self.tree.consistency(key[1], key[2])
            self._proofs[key] = proof
            if len(self._proofs) > KEPT:
                self._proofs.popitem(last=False)
        return proof

    async def covering(self, size: int, *, witnessed: bool) -> Checkpoint | None:
        """Return the smallest signed checkpoint of at least `size` leaves under the name that counts now.

        Returns None if there is none yet. With `witnessed`, a quorum must have cosigned it.
        """
        named = (await self.seen()).named
        return None if named is None else await self._signed(named.number, at_least=size, witnessed=witnessed)

    def trouble(self, seen: Seen) -> str:
        """Return why nothing is signed, in one sentence, "" if all is well."""
        if self.own_trouble:
            return self.own_trouble
        state = seen.state
        if state is not None and self._clock() - state.at_ms < STALE_MS:
            return state.trouble
        return self.key_trouble or (state.trouble if state is not None else "")

    def no_quorum_s(self, seen: Seen) -> float:
        """Return for how many seconds the newest checkpoint has lacked the cosignatures of a quorum, 0 if it does not.

        A few seconds are usual: witnesses are asked after a checkpoint was signed.
        """
        if self.cosigners is None or seen.state is None or not seen.state.no_quorum_since_ms:
            return 0.0
        return max(0, self._clock() - seen.state.no_quorum_since_ms) / 1000

    def quorum_trouble(self, seen: Seen) -> str:
        """Return that a quorum is missing for too long, in one sentence, "" if it is not."""
        missing_s = self.no_quorum_s(seen)
        if self.cosigners is None or missing_s < self.cosigners.alarm_s:
            return ""
        return (
            f"For {missing_s:.0f} s no new checkpoint has had the cosignatures of a quorum: {self.cosigners.quorum} of "
            f"{len(self.cosigners.vkeys)} witnesses."
        )

    async def _shared(self) -> Seen:
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now >= self._until):
            self._looking = asyncio.ensure_future(self._look())
            heeded(self._looking)
            self._until = now + FRESH_S
            self._looked_at = now
        try:
            # The caller that asked first may hang up; the others still wait for it.
            return await asyncio.shield(self._looking)
        except Exception:
            self._until = 0.0
            raise

    async def _look(self) -> Seen:
        names = tuple(await self._log.names())
        if not names:
            return Seen()
        number = names[-1].number
        state = await told(self._log)
        return Seen(
            names=names,
            newest=await self._signed(number, witnessed=False),
            witnessed=await self._signed(number, witnessed=True),
            state=state,
            witnesses=await self._witnesses(number, state),
        )

    async def _signed(self, number: int, *, at_least: int | None = None, witnessed: bool) -> Checkpoint | None:
        """Return a signed checkpoint as `TreeRows.checkpoint` does; with `witnessed`, one that a quorum cosigned."""
        if not witnessed:
            return await self._log.checkpoint(number, at_least=at_least)
        if self.cosigners is None:
            return None
        vkeys, quorum = self.cosigners.vkeys, self.cosigners.quorum
        return await self._log.checkpoint(number, at_least=at_least, vkeys=vkeys, quorum=quorum)

    async def _witnesses(self, number: int, state: State | None) -> tuple[Witness, ...]:
        if self.cosigners is None:
            return ()
        troubles = {each.vkey: each.trouble for each in state.witnesses} if state is not None else {}
        return tuple(
            [
                Witness(vkey, *await self._log.cosigned(number, vkey), troubles.get(vkey, ""))
                for vkey in self.cosigners.vkeys
            ]
        )

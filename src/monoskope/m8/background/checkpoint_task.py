"""Brings the tree up to the log's end, and signs its checkpoints: off the path of an append, in one process by lease.

The lease spares work and protects nothing: what must not be signed twice is decided in `tree.signing`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from monoskope.errors import Error, UnavailableError
from monoskope.m8.background.leased import Leased, again
from monoskope.m8.log import tree_rows
from monoskope.m8.log.failures import LogTamperedError
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.service.app import App
from monoskope.m8.tree import cosigning
from monoskope.m8.tree.cosigning import Asking, State, Trouble
from monoskope.m8.tree.key_file import KeyFile, misfit
from monoskope.m8.tree.signing import Follower, LastSigned, Signer, StoppedError, sentence
from monoskope.m8.tree.tree import PAUSE_S, grow_tree
from monoskope.m8.tree.witnessed_log import HOURLY_S, thin
from monoskope.protocol.tlog.log_key import LogKey

LEASE = "checkpoints"
"""The lease under which it runs."""

LEASE_S = 15.0
"""Seconds for which the lease is taken each time."""

LOOK_S = 1.0
"""How often it looks whether the log has grown, at most, in seconds."""

MUCH = 256
"""So many records that no checkpoint covers are signed for as often as possible. They take sixty times its room."""

WAITS = 3
"""Fewer records wait for so many times as long, unless a checkpoint is asked for."""


class CheckpointTask:
    """The work for one process.

    Args:
        app: The process.
        folder: Of this m8: it has `log.key` and `log.checkpoint`.
        every_s: While the log grows, a checkpoint is signed at most so often, in seconds; where little happens, and
            none is asked for, a third as often.
    """

    def __init__(self, app: App, folder: Path, *, every_s: float) -> None:
        self._app = app
        self._log = app.log
        self._witnessed = app.witnessed
        self._folder = folder
        self._every_s = every_s
        self._look_s = min(LOOK_S, every_s)
        self._keys = KeyFile(folder)
        last = LastSigned(folder)
        self._signer = Signer(app.log, last, app.clock)
        self._follower = Follower(app.log, app.witnessed, last, self._signer)
        self._asking = self._begin_asking()
        self._told: State | None = None
        self._uncovered = (-1, 0)
        self._thinned: dict[int, int] = {}
        """Of each name, up to which size old checkpoints were dropped."""
        self._thinned_at_ms = 0
        self._key_trouble = Trouble("this m8 can sign no checkpoint", "this m8 can sign checkpoints", warns=True)
        self._log_trouble = Trouble(
            "the event log is not the one that was signed", "the event log continues what was signed"
        )
        self._file_trouble = Trouble(
            "the event log is not compared with what was signed", "the event log is compared with what was signed"
        )
        self._signing = Trouble("no checkpoint is signed", "checkpoints are signed again")

    async def run(self) -> None:
        """Work until cancelled."""
        leased = Leased(self._app, LEASE, self.work, ttl_s=LEASE_S, may=self.may_sign)
        async with asyncio.TaskGroup() as group:
            # What is signed is followed, by whichever process it was.
            group.create_task(again(self.follow, every_s=self._look_s))
            group.create_task(leased.run())

    async def may_sign(self) -> bool:
        """Return whether this process has the keys that belong to the log. If not, the operating log says so once."""
        try:
            key = await asyncio.to_thread(self._keys.load)
            trouble = misfit(key, await self._log.names())
        except UnavailableError:
            return False
        except Error as error:
            key, trouble = None, self._told_of(error)
        self._key_trouble.say(trouble)
        self._witnessed.key_trouble = trouble
        return key is not None and not trouble

    async def follow(self) -> None:
        """Look once whether what is signed continues what was. What is wrong is told, and nothing is raised."""
        try:
            await self._follower.follow()
            self._log_trouble.say("")
            self._file_trouble.say("")
        except UnavailableError:
            return  # the next look tries again
        except StoppedError as error:
            self._log_trouble.say(self._told_of(error))
            self._file_trouble.say("")
        except Error as error:  # the file cannot be used: nothing is known of the log, and what was found still counts
            self._file_trouble.say(self._told_of(error))
        self._witnessed.own_trouble = self._log_trouble.sentence or self._file_trouble.sentence

    async def work(self) -> None:
        """Build and sign, until cancelled or until another key counts. Called by the holder of the lease."""
        self._asking = self._begin_asking()
        while await self.may_sign():
            await self.round()
            await asyncio.sleep(self._look_s)

    async def round(self) -> None:
        """Bring the tree up to the end of the log, sign a checkpoint if one is due, and ask the witnesses.

        What keeps it from signing is told, and nothing is raised.
        """
        try:
            key = await asyncio.to_thread(self._keys.load)
            head = await self._log.head()
            if key is None or not head:
                return
            named = await self._named(key)
            await self._grow(head)
            checkpoint = await self._signed_if_due(key, named)
            await self._thin()
            if checkpoint is not None and await self._asking.cosign(named, checkpoint, self._witnessed.tree):
                self._witnessed.forget()
            self._signing.say(self._without_folder(self._asking.stop))
        except UnavailableError:
            return  # the operating log says it elsewhere; the next round tries again
        except Error as error:
            self._signing.say(self._told_of(error))
        await self._tell()

    async def _named(self, key: LogKey) -> Named:
        """Return the last name of the log; the first time, give it the one of this key."""
        names = await self._log.names()
        if not names:
            await self._log.give_name(Named(1, key.origin, tuple(map(str, key.vkeys)), self._app.clock()))
            self._witnessed.forget()
            names = await self._log.names()
        if trouble := misfit(key, names):
            raise StoppedError(trouble)
        return names[-1]

    async def _grow(self, head: int) -> None:
        size = await self._witnessed.tree.size()
        while size < head:
            size = await grow_tree(self._log, upto=head)
            if size < head:
                await asyncio.sleep(PAUSE_S)

    async def _signed_if_due(self, key: LogKey, named: Named) -> tree_rows.Checkpoint | None:
        """Return the newest checkpoint: a new one if it is time for one and nothing speaks against it."""
        newest = await self._log.checkpoint(named.number)
        if self._asking.stop:
            return newest
        shown = await self._asking.shown(key, self._witnessed.tree)
        if not shown and newest is not None and not await self._is_due(newest, await self._witnessed.tree.size()):
            return newest
        signed = await self._signer.sign(key, named, shown)
        self._asking.passed()
        self._witnessed.forget()
        return signed

    async def _is_due(self, newest: tree_rows.Checkpoint, size: int) -> bool:
        now, every_ms = self._app.clock(), 1000 * self._every_s
        age_ms = now - newest.at_ms
        if age_ms < 0:
            return True  # a clock that was set back must not keep us from signing for as long
        if size == newest.size:
            return age_ms >= 1000 * HOURLY_S
        if age_ms < every_ms:
            return False
        return (
            size - newest.size >= MUCH
            or not 0 <= now - await self._uncovered_since_ms(newest.size) < WAITS * every_ms
            or await self._witnessed.wanted_at_ms() > newest.at_ms
        )

    async def _thin(self) -> None:
        """Drop old checkpoints, a page each time, and look again in an hour once all are looked at."""
        now = self._app.clock()
        if 0 <= now - self._thinned_at_ms < 1000 * HOURLY_S:
            return
        for named in await self._log.names():
            before = self._thinned.get(named.number, 0)
            self._thinned[named.number] = await thin(self._log, named.number, after=before, now_ms=now)
            if self._thinned[named.number] != before:
                return
        self._thinned_at_ms = now

    async def _uncovered_since_ms(self, size: int) -> int:
        if self._uncovered[0] != size:
            found = await self._log.read(after=size, limit=1)
            if not found:
                raise LogTamperedError(size + 1, "the record is missing")
            self._uncovered = (size, found[0].recorded_at_ms)
        return self._uncovered[1]

    async def _tell(self) -> None:
        """Tell the other processes how it goes, if that is news, or was told long ago."""
        now = self._app.clock()
        new = State(self._signing.sentence, self._asking.witnesses, self._asking.no_quorum_since_ms, now)
        told = self._told
        if told is not None and new.says_as(told) and 0 <= now - told.at_ms < cosigning.TOLD_MS:
            return
        try:
            await cosigning.tell(self._log, new)
        except UnavailableError:
            return  # the next round tells it
        self._told = new
        self._witnessed.forget()

    def _told_of(self, error: Error) -> str:
        return self._without_folder(sentence(error))

    def _without_folder(self, trouble: str) -> str:
        """Return what is wrong with the names of files alone: every user reads it, and none needs to know more."""
        return trouble.replace(f"{self._folder}/", "")

    def _begin_asking(self) -> Asking:
        return Asking(self._log, self._witnessed.cosigners, self._app.clock, every_s=self._every_s)

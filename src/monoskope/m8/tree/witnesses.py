"""All witnesses of one m8, asked at once: the `Cosigners` of its log; and what they showed that does not fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.tree import submission
from monoskope.m8.tree.cosigning import Asked, Trouble, WitnessNote
from monoskope.m8.tree.key_file import KeyFile
from monoskope.m8.tree.submission import own_part
from monoskope.m8.tree.tree import Tree
from monoskope.m8.tree.witness_client import Contradicted, Result, Silent, Witness
from monoskope.m8.tree.witness_settings import WitnessesSettings
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.note import Note
from monoskope.settings import find_private, write_private

PREFIX = "log.evidence-"


class Evidence:
    """`log.evidence-*` in one folder: notes that witnesses showed, signed by this log's keys, and that do not fit.

    They stay: a process that starts again, while no witness answers, must not sign as if nothing had been seen. So they
    count like what witnesses show: as long as the log does not continue them, nothing is signed. Its methods block.

    Args:
        folder: Of m8.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Note]:
        """Return the notes.

        Raises:
            UsageError: a file is damaged: what was seen is not known, so nothing is to be signed.
            RefusedError: others than the owner can reach one.
        """
        found = ((path, find_private(path)) for path in sorted(self._folder.glob(f"{PREFIX}*")))
        return [_note(path, content) for path, content in found if content is not None]

    def keep(self, checkpoint: Checkpoint, note: bytes) -> Path:
        """Write the note of `checkpoint` down, forced to disk, and return where it is.

        Raises:
            UsageError: the file cannot be written.
        """
        path = self._folder / f"{PREFIX}{checkpoint.size}-{checkpoint.root[:4].hex()}"
        write_private(path, note, replace=True)
        return path


def _note(path: Path, content: bytes) -> Note:
    try:
        return Note.parse(content)
    except UsageError as error:
        raise UsageError(
            f"{path} is damaged: {error.message}",
            fix="Compare this m8's log with its witnesses and with users' notes. Only then move the file away.",
        ) from None


class Witnesses:
    """Asks them for one process. `close` it.

    Args:
        settings: Which.
        folder: Of this m8: `log.key` says which checkpoints are this log's, `log.evidence-*` what did not fit.
        clock: Milliseconds since 1970.
    """

    def __init__(self, settings: WitnessesSettings, folder: Path, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._keys = KeyFile(folder)
        self._evidence = Evidence(folder)
        self._witnesses = tuple(Witness(each, clock) for each in settings.witnesses)
        self._troubles = {
            each.key: Trouble("a witness does not cosign", "a witness cosigns") for each in self._witnesses
        }
        self._quorum = Trouble("too few witnesses cosign", "enough witnesses cosign")
        self._lacks_since: float | None = None

    @property
    def vkeys(self) -> Sequence[str]:
        """Their verifier keys, as text."""
        return tuple(str(each.key) for each in self._witnesses)

    @property
    def quorum(self) -> int:
        """How many of them must have cosigned a checkpoint."""
        return self._settings.quorum

    @property
    def alarm_s(self) -> float:
        """For how many seconds a quorum may be missing before m8 says so."""
        return self._settings.alarm_s

    async def close(self) -> None:
        """End all connections."""
        await asyncio.gather(*(each.close() for each in self._witnesses))

    async def cosign(self, note: bytes, tree: Tree) -> Asked:
        """Ask every witness that has not cosigned `note` yet; see `Cosigners`.

        Raises:
            UnavailableError: the log fails.
            UsageError: `log.key` cannot be read.
        """
        keys = await self._log_keys()
        whole = Note.parse(note)
        own = own_part(whole, keys[0].name) if keys else whole
        if not keys or not own.signatures:
            return Asked()
        have = {(each.name, each.key_id) for each in whole.signatures}
        asked = [each for each in self._witnesses if (each.key.name, each.key.key_id) not in have]
        results = dict(zip(asked, await asyncio.gather(*(each.cosign(own, tree, keys) for each in asked)), strict=True))
        states = tuple(WitnessNote(str(each.key), self._told(each, results.get(each))) for each in self._witnesses)
        cosignatures = tuple(each for each in results.values() if isinstance(each, Cosignature))
        self._count(len(self._witnesses) - len(asked) + len(cosignatures))
        return Asked(cosignatures, await self._stop(results.values(), tree), states)

    async def published(self, tree: Tree) -> Sequence[Note]:
        """Return what witnesses show of this log, and what they showed earlier that did not fit; see `Cosigners`.

        Raises:
            UnavailableError: the log fails.
            UsageError, RefusedError: `log.key` or the evidence cannot be read or written.
        """
        keys = await self._log_keys()
        if not keys:
            return []
        shown = await asyncio.gather(*(each.published(keys[0].name) for each in self._witnesses))
        for content in shown:
            found = submission.ours(content, keys)
            if found is not None and await submission.judge(found[1], tree) is not submission.Verdict.PART:
                await asyncio.to_thread(self._evidence.keep, found[1], content)
        notes = await asyncio.to_thread(self._evidence.read)
        for content in dict.fromkeys(shown):
            with suppress(NoteError):
                notes.append(Note.parse(content))
        return notes

    async def _log_keys(self) -> Sequence[VerifierKey]:
        key = await asyncio.to_thread(self._keys.load)
        return () if key is None else key.vkeys

    def _told(self, witness: Witness, result: Result | None) -> str:
        """Return what is wrong with a witness, and tell the operating log what is new of it."""
        match result:
            case Silent(trouble):
                found = trouble
            case Contradicted():
                found = "It shows a checkpoint of this log that does not fit: m8 signs nothing more."
            case _:
                found = ""
        self._troubles[witness.key].say(found and f"{witness.key.name}: {found}")
        return found

    def _count(self, cosigned: int) -> None:
        """Tell the operating log if a quorum is missing for too long."""
        if cosigned >= self.quorum:
            self._lacks_since = None
            self._quorum.say("")
            return
        now = time.monotonic()
        self._lacks_since = now if self._lacks_since is None else self._lacks_since
        if now - self._lacks_since >= self.alarm_s:
            self._quorum.say(
                f"No checkpoint has had the cosignatures of {self.quorum} witnesses for more than "
                f"{self.alarm_s:g} s. m8 log status says what is wrong with each."
            )

    async def _stop(self, results: Iterable[Result], tree: Tree) -> str:
        for result in results:
            if isinstance(result, Contradicted):
                try:
                    kept = f"kept in {await asyncio.to_thread(self._evidence.keep, result.checkpoint, result.note)}"
                except UsageError as error:  # a full disk must not let it sign on
                    kept = f"not kept: {error.message.removesuffix('.')}"
                return submission.reason(result.verdict, result.checkpoint, await tree.size(), kept)
        return ""


@asynccontextmanager
async def asked(
    settings: WitnessesSettings | None, folder: Path, clock: Callable[[], int]
) -> AsyncIterator[Witnesses | None]:
    """Have the witnesses of `m8.toml` as long as the block runs; None if it names none. Arguments as `Witnesses`."""
    if settings is None:
        yield None
        return
    witnesses = Witnesses(settings, folder, clock)
    try:
        yield witnesses
    finally:
        await witnesses.close()

"""How the witnessed log is, seen from a folder of m8 while m8 may run or not: for `m8 doctor` and `m8 log status`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from monoskope.errors import Error
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.tree import key_file
from monoskope.m8.tree.key_file import KeyFile
from monoskope.m8.tree.signing import Follower, LastSigned, Signer, sentence
from monoskope.m8.tree.tree import TreeBehindError
from monoskope.m8.tree.witnessed_log import Seen, WitnessedLog
from monoskope.m8.tree.witnesses import Witnesses
from monoskope.value import Value


class Looked(Value, frozen=True):
    """What was found.

    Attributes:
        log: The log, with what keeps this folder from signing.
        seen: What the database says of it.
        here: Entries in the checkpoint that this folder saw last, 0 if that is not known.
    """

    log: WitnessedLog
    seen: Seen
    here: int


async def look(event_log: EventLog, folder: Path, witnesses: Witnesses | None, clock: Callable[[], int]) -> Looked:
    """Look at the witnessed log of an open event log. Raises `UnavailableError` if the event log fails."""
    witnessed = WitnessedLog(event_log, clock)
    witnessed.cosigners = witnesses
    seen = await witnessed.seen()
    last, here = LastSigned(folder), 0
    witnessed.key_trouble = await _key_trouble(folder, seen)
    try:
        signed = await Follower(event_log, witnessed, last, Signer(event_log, last, clock)).check(seen)
        here = 0 if signed is None else signed.checkpoint.size
    except TreeBehindError:
        pass  # the signing process brings the tree up to the log's end, and knows then
    except Error as error:
        witnessed.own_trouble = sentence(error)
    return Looked(witnessed, seen, here)


async def _key_trouble(folder: Path, seen: Seen) -> str:
    """Return why an m8 with this folder can sign nothing, "" if it can. Another one may sign meanwhile."""
    try:
        return key_file.misfit(await asyncio.to_thread(KeyFile(folder).load), seen.names)
    except Error as error:
        return sentence(error)

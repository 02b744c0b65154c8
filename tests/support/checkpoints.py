"""What tests of the witnessed log share: the tree of RFC 6962 as its text has it, and an m8 that signs when told to."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from monoskope.m8.background.checkpoint_task import WAITS, CheckpointTask
from monoskope.m8.log.event_log import EventLog, NewEvent
from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.service.app import App
from monoskope.m8.tree import key_file
from monoskope.protocol.tlog.checkpoint import Checkpoint, cosigned_message
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note, NoteSignature

ORIGIN = "monoskope/00112233aabbccdd"
EVERY_S = 10.0
LATER_S = WAITS * EVERY_S
"""After so many seconds a checkpoint covers whatever was recorded."""


def root_of(entries: Sequence[bytes]) -> bytes:
    """The root of the tree over `entries`: MTH of RFC 6962, section 2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + root_of(entries[:k]) + root_of(entries[k:])).digest()


def checkpoint_of(note: bytes) -> Checkpoint:
    return Checkpoint.parse(Note.parse(note).text)


def keys_in(folder: Path, origin: str = ORIGIN) -> LogKey:
    key = key_file.make(origin)
    key_file.write(folder, key)
    return key


def signing(app: App, folder: Path, *, every_s: float = EVERY_S) -> CheckpointTask:
    """The work of a process with the folder, to be told when to do a round."""
    app.witnessed.forget()
    return CheckpointTask(app, folder, every_s=every_s)


async def grown(log: EventLog, number: int, *, stream: str = "some") -> list[bytes]:
    """Record so many events, and return the hash of each record."""
    before = await log.read_stream(stream)
    events = [NewEvent("Happened", b"%d" % (len(before) + index)) for index in range(number)]
    return [event.hash for event in await log.append(stream, None, events, actor="tests")]


def copied(log: Path, copy: Path) -> None:
    with closing(sqlite3.connect(log)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)


def cosigned(note: bytes) -> Cosignature:
    """A witness's cosignature of ML-DSA-44: what a log's own second signature is, too, of the same checkpoint."""
    witness = LogKey.make("witness.example")
    says, vkey = checkpoint_of(note), witness.vkeys[1]
    signature = (77).to_bytes(8, "big") + witness._ml_dsa_44.sign(cosigned_message(vkey.name, says, 77))
    line = NoteSignature(vkey.name, vkey.key_id, signature).line.rstrip("\n")
    return Cosignature(str(vkey), line, 77)

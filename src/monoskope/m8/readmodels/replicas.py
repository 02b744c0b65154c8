"""The m8 processes that serve one log, by what each says of itself with its heartbeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

PREFIX = "m8/"
"""How the keys of m8's own heartbeats begin: `m8/<32 hex>`."""

MUST_AGREE = ("audience", "signing_key")
"""Where two processes differ in one of these, each refuses tokens of the other."""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a process says of itself. Later versions may add fields; unknown ones are ignored.

    Attributes:
        version: Of m8.
        started_ms: When it began to serve, milliseconds since 1970 by its own clock.
        host: The machine's name.
        address: `host:port` where it listens.
        names: By which clients and reactors may dial it.
        leases: The leases that it holds.
        settings: What all processes of a log should agree in, as text. The signing key is shown by its fingerprint.
    """

    version: str
    started_ms: int
    host: str = ""
    address: str = ""
    names: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    settings: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replica:
    """One m8 process of a log.

    Attributes:
        name: The key of its heartbeats, and the holder of its leases.
        seen_ms: When its last heartbeat was, milliseconds since 1970 by its own clock.
        note: What it says of itself.
    """

    name: str
    seen_ms: int
    note: Note = field(default_factory=lambda: Note("", 0))

    @property
    def order(self) -> tuple[int, str]:
        """Of two that start at the same moment, the one of the lower order goes on."""
        return self.note.started_ms, self.name


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting in which two processes differ."""

    field: str
    ours: str
    theirs: str


def encoded(note: Note) -> bytes:
    """Return `note` as the log keeps it."""
    return msgspec.json.encode(note)


def replicas(beats: Mapping[str, int], notes: Mapping[str, bytes]) -> list[Replica]:
    """Return the m8 processes among the heartbeats, the one that serves longest first."""
    found = []
    for key, seen_ms in beats.items():
        if key.startswith(PREFIX):
            try:
                note = msgspec.json.decode(notes[key], type=Note) if notes.get(key) else Note("", 0)
            except (msgspec.DecodeError, UnicodeDecodeError):  # a reactor's, of a store that is called m8
                continue
            found.append(Replica(key, seen_ms, note))
    return sorted(found, key=lambda replica: replica.order)


def differences(ours: Note, theirs: Note) -> list[Difference]:
    """Return the settings that both name and in which they differ, in the order of their names."""
    both = sorted(ours.settings.keys() & theirs.settings.keys())
    return [
        Difference(name, ours.settings[name], theirs.settings[name])
        for name in both
        if ours.settings[name] != theirs.settings[name]
    ]

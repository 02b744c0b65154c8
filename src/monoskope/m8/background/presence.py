"""Each m8 process says in the log that it is there, and looks at the others that serve the same log.

Two processes that sign tokens with different keys, or for different audiences, refuse each other's tokens: users would
be let in or not by chance. So the one that comes second does not start. Where they differ in a limit or a timing, both
work, and both say so in the operating log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import structs

from monoskope import operating_log
from monoskope.errors import RefusedError, UnavailableError
from monoskope.m8.background.leased import last_write
from monoskope.m8.service.app import App

PREFIX = "m8/"
"""How the keys of m8's own heartbeats begin: `m8/<32 hex>`."""

_MUST_AGREE = {
    "audience": ("audience", "Write the same `audience` in both m8.toml, or give this m8 a log of its own."),
    "signing_key": (
        "token signing key",
        "Copy token-signing.key from the folder of that m8, or give this m8 a log of its own.",
    ),
}
"""Where two processes differ in one of these, each refuses tokens of the other: its name for people, and what helps."""


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


def heard(found: Sequence[Replica], now_ms: int, gone_s: float) -> list[Replica]:
    """Return those whose last heartbeat is no older than `gone_s` seconds: the others count as gone."""
    return [replica for replica in found if replica.seen_ms > now_ms - gone_s * 1000]


def differences(ours: Note, theirs: Note) -> list[tuple[str, str, str]]:
    """Return the settings that both name and in which they differ, by name: each with our value and theirs."""
    both = sorted(ours.settings.keys() & theirs.settings.keys())
    found = ((name, ours.settings[name], theirs.settings[name]) for name in both)
    return [(name, here, there) for name, here, there in found if here != there]


class Presence:
    """One process among those of its log.

    Args:
        app: The process.
        note: What it says of itself.
    """

    def __init__(self, app: App, note: Note) -> None:
        self._app = app
        self._note = note
        self._warned: set[tuple[str, str]] = set()
        self._known: dict[str, str] = {}

    async def begin(self) -> None:
        """Say that this process is there, unless it must not serve beside one that is.

        A log that takes no heartbeat now, as on a full disk, hinders no start.

        Raises:
            RefusedError: another process has another signing key or another audience; names both values.
        """
        others = await self._others()
        for other in others:
            self._require_fit(other)
        self._app.log.serve_alone(is_alone=not others)
        try:
            await self._beat()
        except UnavailableError as error:
            operating_log.get().warning("m8 is not announced", code=error.code.value, message=error.message)
            return
        try:
            # Another may have started at the same moment. One of both goes on.
            for other in await self._others():
                if other.order < (self._note.started_ms, self._app.replica):
                    self._require_fit(other)
        except RefusedError:
            await self.end()
            raise

    async def run(self) -> None:
        """Go on saying it, and say in the operating log who comes, who goes, and who differs, until cancelled."""
        while True:
            self._app.news.clear()
            with contextlib.suppress(UnavailableError):  # the log's watch tells of it
                await self._beat()
                others = await self._others()
                self._app.log.serve_alone(is_alone=not others)
                self._compare(others)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._app.limits.heartbeat_s):
                    await self._app.news.wait()

    async def end(self) -> None:
        """Say that this process is gone."""
        async with last_write():  # unheard, the missing heartbeats say so
            await self._app.log.forget_beat(self._app.replica)

    async def _beat(self) -> None:
        note = structs.replace(self._note, leases=tuple(sorted(self._app.leases)))
        await self._app.log.beat(self._app.replica, self._app.clock(), msgspec.json.encode(note))

    async def _others(self) -> list[Replica]:
        """Return the others that were heard lately. The former process at our own address is none: we are there."""
        found = replicas(await self._app.log.beats(), await self._app.log.beat_notes())
        ours = (self._note.host, self._note.address)
        return [
            other
            for other in heard(found, self._app.clock(), self._app.limits.deadlines.issuer_gone_s)
            if other.name != self._app.replica and (other.note.host, other.note.address) != ours
        ]

    def _require_fit(self, other: Replica) -> None:
        for name, ours, theirs in differences(self._note, other.note):
            if name in _MUST_AGREE:
                what, fix = _MUST_AGREE[name]
                raise RefusedError(
                    f"the m8 at {_where(other)} serves this log with another {what}: {theirs}; "
                    f"ours is {ours}. Each would refuse the tokens of the other.",
                    fix=f"{fix} If that m8 is gone, start again in {self._app.limits.deadlines.issuer_gone_s:g} s.",
                )

    def _compare(self, others: list[Replica]) -> None:
        log = operating_log.get()
        for other in others:
            if other.name not in self._known:
                log.info("another m8 serves this log", server=_where(other), version=other.note.version)
            for name, ours, theirs in differences(self._note, other.note):
                if (other.name, name) not in self._warned:
                    self._warned.add((other.name, name))
                    said = f"{name} is {ours} here, and {theirs} there."
                    log.warning("two m8 differ", server=_where(other), message=said, fix=_FIX)
        there = {other.name: _where(other) for other in others}
        for key in self._known.keys() - there.keys():
            log.info("another m8 is gone", server=self._known[key], replica=key.rpartition("/")[2][:8])
        self._known = there
        self._warned = {warned for warned in self._warned if warned[0] in there}


@contextlib.asynccontextmanager
async def present(app: App, note: Note) -> AsyncIterator[Presence]:
    """Be among the processes of the log as long as the block runs. Raises as `Presence.begin`."""
    presence = Presence(app, note)
    await presence.begin()
    try:
        yield presence
    finally:
        await presence.end()


_FIX = "Write the same in both m8.toml, and restart the m8 that was changed."


def _where(other: Replica) -> str:
    return " on ".join(part for part in (other.note.address, other.note.host) if part)

"""The interface between the reactor and an engine: small, and final.

A driver maps each secret's path to a place of its own in the engine, or refuses the path. It follows no redirect,
passes on no text of the engine, and never puts a value into a message, a `repr` or a log line. It reads back the bytes
that it wrote, or raises `CannotReadError`. The suite in `monoskope.testing.drivers` states every promise as a test.
The file is long because each verb says here what a driver promises.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import msgspec

from monoskope.errors import Code, Error
from monoskope.protocol.payload import Payload
from monoskope.value import Unshared

PLACEHOLDER = "fill-in"
"""What stands in `StoreDriver.example` where only an administrator knows the value. It never gets into a file."""

NOTHING = ""
"""The version of a path at which there is no secret."""


class DriverError(Error):
    """The base of all errors of drivers. The message is a fixed sentence of the driver, never the engine's text."""

    told = ""
    """The message if users may be told it (`StoreDriver.sentences`), else "". The reactor sets it."""


class StoreRefusedError(DriverError):
    """The engine (or its driver) will not do this, now or later; nothing was written. Becomes UPSTREAM_REFUSED."""

    code = Code.REFUSED


class UnsupportedError(StoreRefusedError):
    """The engine cannot do this at all; nothing was written. Becomes UNSUPPORTED."""


class StoreUnavailableError(DriverError):
    """The engine does not answer or asks to wait; nothing was written. Becomes UPSTREAM_UNAVAILABLE."""

    code = Code.UNAVAILABLE


class StoreConflictError(DriverError):
    """The place no longer has the version that the write was to replace; nothing was written."""

    code = Code.CONFLICT


class OvertakenError(StoreConflictError):
    """A version came in between look and act: it stays, but the act was done to the one before. The message says so."""


class CannotReadError(DriverError):
    """The value exists but cannot be read back as the byte map that was written. Becomes CANNOT_READ."""

    code = Code.REFUSED


class UnknownOutcomeError(DriverError):
    """The write may or may not have happened; the reactor looks it up (docs/protocol.md, When something breaks)."""

    code = Code.OUTCOME_UNKNOWN


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, as announced to m8 and shown to users."""

    max_plaintext: int
    """Largest padded plaintext in bytes that always fits (512, 1,024, … 1,048,576)."""
    check_and_set: bool
    """Whether `write` and `delete` can name what they replace. Without it ABSENT and VERSION are refused."""
    write_tag: bool
    """Whether the write tag is stored with the version in one act, so that `find` can tell."""
    readable: bool
    """Whether `read` works under the configured credentials."""
    key_rule: re.Pattern[str] | None = None
    """A pattern that each value's key must match in full, None for any key that the protocol allows."""
    options_schema: str = ""
    """JSON Schema of the options of a third party's driver; "" where options are a typed message or none."""
    patchable: bool = False
    """Whether `patch` works under the configured credentials."""
    deletable: bool = False
    """Whether `delete` can erase for good."""
    soft_delete: bool = False
    """Whether `delete` can delete so that the engine's owner can bring the value back."""
    undeletable: bool = False
    """Whether `undelete` can bring back what was deleted."""
    rollbackable: bool = False
    """Whether `read_at` can read earlier versions, so that one can be written again."""
    listable: bool = False
    """Whether `list_names` works under the configured credentials."""
    layout: str = ""
    """One sentence that says how a secret lies in the engine; users see it before they put."""
    matches: bool = False
    """Whether `matches` can say that what is there is of certain values, although these cannot be read."""
    versions: bool = True
    """Whether the engine gives versions to what is at a path. Without it `read_version` returns a new text each time,
    check-and-set is impossible, and the reactor must read to know what is there (docs/adr/0014-kv-v1.md)."""


@dataclass(frozen=True, slots=True)
class Snapshot(Unshared):
    """A value as read from the engine, with the version it has."""

    version: str
    payload: Payload
    either: frozenset[str] = frozenset()
    """Keys whose value in `payload` is text and could as well be what standard base64 made of other bytes. Only
    `read_either` returns any: there the driver cannot know which of the two was put."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names directly below one path, as the engine has them: foreign text, in any order."""

    names: Collection[str] = ()
    """At each of these, joined to the path, there is a secret, or one that can be brought back."""
    folders: Collection[str] = ()
    """Below each of these, joined to the path, there may be something."""
    others: int = 0
    """How many names more there are that the driver already knows to be no secret's."""


def certain(snapshot: Snapshot | None) -> Snapshot | None:
    """Return `snapshot` for `read`. Raises `CannotReadError` if a value in it can be read in two ways."""
    if snapshot is not None and snapshot.either:
        raise CannotReadError("a value in the engine could be text or base64.")
    return snapshot


@dataclass(frozen=True, slots=True)
class DeletedVersion:
    """What `undelete` would bring back."""

    version: str
    """The version that was deleted, as `read_version` named it while it was there."""
    deletion: str = ""
    """Text that names this deletion: once the version was back and was deleted again, there is another text. "" where
    `undelete` makes a new version, so that none is deleted twice."""


class StoreDriver(Unshared, ABC):
    """One engine. Every method may raise `StoreRefusedError` and `StoreUnavailableError` besides what it names.

    A driver is never copied or pickled: it holds credentials.
    """

    kind: ClassVar[str]
    """The name under which administrators know this kind of store, e.g. "vault"."""
    Config: ClassVar[type[msgspec.Struct]]
    """The typed `[engine]` table of the reactor's settings."""
    maturity: ClassVar[Literal["stable", "experimental"]] = "stable"
    """"experimental" until the driver was tested on the real engine; users see it before they choose a store."""
    example_notes: ClassVar[str] = ""
    """Lines of TOML comments that stand above `example` in a new reactor.toml."""

    of_accounts: ClassVar[bool] = False
    """Whether its secrets are accounts: who puts a password that they know can log in. Its reactor starts only where
    requests are signed, and serves only the names in `[accounts]`."""

    sentences: ClassVar[frozenset[str]] = frozenset()
    """Messages of its errors that users may be told, besides those of the drivers that come with Monoskope.

    `{}` in one stands for a key's name or a number, never for anything else. ASCII, at most 200 characters.
    """

    @classmethod
    @abstractmethod
    async def open(cls, config: Any, *, state_dir: Path) -> Self:  # noqa: ANN401 - each narrows it to its Config
        """Connect, log in and learn the engine's limits. `state_dir` is the reactor's own folder (mode 0700)."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this engine can do under this configuration. Constant after `open`."""

    @abstractmethod
    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse a path or options that this engine can never take; called before a one-time key is made.

        Args:
            path: The segments of the secret URI.
            options: The provider's typed message (`VaultOptions`, …), a `dict` for a third party's JSON, or None.

        Raises:
            StoreRefusedError: with a fixed sentence that names the rule.
        """

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse values that this engine can never take; called before they are compared with what is there.

        Otherwise a user who may write could test guesses unnoticed: the reactor compares before it calls `write`, so a
        right guess would end as UNCHANGED and a wrong one as refused. So this refuses, with the same error, everything
        that `write` and `patch` refuse because of values and options: bytes where the engine takes text only, sizes,
        keys, options that do not fit the values. It does no I/O.

        The default takes whatever passes `check` and `Capabilities`.

        Args:
            path: The segments of the secret URI.
            payload: The whole secret for `write`; for `patch` the keys to set, None for none.
            remove: None for `write`; for `patch` the keys to drop.
            options: As for `check`.

        Raises:
            StoreRefusedError: with a fixed sentence that names the rule, and the key at most: never a value.
        """
        del path, payload, remove, options

    @abstractmethod
    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version now at `path`: text never given twice for one path, or `NOTHING`."""

    @abstractmethod
    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """Write `payload` as the new version and return that version.

        Args:
            path: The segments of the secret URI.
            payload: The whole secret; it replaces what is there.
            replacing: The version it must replace (`NOTHING`: nothing may be there), or None for whatever is there.
                Without check-and-set None is all that works.
            write_tag: 64 hex digits, stored with the version where the engine can do both in one act.
            options: As for `check`.

        Raises:
            StoreConflictError: the version at `path` is not `replacing`.
            UnknownOutcomeError: the connection broke after the request may have reached the engine.
            UnsupportedError: `replacing` names a version, and the engine has no check-and-set.
        """

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the version written with `write_tag`, or None.

        Raises:
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path, write_tag
        raise UnsupportedError("this engine stores no write tags.")

    @abstractmethod
    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """Return the value now at `path`, or None where nothing is. Raises `CannotReadError`."""

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        """Return the value now at `path` as `read` does, but also where some values can be read in two ways.

        These are then in `Snapshot.either`. The reactor decides by a receipt, which has the fingerprint of what was put
        (docs/adr/0007-store-drivers.md). By default nothing can be read in two ways.
        """
        return await self.read(path)

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """Return the version at `path`, and whether what the engine keeps there, as a hash, is of exactly `payload`.

        Raises:
            CannotReadError: the engine keeps it in a form that is not known, or it changes meanwhile.
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path, payload
        raise UnsupportedError("this engine keeps no hashes.")

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """Delete what is at `path`: afterwards its version is `NOTHING`.

        No version that was is given again, except by `undelete`.

        Args:
            path: The segments of the secret URI.
            replacing: The version that must be there, or None for whatever is there, as for `write`.
            destroy: Whether to erase that version for good, instead of so that the engine's owner can bring it back.

        Raises:
            StoreConflictError: the version at `path` is not `replacing`, or nothing is there; what is there stays.
            OvertakenError: another version came in between and stays; the one that was to be deleted is deleted.
            UnknownOutcomeError: the connection broke after the request may have reached the engine.
            UnsupportedError: a capability is missing, as it is by default.
        """
        del path, replacing, destroy
        raise UnsupportedError("this engine cannot delete.")

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """Make a new version from the one at `path`, in one act, and return it.

        Every key that is neither in `changes` nor in `remove` keeps its value, byte for byte. A key to remove that is
        not there is no error: an engine that merges without showing what is there could not tell. A driver that sees
        what is there refuses a result that is no secret (1 to 64 keys) or is larger than it takes.

        Args:
            path: The segments of the secret URI.
            changes: The keys to set, None for none.
            remove: The keys to drop, none of them in `changes`. One of the two is not empty.
            replacing: The version that must be there, or None for whatever is there.
            write_tag: As for `write`.
            options: As for `check`.

        Raises:
            StoreConflictError: the version at `path` is not `replacing`, or nothing is there; what is there stays.
            CannotReadError: what is there must be read to be merged, and cannot be.
            UnknownOutcomeError: the connection broke after the request may have reached the engine.
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path, changes, remove, replacing, write_tag, options
        raise UnsupportedError("this engine cannot change some keys and leave the others.")

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        """Return what `undelete` would bring back: the newest version at `path`, if it was deleted and can come back.

        None means that nothing was deleted there, that it was erased for good, or that something is there.

        Raises:
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path
        raise UnsupportedError("this engine cannot bring back what was deleted.")

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        """Bring back exactly `deleted`, byte for byte, where nothing is; return the version that is there then.

        Args:
            path: The segments of the secret URI.
            deleted: What `deleted_version` returned.
            write_tag: As for `write`, if a new version is made of it.

        Returns:
            The version that was deleted, or a new one with its content.

        Raises:
            StoreConflictError: it is not what would come back now, or something is there; nothing was changed.
            OvertakenError: something is there that came in between, and what was deleted is deleted no longer.
            UnknownOutcomeError: the connection broke after the request may have reached the engine.
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path, deleted, write_tag
        raise UnsupportedError("this engine cannot bring back what was deleted.")

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        """Return the value of a version that is or was at `path`; None if it was never there, or is no longer kept.

        What was deleted, erased or not, is not read: bringing that back is `undelete`.

        Args:
            path: The segments of the secret URI.
            version: Text that came from others, to be compared as a whole with what the engine says.

        Raises:
            CannotReadError: it exists and cannot be read back as the byte map that was written.
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path, version
        raise UnsupportedError("this engine cannot read earlier versions.")

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """Return the names directly below `path`; none where there is nothing. No value is read.

        Raises:
            StoreRefusedError: also if there are more names than the driver lists.
            UnsupportedError: the capability is missing, as it is by default.
        """
        del path
        raise UnsupportedError("this engine cannot list names.")

    @classmethod
    def policy(cls, config: Any, prefixes: tuple[tuple[str, ...], ...]) -> str:  # noqa: ANN401 - as for `open`
        """Return the least rights that this driver works with under `config`, in the engine's own policy language.

        Args:
            config: The `[engine]` table.
            prefixes: The paths that the reactor serves, each with all below it; `()` for everything. Of a driver of
                accounts the names in `[accounts]`, in which `*` stands for any characters of a name.

        Raises:
            UnsupportedError: the engine has no such language, as by default.
        """
        del config, prefixes
        raise UnsupportedError(
            f"stores of the kind {cls.kind!r} have no policy to print.", fix="See the page on that kind of store."
        )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Return the fields, beside `type`, of the `[engine]` table that `m8 reactor init` writes.

        They fit `Config`. Where only an administrator knows a value, such as an address, `PLACEHOLDER` stands there, or
        a list of it alone: who sets a reactor up must give the value (`--set`), and nothing is guessed.

        Args:
            folder: The new reactor's own folder, an absolute path. A driver may put a key file into it, mode 0600.
        """
        del folder
        return {}

    async def health(self) -> bool:
        """Check, with one cheap request, whether the engine serves the reactor now; called every few seconds.

        Return whether anything was checked; the default checks nothing and returns False. Raises what `read_version`
        would.
        """
        return False

    @abstractmethod
    async def close(self) -> None:
        """Release credentials and connections. Safe to call twice."""

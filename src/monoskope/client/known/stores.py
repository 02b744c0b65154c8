"""`known_stores`: the file of the pins (`known.pins`), and every change of it.

The user's own file (mode 0600) takes precedence over the system's, which only its owner may write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from monoskope.client.known.pins import Pins
from monoskope.errors import IdentityChangedError, NotFoundError, RefusedError, UsageError
from monoskope.settings import NotWritableError, find_of_system, find_private, locked, write_private
from monoskope.uri import check_store_name

SYSTEM_FILE = Path("/etc/monoskope/known_stores")
_NAME_A_FILE = "Name a file that can be, with `known_stores` or MONOCTL_KNOWN_STORES."


NOT_KEPT = (
    "{why} What was agreed holds for this run alone: after store {store!r} changes its identity, a later run would"
    " accept the earlier one again."
)
"""What a user is told once, when a pin is kept in memory alone. `why` is a sentence."""
NO_FILE = "no file for known_stores is given or found."


class KnownStores:
    """The pins on this machine. Every change writes the whole file at once, under a lock.

    Args:
        path: The user's own file; it and its folder are made when the first pin is set. None: changes that were given
            explicitly are kept in memory, all others are refused.
        system: The administrator's file, read only; None for none.
        notify: Told once if a change is kept in memory alone.
        servers: Those of a list, which serve one log: a pin of one counts for all. They are named here by the first;
            in the file a pin stays under the one at which it was made.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        system: Path | None = SYSTEM_FILE,
        notify: Callable[[str], None] | None = None,
        servers: Sequence[str] = (),
    ) -> None:
        self._servers = tuple(servers)
        self._path = path
        self._system = system
        self._notify = notify
        self._memory = Pins()

    @property
    def path(self) -> Path:
        """The user's own file. Raises `NotWritableError` if there is none."""
        if self._path is None:
            raise NotWritableError(NO_FILE, fix=_NAME_A_FILE)
        return self._path

    def read(self) -> Pins:
        """Return what is pinned now.

        Raises:
            UsageError: a line is malformed; names file and line.
            RefusedError: others can reach the user's file, or write the system's.
            IdentityChangedError: an identity stands under two names.
        """
        return self._joined(self._own().over(self._read_system()))

    def read_with(self, server: str, given: Mapping[str, str]) -> Pins:
        """Return what is pinned now, and for stores that are not pinned the identities that were given for this run."""
        return self.read().over(Pins({(server, store): identity for store, identity in given.items()}))

    def identity(self, server: str, store: str) -> str | None:
        """Return the pinned identity, None at first contact. Raises as `read`."""
        return self.read().identities.get((server, store))

    def default(self, server: str) -> str | None:
        """Return the pinned default store's name, None if there is none. Raises as `read`."""
        return self.read().defaults.get(server)

    def forget(self, server: str, store: str) -> tuple[str, Path]:
        """Remove the pin of a store from the user's own file; the file as it was is kept beside it.

        Returns:
            The identity that was pinned, and the path of the copy.

        Raises:
            NotFoundError: nothing is pinned there.
            RefusedError: the pin stands in the administrator's file.
        """
        copy = self.path.with_name(f"{self.path.name}.old")
        with self._changing() as own:
            group = self._group(server)
            # The one that counts. If that is the administrator's, none of the user's is forgotten in its place.
            both = Pins({**self._read_system().identities, **own.identities})
            found = own.identities.pop((both.name_of(group, store), store), None)
            system = self._read_system().joined(group).identities.get((group[0], store))
            if found is None and system is not None:
                raise RefusedError(
                    f"{self._system} pins store {store!r} of {server}, for all users of this machine.",
                    fix=f"Ask its administrator to correct {self._system}.",
                )
            if found is None:
                raise NotFoundError(
                    f"{self.path} pins no store {store!r} of {server}.", fix="Look into the file for what it pins."
                )
            write_private(copy, find_private(self.path, client=True) or b"", replace=True)
        return found, copy

    def pin(self, server: str, store: str, identity: str, *, replaces: str | None, explicit: bool = False) -> None:
        """Pin `identity`, if the pin is still `replaces` (None: there is none). The same pin again is no change.

        Args:
            server: The server that is dialled, as it was named.
            store: The store.
            identity: Its identity.
            replaces: The pin so far.
            explicit: Whether the identity was given for this run, or follows by proof from one that is pinned. Then no
                file is needed: if it cannot be written, the pin is kept in memory, and `notify` says what that means.

        Raises:
            IdentityChangedError: another process pinned something else meanwhile, or the identity has another name.
            NotWritableError: it was not explicit, and the file cannot be written.
        """

        def change(own: Pins) -> None:
            pins = own.over(self._read_system())
            now = self._joined(pins).identities.get((server, store))
            if now == identity:
                return
            if now != replaces:
                raise IdentityChangedError(
                    f"store {store!r} of {server} was pinned to {now} meanwhile, not to {identity}.", fix="Try again."
                )
            own.identities[pins.name_of(self._group(server), store), store] = identity

        self._change(change, store, explicit=explicit)

    def missing(self, server: str, identities: Mapping[str, str], default: str = "") -> dict[str, str]:
        """Return those of `identities` that are not pinned yet. Raises as `Pins.missing`, and as `read`."""
        return self.read().missing(server, identities, default)

    def add(self, server: str, identities: Mapping[str, str], default: str = "") -> None:
        """Pin those that are `missing`, all in one write.

        Raises:
            IdentityChangedError: as `missing`.
            NotWritableError: the file cannot be written.
        """
        with self._changing() as own:
            pins = self._joined(own.over(self._read_system()))
            own.identities.update(
                {(server, store): one for store, one in pins.missing(server, identities, default).items()}
            )
            if default and server not in pins.defaults:
                own.defaults[server] = default

    def pin_default(self, server: str, store: str, *, explicit: bool = False) -> None:
        """Pin `store` as the default store of `server`. `explicit` and errors as with `pin`."""

        def change(own: Pins) -> None:
            for name in self._group(server):
                if name == server or name in own.defaults:
                    own.defaults[name] = check_store_name(store)

        self._change(change, store, explicit=explicit)

    def _group(self, server: str) -> tuple[str, ...]:
        return self._servers if server in self._servers else (server,)

    def _joined(self, pins: Pins) -> Pins:
        return pins.joined(self._servers) if self._servers else pins

    def _change(self, change: Callable[[Pins], None], store: str, *, explicit: bool) -> None:
        try:
            with self._changing() as own:
                change(own)
        except NotWritableError as error:
            if not explicit:
                raise
            self._keep(change)
            if self._notify is not None:
                self._notify(NOT_KEPT.format(why=error.message, store=store))
                self._notify = None

    def _keep(self, change: Callable[[Pins], None]) -> None:
        """Make a change in memory alone, over what the file says."""
        before, own = self._own(), self._own()
        change(own)
        own.over(self._read_system())
        changed = {name: pin for name, pin in own.identities.items() if before.identities.get(name) != pin}
        defaults = {server: store for server, store in own.defaults.items() if before.defaults.get(server) != store}
        self._memory = Pins(changed, defaults).over(self._memory)

    @contextmanager
    def _changing(self) -> Iterator[Pins]:
        with locked(self.path, fix=_NAME_A_FILE):
            own = self._own()
            before = own.serialise()
            yield own
            own.over(self._read_system())
            if own.serialise() != before:
                write_private(self.path, own.serialise().encode(), replace=True)

    def _own(self) -> Pins:
        """Return the pins of the user's file, under those that are kept in memory."""
        if self._path is None or (found := find_private(self._path, client=True)) is None:
            return self._memory.over(Pins())
        return self._memory.over(_parsed(found, self._path))

    def _read_system(self) -> Pins:
        content = None if self._system is None else find_of_system(self._system)
        return Pins() if content is None else _parsed(content, self._system)


def _parsed(content: bytes, path: Path | None) -> Pins:
    try:
        return Pins.parse(content.decode("ascii"), where=str(path))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: a character is not ASCII.", fix="Correct that line.") from None

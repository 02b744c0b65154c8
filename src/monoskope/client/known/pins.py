"""The lines of `known_stores`: the identity of each store to which a user agreed.

There are two kinds of lines, with one space between fields (docs/protocol.md, Identities):

    server store SHA256:…
    server @default store

`server` is dialled: `host:port`. One line a store and one default a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from monoskope.errors import IdentityChangedError, UsageError
from monoskope.host_port import check_server
from monoskope.protocol.identity import check_shown
from monoskope.uri import check_store_name
from monoskope.value import Value

DEFAULT = "@default"


class Pins(Value, frozen=True):
    """The content of one file, or of several files merged."""

    identities: dict[tuple[str, str], str] = msgspec.field(default_factory=dict)
    """(server, store) to shown identity."""
    defaults: dict[str, str] = msgspec.field(default_factory=dict)
    """Server to its default store."""

    @classmethod
    def parse(cls, text: str, *, where: str) -> Self:
        """Parse a file's text; `where` names it in errors.

        Raises:
            UsageError: a line is not one of the two kinds, or repeats another line; names the line.
            IdentityChangedError: an identity stands under two names; names both.
        """
        pins = cls()
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        for number, line in enumerate(lines, start=1):
            try:
                pins._read_line(line)
            except UsageError as error:
                raise UsageError(f"{where}, line {number}: {error.message}", fix="Correct that line.") from None
        pins.check_names()
        return pins

    def _read_line(self, line: str) -> None:
        fields = line.split(" ")
        if len(fields) != 3:
            raise UsageError("'server store SHA256:…' or 'server @default store' is expected.")
        server, store, last = check_server(fields[0]), *fields[1:]
        if store.startswith("@") and store != DEFAULT:
            raise UsageError(f"{store!r} is no store; did you mean {DEFAULT!r}?")
        if store == DEFAULT:
            if server in self.defaults:
                raise UsageError(f"{server} has a default store already.")
            self.defaults[server] = check_store_name(last)
        elif (server, check_store_name(store)) in self.identities:
            raise UsageError(f"store {store!r} of {server} has an identity already.")
        else:
            self.identities[server, store] = check_shown(last)

    def check_names(self) -> None:
        """Raise `IdentityChangedError` that names both if one identity stands under two names."""
        seen: dict[str, tuple[str, str]] = {}
        for name, identity in self.identities.items():
            if identity in seen:
                raise _two_names(identity, seen[identity], name)
            seen[identity] = name

    def check_free(self, server: str, store: str, identity: str) -> None:
        """Raise `IdentityChangedError` that names both if `identity` is pinned under another name."""
        for name, known in self.identities.items():
            if known == identity and name != (server, store):
                raise _two_names(identity, name, (server, store))

    def serialise(self) -> str:
        """Return the text that `parse` reads as the same pins."""
        lines = [f"{server} {DEFAULT} {store}" for server, store in self.defaults.items()]
        lines += [f"{server} {store} {identity}" for (server, store), identity in self.identities.items()]
        return "".join(f"{line}\n" for line in sorted(lines))

    def joined(self, servers: Sequence[str]) -> Pins:
        """Return these pins with those of all `servers`, which serve one log, under the first of them.

        Raises:
            IdentityChangedError: two of them have different pins for one store; names both.
        """
        identities: dict[tuple[str, str], str] = {}
        under: dict[str, str] = {}
        for (server, store), identity in self.identities.items():
            name = servers[0] if server in servers else server
            if server in servers and identities.setdefault((name, store), identity) != identity:
                raise _two_identities(store, (identities[name, store], under[store]), (identity, server))
            if server in servers:
                under[store] = server
            identities[name, store] = identity
        defaults = {server: store for server, store in self.defaults.items() if server not in servers}
        agreed = next((server for server in servers if server in self.defaults), None)
        return Pins(identities, defaults | ({servers[0]: self.defaults[agreed]} if agreed is not None else {}))

    def name_of(self, servers: Sequence[str], store: str) -> str:
        """Return the first of `servers` that has a pin of `store`; the first of all if none has."""
        return next((server for server in servers if (server, store) in self.identities), servers[0])

    def over(self, other: Pins) -> Pins:
        """Return these pins merged with `other`; these take precedence."""
        merged = Pins({**other.identities, **self.identities}, {**other.defaults, **self.defaults})
        merged.check_names()
        return merged

    def missing(self, server: str, identities: Mapping[str, str], default: str = "") -> dict[str, str]:
        """Return those of `identities` that are not pinned yet.

        Raises:
            IdentityChangedError: one has another pin, an identity has another name, or another default is pinned; names
                both.
        """
        for store, identity in identities.items():
            known = self.identities.get((server, store), identity)
            if known != identity:
                raise IdentityChangedError(
                    f"store {store!r} of {server} is pinned to {known}, and is to be pinned to {identity}.",
                    fix="Nothing was changed. If the identity was rotated since the bundle was made, yours is the"
                    " newer: ask for a new bundle. Else ask the store's operator which one it is; if not yours, run"
                    f" `monoctl forget-store {store}` first.",
                )
            self.check_free(server, store, identity)
        if default and self.defaults.get(server, default) != default:
            raise IdentityChangedError(
                f"the default store of {server} is pinned to {self.defaults[server]!r}, and is to be {default!r}.",
                fix="Nothing was changed. Ask your administrator; if it is the new one, correct the line in"
                " known_stores.",
            )
        return {store: one for store, one in identities.items() if (server, store) not in self.identities}


def _two_identities(store: str, *known: tuple[str, str]) -> IdentityChangedError:
    """Two of the servers of one m8 are pinned to different identities; each is given with its server."""
    (one, here), (other, there) = known
    return IdentityChangedError(
        f"store {store!r} has the identity {one} at {here} and {other} at {there}, and both are named as servers of"
        " one m8.",
        fix="Name only servers of one m8, or forget the pin that is wrong: monoctl forget-store.",
    )


def _two_names(identity: str, first: tuple[str, str], second: tuple[str, str]) -> IdentityChangedError:
    one, two = (f"store {store!r} of {server}" for server, store in (first, second))
    return IdentityChangedError(
        f"{one} and {two} show the same identity {identity}.",
        fix="A store has one name and one server: dial it by the name you used first, or ask its administrator. Two"
        " servers of one m8 are named as one list: host:port,host:port.",
    )

"""`seen_secrets`: the receipts that m8 has shown to one subject, to notice what it hides later.

It lies beside `known_stores` (mode 0600), one file for each subject, because subjects may see different secrets. A line
has fields with one space between them, the last two kinds only once a receipt was proven:

    server uri =version digest digest …

The version is the newest one. A proven receipt moves it if it is of that version or replaced it, or if the store found
the secret in sync with it. After `~` instead of `=` the version was deleted and came back, so that no deletion of it
can be told from the one that was undone. After `?` two servers of a list were asked apart: each showed what the other
did not, and no deletion counts before the store has found the secret as it says. A digest is the
first 32 hex digits of the SHA-256 of a receipt that was shown as the newest, followed by a `-` if it is of a deletion;
the last one was shown last. Without the file nothing is noticed; all else works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from monoskope.errors import UsageError
from monoskope.host_port import is_server
from monoskope.settings import find_private, locked, write_private
from monoskope.uri import SecretUri, UriPrefix
from monoskope.value import Value

NAME = "seen_secrets"
MOST = 20_000
"""How many secrets are remembered."""
DIGESTS = 8
"""How many receipts of one secret are remembered."""

_DELETED = "-"
_NEWEST, _RESTORED, _UNORDERED = "=", "~", "?"
_DIGEST = re.compile(r"[0-9a-f]{32}-?", re.ASCII)
_VERSION = re.compile(r"[=~?][!-~]{1,256}", re.ASCII)
_FIX = "Correct that line, or restore the file from your copy. Without it nobody notices what m8 hides from now on."


class _Known(NamedTuple):
    """What is remembered of one secret."""

    version: str = ""
    """The newest one with its mark; "" where no receipt was proven."""
    digests: tuple[str, ...] = ()

    @property
    def deleted(self) -> bool:
        return bool(self.digests) and self.digests[-1].endswith(_DELETED)

    def then(self, version: str, digest: str) -> _Known:
        return _Known(version, (*self.digests, digest)[-DIGESTS:])


Seen = dict[tuple[str, str], _Known]
"""(server, URI) to what is remembered."""


class Shown(Value, frozen=True):
    """What m8 shows of one secret now."""

    sha256: bytes | None
    """Of its receipt, None if it shows none."""
    proven: bool
    """Whether that receipt is proven. Others are compared, but not remembered."""
    version: str = ""
    """The version that a proven receipt names as the one upstream, or as the deleted one."""
    prior: str = ""
    """The version that it says was replaced, "" for none."""
    restored: bool = False
    """Whether it says that this version was deleted and is there again."""
    deleted: bool = False
    """Whether it says that this version was deleted."""


class Difference(Value, frozen=True):
    """The differences between what m8 shows and what it showed before."""

    gone: tuple[str, ...]
    """URIs that it does not list any more."""
    older: tuple[str, ...]
    """URIs of which it shows an older receipt than it showed last."""
    unproven: tuple[str, ...]
    """URIs of which it showed a proven receipt before, and shows none now."""
    unlinked: tuple[str, ...]
    """URIs of which it shows a new receipt that does not follow from the one before. It is not remembered."""
    not_remembered: int
    """How many secrets are not remembered because there are too many."""


class SeenSecrets:
    """The file. Every change writes the whole file at once, under a lock.

    Args:
        path: The file; it and its folder are made when something is remembered first.
        most: How many secrets are remembered.
        servers: Those of a list, which serve one log. What is remembered stands under one of them.
    """

    def __init__(self, path: Path, *, most: int = MOST, servers: Sequence[str] = ()) -> None:
        self.path = path
        self._servers = tuple(servers)
        self._most = most

    def compare(self, server: str, shown: Mapping[str, Shown], prefixes: Sequence[UriPrefix] = ()) -> Difference:
        """Return what differs from before, and remember what is new.

        What was seen before stays remembered. Only a secret that is gone and never had a proven receipt is forgotten,
        after it was reported once.

        Args:
            server: The server that is dialled, as it was named.
            shown: Every URI that m8 lists.
            prefixes: Below which it was asked to list; none for everywhere.

        Raises:
            UsageError: the file is malformed or cannot be read or written, or m8 lists what is no secret URI.
            RefusedError: others can reach it.
        """
        with self._changing() as seen:
            names = self._names(seen, server)
            server = names[0]
            self._join(seen, names)
            gone = [
                uri
                for (at, uri), known in seen.items()
                if at == server
                and uri not in shown
                and not known.deleted
                and (not prefixes or any(prefix.covers(SecretUri.parse(uri)) for prefix in prefixes))
            ]
            older, unproven, unlinked = [], [], []
            for uri, now in shown.items():
                known, digest = seen.get((server, uri), _Known()), _short(now)
                if digest in known.digests[:-1]:
                    older.append(uri)
                elif known.digests and digest != known.digests[-1]:
                    if not now.proven:
                        unproven.append(uri)
                    elif not _follows(known, now):
                        unlinked.append(uri)
            for uri in gone:
                if not seen[server, uri].digests:
                    for at in names:
                        seen.pop((at, uri), None)
            left = self._remember(seen, names, shown)
        return Difference(
            tuple(sorted(gone)), tuple(sorted(older)), tuple(sorted(unproven)), tuple(sorted(unlinked)), left
        )

    def accept(self, server: str, shown: Mapping[str, Shown], *, confirmed: bool = False) -> frozenset[str]:
        """Remember proven receipts that follow from what was shown, and return the URIs of those that are remembered.

        A deletion follows if it is of the newest version, and that version was not deleted before.

        Args:
            server: The server that is dialled, as it was named.
            shown: By URI.
            confirmed: Whether the store found the secrets as these receipts say, after they were shown. Then each is
                remembered.

        Raises:
            UsageError, RefusedError: as `compare`.
        """
        accepted: set[str] = set()
        with self._changing() as seen:
            names = self._names(seen, server)
            server = names[0]
            self._join(seen, names)
            for uri, now in shown.items():
                known, digest = seen.get((server, uri), _Known()), _short(now)
                if confirmed or (digest not in known.digests and _follows(known, now)):
                    _keep(seen, names, uri, known.then(_version(known, now, confirmed=confirmed), digest))
                    accepted.add(uri)
        return frozenset(accepted)

    def _names(self, seen: Seen, server: str) -> Sequence[str]:
        """Return the servers under which something stands already, of those that serve the log of `server`."""
        servers = self._servers if server in self._servers else (server,)
        there = {at for at, _ in seen}
        return tuple(name for name in servers if name in there) or (server,)

    def _join(self, seen: Seen, names: Sequence[str]) -> None:
        """Let what stands under the other servers of the list stand under the first, too: it is of the same log."""
        server, others = names[0], names[1:]
        for (at, uri), there in list(seen.items()):
            known = seen.get((server, uri))
            if at not in others or (known is None and len(seen) >= self._most):
                continue
            if known is None or set(known.digests) < set(there.digests):
                _keep(seen, names, uri, there)
            elif not set(there.digests) <= set(known.digests):
                # Each knows what the other does not, and the order is not known: the store says what is deleted.
                stays = there if known.deleted else known
                _keep(seen, names, uri, stays._replace(version=_UNORDERED + stays.version[1:]))

    def _remember(self, seen: Seen, names: Sequence[str], shown: Mapping[str, Shown]) -> int:
        """Add what is new. Return how many secrets there is no place for."""
        server, left = names[0], 0
        for uri, now in shown.items():
            if (server, uri) not in seen and len(seen) >= self._most:
                left += 1
                continue
            known = seen.setdefault((server, str(SecretUri.parse(uri))), _Known())
            if now.proven and _short(now) not in known.digests and _follows(known, now):
                _keep(seen, names, uri, known.then(_version(known, now), _short(now)))
        return left

    @contextmanager
    def _changing(self) -> Iterator[Seen]:
        with locked(self.path):
            seen = self._read()
            before = _serialise(seen)
            yield seen
            if (after := _serialise(seen)) != before:
                write_private(self.path, after.encode("ascii"), replace=True)

    def _read(self) -> Seen:
        found = find_private(self.path, client=True)
        seen: Seen = {}
        for number, line in enumerate((found or b"").decode("ascii", "replace").splitlines(), start=1):
            server, _, rest = line.partition(" ")
            uri, *fields = rest.split(" ")
            if (server, uri) in seen or not _is_entry(server, uri, fields):
                raise UsageError(f"{self.path}, line {number} is not 'server uri =version digest …'.", fix=_FIX)
            seen[server, uri] = _Known(fields[0], tuple(fields[1:])) if fields else _Known()
        return seen


def _keep(seen: Seen, names: Sequence[str], uri: str, known: _Known) -> None:
    """Let this be what is known of a secret, under the first of the names and under those that have a line about it."""
    seen.update({(at, uri): known for at in names if at == names[0] or (at, uri) in seen})


def _is_entry(server: str, uri: str, fields: Sequence[str]) -> bool:
    try:
        SecretUri.parse(uri)
    except UsageError:
        return False
    version, digests = fields[:1], fields[1:]
    is_proven = bool(digests) and all(map(_VERSION.fullmatch, version)) and all(map(_DIGEST.fullmatch, digests))
    return is_server(server) and (not fields or is_proven)


def _follows(known: _Known, now: Shown) -> bool:
    """Return whether a proven receipt of now is of the newest version that is known, or came after it."""
    if now.deleted:
        return known.version == _NEWEST + now.version
    return known.version[1:] in {"", now.version, now.prior} or (known.deleted and not now.prior)


def _version(known: _Known, now: Shown, *, confirmed: bool = False) -> str:
    """Return the newest version with its mark, once `now` is the receipt shown last."""
    if known.version.startswith(_UNORDERED) and not confirmed:
        return _UNORDERED + now.version
    again = now.restored or known.version == _RESTORED + now.version
    return (_RESTORED if again else _NEWEST) + now.version


def _short(now: Shown) -> str:
    return "" if now.sha256 is None else now.sha256.hex()[:32] + (_DELETED if now.deleted else "")


def _serialise(seen: Seen) -> str:
    lines = (" ".join((*key, *filter(None, (known.version, *known.digests)))) for key, known in sorted(seen.items()))
    return "".join(f"{line}\n" for line in lines)

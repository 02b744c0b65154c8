"""What is read by GET: what operators ask, the bundle for newcomers, and the witnessed log for the tools of others.

`/healthz`, `/readyz` and `/metrics` are made at most once in a second. `/checkpoint`, `/tile/…` and `/tile/entries/…`
(c2sp.org/tlog-tiles) show how the log grows by the hashes of its records, 32 bytes each: auditors and administrators
alone may read them.

`/.well-known/monoskope` shows strangers the file that the administrator published, as it is, or nothing: a client
believes it for its fingerprint alone, which its user got another way (docs/join.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from monoskope import operating_log
from monoskope.errors import Error, NotFoundError, UsageError
from monoskope.event_loop import heeded
from monoskope.http.messages import Response
from monoskope.m8 import calls
from monoskope.m8.calls import Arrival
from monoskope.m8.http import refused
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import FULL, HASH_BYTES, Named
from monoskope.m8.operations import Endpoints
from monoskope.m8.service import policy
from monoskope.m8.service.app import App
from monoskope.operations import Answer, Handler
from monoskope.protocol.bundle import MAX_BYTES, WELL_KNOWN, Bundle
from monoskope.protocol.tlog.note import with_lines
from monoskope.protocol.tlog.tiles import TILE_HEIGHT, Tile

FRESH_S = 1.0
"""An answer serves everybody who asks within so many seconds: strangers must not keep m8 and its database busy."""


class Operations:
    """Answers whoever operates m8.

    Args:
        app: The process.
        endpoints: What answers.
    """

    def __init__(self, app: App, endpoints: Endpoints) -> None:
        self._app = app
        self._shared = {path: _Shared(handler) for path, handler in endpoints.handlers.items()}

    def __contains__(self, path: str) -> bool:
        return path in self._shared

    async def answer(self, path: str, arrival: Arrival) -> Response:
        """Answer a GET of one of its paths.

        The metrics name the stores, and how much each user's calls are; so they are for the role metrics.
        """
        if path == "/metrics" and (error := await self._refusal(arrival)) is not None:
            return refused.response(error)
        try:
            found = await self._shared[path].answer()
        except Exception as error:  # noqa: BLE001  a defect is told by its type and place, and ends nothing else
            operating_log.error("defect", error)
            return refused.plain(500, "internal", "m8 has a defect.")
        return Response(found.status, (("Content-Type", found.content_type),), found.body)

    async def _refusal(self, arrival: Arrival) -> Error | None:
        """Return why the caller may not read the metrics, without the frames that hold the token."""
        try:
            policy.require_metrics(await calls.principal_of(self._app, arrival))
        except Error as error:
            return calls.without_frames(error)
        return None


class _Shared:
    """One answer for all who ask within a second, and for all who ask while it is made."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._made: asyncio.Future[Answer] | None = None
        self._until = 0.0

    async def answer(self) -> Answer:
        now = asyncio.get_running_loop().time()
        if self._made is None or (self._made.done() and now >= self._until):
            self._made = asyncio.ensure_future(self._handler())
            heeded(self._made)
            self._until = now + FRESH_S
        # The caller that asked first may hang up; the others still wait for it.
        return await asyncio.shield(self._made)


_MADE_BY = "Make it with `monoctl config bundle`, for m8's user to read, and name it as `bundle` in m8.toml."


class Published:
    """Answers newcomers with the bundle in one file, which is read again when it changes.

    Args:
        path: Of the file; None if nothing is published.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._names: frozenset[str] = frozenset()
        self._seen: object = None
        self._shown = b""

    def __contains__(self, path: str) -> bool:
        return path == WELL_KNOWN and self._path is not None

    def check(self, names: Iterable[str]) -> None:
        """Read the file. `names` are those by which m8 may be dialled.

        Raises:
            UsageError: the file cannot be read, holds no bundle, or one that names none of `names`.
        """
        self._names = frozenset(name.lower() for name in names)
        if self._path is not None:
            self._read(self._path)

    async def answer(self, _path: str, _arrival: Arrival) -> Response:
        """Return the bundle, or 404 if the file does not hold one any more: operators are told once."""
        assert self._path is not None, "asked for a path that it does not have"
        try:
            self._read(self._path)
        except UsageError as error:
            operating_log.error("bundle", error)
        return Response(200, (refused.JSON, NOT_SHARED), self._shown) if self._shown else nothing_here()

    def _read(self, path: Path) -> None:
        try:
            found = path.stat()
            seen: object = (found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError as error:
            seen = error.errno
        if seen == self._seen:
            return
        self._seen, self._shown = seen, b""
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            servers = Bundle.parse(content).servers
        except OSError as error:
            raise UsageError(f"bundle {path} cannot be read: {error.strerror}.", fix=_MADE_BY) from None
        except UsageError as error:
            raise UsageError(f"bundle {path}: {error.message}", fix=_MADE_BY) from None
        if not self._names & {*servers}:
            raise UsageError(
                f"bundle {path} is for {', '.join(servers)}, and `names` of m8 are {', '.join(sorted(self._names))}.",
                fix="Correct `bundle` or `names` in m8.toml.",
            )
        self._shown = content


def nothing_here() -> Response:
    """Return the answer about a path at which nothing is."""
    return refused.plain(404, "unimplemented", "nothing is at this path.")


CHECKPOINT = "/checkpoint"
TILES = "/tile/"
_ENTRIES = "/tile/entries/"

TEXT = ("Content-Type", "text/plain; charset=utf-8")
BYTES = ("Content-Type", "application/octet-stream")
FOR_EVER = ("Cache-Control", "private, max-age=31536000, immutable")
"""A full tile never changes. It is for the caller alone, and for no cache that others share."""
NOT_SHARED = ("Cache-Control", "private, no-cache")

METHOD = "ReadLog"
"""What metrics, the operating log and access lines call such a request."""


class Tiles:
    """Answers those who read the witnessed log piece by piece.

    Args:
        app: The process.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._log: EventLog = app.log

    def __contains__(self, path: str) -> bool:
        return path == CHECKPOINT or path.startswith(TILES)

    async def answer(self, path: str, arrival: Arrival) -> Response:
        """Answer a GET of one of its paths."""

        async def work() -> Response:
            policy.require_sees_all(await calls.principal_of(self._app, arrival))
            return await (self._checkpoint() if path == CHECKPOINT else self._tile(path))

        ended = await calls.traced(self._app, arrival, METHOD, work)
        return refused.response(ended.failure) if ended.answer is None else ended.answer

    async def _checkpoint(self) -> Response:
        await self._app.witnessed.want()
        seen = await self._app.witnessed.seen()
        found = seen.witnessed or seen.newest
        if found is None:
            raise NotFoundError("there is no checkpoint of this log yet.", fix="m8 log status says why.")
        return Response(200, (TEXT, NOT_SHARED), with_lines(found.note, (each.line for each in found.cosignatures)))

    async def _tile(self, path: str) -> Response:
        try:
            tile = (Tile.parse_entries if path.startswith(_ENTRIES) else Tile.parse)(path.removeprefix("/"))
        except Error:
            raise NotFoundError("that is not the path of a tile.", fix="See c2sp.org/tlog-tiles.") from None
        named = (await self._app.witnessed.seen()).named
        if named is None or not await self._is_served(tile, named):
            raise NotFoundError(f"no checkpoint of this log has {path[1:]}.", fix="Read /checkpoint for its size.")
        content = await (self._entries(tile) if path.startswith(_ENTRIES) else self._app.witnessed.tree.tile(tile))
        return Response(200, (BYTES, FOR_EVER if tile.width == FULL else NOT_SHARED), content)

    async def _is_served(self, tile: Tile, named: Named) -> bool:
        """Whether a signed checkpoint has that tile: full, or with just this width."""
        height = TILE_HEIGHT * tile.level
        least = (tile.index * FULL + tile.width) << height
        if least >= 1 << 63:
            return False
        covering = await self._log.checkpoint(named.number, at_least=least)
        return covering is not None and (tile.width == FULL or covering.size >> height == least >> height)

    async def _entries(self, tile: Tile) -> bytes:
        found = await self._log.hashes(after=tile.index * FULL, limit=tile.width)
        return b"".join(HASH_BYTES.to_bytes(2, "big") + entry for entry in found)

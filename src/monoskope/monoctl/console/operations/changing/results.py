"""What changing operations answer: a row for each secret, so that one failure never hides the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from monoskope.errors import Error, UsageError
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.heard import gathered
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.report import failure

R = TypeVar("R")


async def several(
    desk: Desk,
    work: Awaitable[Sequence[R | Error]],
    document: Callable[[R], Document],
    *,
    changes: bool = True,
    notes: Iterable[str] = (),
) -> Document:
    """Return what came of each secret, in the order in which they were named.

    Args:
        desk: Where they are kept: what was changed is asked again before the answer.
        work: Does it.
        document: Returns what is shown of a result.
        changes: Whether m8 shows something else of the secrets afterwards.
        notes: What the user should know besides.

    Raises:
        Error: nothing was sent for any of them.
    """
    with gathered() as sentences:
        results = await work
        rows = [_row(one, document) for one in results]
        if changes:
            await _ask_again(desk, rows)
    return {"results": rows, "notes": [*notes, *sentences]}


async def single(
    desk: Desk, uri: str, work: Awaitable[R], document: Callable[[R], Document], *, changes: bool = True
) -> Document:
    """Return the same of one secret. Raises `UsageError`: nothing was sent."""

    async def listed() -> list[R | Error]:
        try:
            return [await work]
        except UsageError:
            raise
        except Error as error:
            error.uri = error.uri or uri
            return [error]

    return await several(desk, listed(), document, changes=changes)


def _row(result: R | Error, document: Callable[[R], Document]) -> Document:
    return {"failed": failure(result)} if isinstance(result, Error) else {"done": document(result)}


async def _ask_again(desk: Desk, rows: Sequence[Document]) -> None:
    """Ask m8 what it shows now of the secrets that were changed, or may have been."""
    places = [row.get("done") or row["failed"] for row in rows]
    uris = [place[name] for place in places for name in ("uri", "destination") if place.get(name)]
    await desk.secrets.ask([uri for uri in uris if "://" in uri])

"""List what is upstream below a URI: the names alone. Nothing is sealed, read or written.

The receipt proves which names the store's reactor found. Which of them m8 knows already is m8's word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from enum import Enum

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.checks import check_can
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import Task
from monoskope.client.walk.walk import Walk
from monoskope.protocol.listing import Listing, secret_below
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.wire import MalformedError
from monoskope.uri import SecretUri
from monoskope.value import Value

WalkAnew = Callable[[], Walk]
"""Makes the walk of one page."""


class Known(Enum):
    """What m8 says of a name."""

    FOLDER = "FOLDER"
    """It is a folder's."""
    PUT = "PUT"
    """The secret was put, patched or generated through m8."""
    KNOWN = "KNOWN"
    """m8 knows the secret: it was imported, or m8 shows this caller no receipt for it."""
    DELETED = "DELETED"
    """It was deleted through m8: the engine can bring it back, or others put something there again."""
    IMPORTABLE = "IMPORTABLE"
    """m8 knows nothing of it. It can be imported."""


class UpstreamName(Value, frozen=True):
    """One name that is upstream, as a receipt proves."""

    uri: str
    """The secret's URI; a folder's ends in "/"."""
    known: Known
    """m8's word: nothing proves it."""
    request_id: str
    """Of the request that listed it, 32 hex digits."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; there may be secrets below it."""
        return self.known is Known.FOLDER

    @property
    def can_be_imported(self) -> bool:
        """Whether m8 says that it knows nothing of it."""
        return self.known is Known.IMPORTABLE


class UpstreamPage(Value, frozen=True):
    """One page of names, which a receipt proves."""

    uri: str
    names: tuple[UpstreamName, ...]
    unaddressable: int
    """How many more names there are, on all pages together, that no URI can name."""
    more: bool
    """Whether there are names after these."""
    request_id: str
    """32 hex digits."""


class _Knowledge:
    """What m8 says of the secrets below a URI, asked once for all pages."""

    def __init__(self, queries: Queries, uri: SecretUri) -> None:
        self._queries = queries
        self._uri = uri
        self._known: dict[str, Known] | None = None

    async def of(self, name: str) -> Known:
        if self._known is None:
            self._known = {}
            for state in (views_pb2.SECRET_STATE_DELETED, views_pb2.SECRET_STATE_PRESENT):
                async for view in self._queries.secrets(str(self._uri), state=state):
                    self._known[view.uri] = _said_of(view)
        below = secret_below(self._uri, name)
        return Known.FOLDER if below is None else self._known.get(str(below), Known.IMPORTABLE)


def _said_of(view: views_pb2.Secret) -> Known:
    """Return what m8 says of a secret. Its receipt, where it shows one, is not verified here: it stays m8's word."""
    if view.deleted:
        return Known.DELETED
    if not view.HasField("receipt"):
        return Known.KNOWN
    try:
        outcome = parse_receipt(view.receipt.content).outcome
    except MalformedError:
        return Known.KNOWN
    return Known.KNOWN if outcome == upload_pb2.OUTCOME_IMPORTED else Known.PUT


async def pages(
    walk_anew: WalkAnew, target: Target, queries: Queries, timed: Callable[[], AbstractContextManager[None]]
) -> AsyncIterator[UpstreamPage]:
    """Yield every page of the names directly below one target, each by a request of its own, in the time of `timed`.

    Raises as `Walk.run`.
    """
    check_can(target.store, target.uri, "listable")
    knowledge = _Knowledge(queries, target.uri)
    after = ""
    while True:
        task = Task(uri=target.uri, purpose=upload_pb2.PURPOSE_LIST, list_after=after)
        with timed():
            result = await walk_anew().run(task)
            receipt, request_id = result.receipt, result.request_id.hex()
            listed = receipt.listed or Listing((), 0)
            names = [
                UpstreamName(f"{target.uri}/{name}", await knowledge.of(name), request_id) for name in listed.names
            ]
        yield UpstreamPage(str(target.uri), tuple(names), listed.unaddressable, receipt.more, request_id)
        if not receipt.more:
            return
        after = listed.names[-1]

"""What every operation of the page has in common: its request, what it works on, and how its results are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, TypeVar

from msgspec import Meta

from monoskope.client import Client
from monoskope.client.purposes import Expect
from monoskope.errors import Error, UsageError
from monoskope.monoctl.console.activity import RecentEvents
from monoskope.monoctl.console.cache import SecretCache
from monoskope.monoctl.console.live import collected
from monoskope.monoctl.console.requests import Request, Text
from monoskope.monoctl.console.rows import QueryCache
from monoskope.monoctl.console.word import Word
from monoskope.monoctl.input.request_options import chosen, expectation, parse_day
from monoskope.monoctl.output.ending import failure
from monoskope.monoctl.output.formats import Document, done
from monoskope.protocol.options import Options
from monoskope.value import Unshared, Value


class Context(Unshared):
    """One console's client, its cache of secrets, and its way to tell the page something.

    Attributes:
        client: Open as long as the console runs; it asks no questions (`confirm` is None).
        tell: Sends one message of the live stream to every page: a document with `kind`.
        secrets: What m8 shows of all secrets. Its `run` reads them; its `saw` is told of each event.
        found: Those of them that were asked for lately.
        recent: The events that were recorded lately.
        word: Asks the person at the terminal; without one, nobody can agree there.
    """

    def __init__(self, client: Client, tell: Callable[[dict[str, object]], None], word: Word | None = None) -> None:
        self.client = client
        self.tell = tell
        self.word = word or Word(lambda _: None)
        self.secrets = SecretCache(lambda: client.queries, self.tell_of_secrets)
        self.found = QueryCache(self.secrets)
        self.recent = RecentEvents(lambda: client.queries)

    def __repr__(self) -> str:
        return "<Context>"

    def tell_of_secrets(self) -> None:
        """Have every page ask again for what it shows of secrets."""
        self.tell({"kind": "secrets", "loaded": len(self.secrets.rows), "complete": self.secrets.complete})


class Operation(Value, frozen=True):
    """One row of the table of operations (`monoskope.monoctl.console.program`)."""

    request: type[Request]
    answer: Callable[..., Awaitable[object]]
    """Is given the context and the request. Returns what JSON can say, and raises `monoskope.errors.Error`."""
    takes_values: bool = False
    """Whether `answer` is given the value of each key, too, from a framed body (`console.requests`)."""


Texts = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Words = Annotated[dict[Text, Text], Meta(max_length=64)]
RecipeTexts = Annotated[dict[Text, Annotated[str, Meta(max_length=2_100)]], Meta(max_length=64)]
"""What to make under each key: "password:32". A template has 2,048 characters alone."""

TIMEOUT_S = 120.0
"""For each secret, from its turn on, as for commands."""


class Nothing(Request, frozen=True):
    """Nothing is asked but the operation itself."""


class OfUri(Request, frozen=True):
    """About one secret."""

    uri: Text


class Timed(Request, frozen=True, kw_only=True):
    """What takes a while: `timeout` is for each secret, from its turn on, as for commands."""

    timeout: Seconds = TIMEOUT_S


class Expecting(Timed, frozen=True, kw_only=True):
    """What is to be done only if `expect` is upstream: "any", "absent", "overwrite", or a version."""

    expect: Text = "any"


class Notes(Expecting, frozen=True, kw_only=True):
    """What a request says about labels and day of expiry: null keeps them, {} and "" clear them."""

    labels: Words | None = None
    expires_on: Text | None = None

    @property
    def day(self) -> str | None:
        """The day of expiry, as the client takes it. Raises `UsageError` if it is not one."""
        return parse_day(self.expires_on) if self.expires_on else self.expires_on


def expected(text: str, *, must_exist: bool = False) -> Expect | str:
    """Return what must be upstream: "any", "absent", "overwrite", or a version.

    Raises:
        UsageError: "absent" where something must be there.
    """
    if text == "absent" and must_exist:
        raise UsageError("`expect` is absent, but something must be there.", fix="Choose any, or a version.")
    named = None if text in {"", "any", "overwrite"} else text
    return expectation(named, overwrite=text == "overwrite", must_exist=must_exist)


_OPTIONS = ("binary", "aws-tag", "kubernetes-type", "kubernetes-label")


def engine_options(given: Mapping[str, str]) -> Options | None:
    """Return the options for stores of one type, None if none is given.

    They are named as the flags of `monoctl put secret`; several tags or labels stand in one text, with commas or lines
    between them.

    Raises:
        UsageError: a name is none of these, or `chosen` refuses them.
    """
    unknown = set(given) - set(_OPTIONS)
    if unknown:
        raise UsageError("`options` has a name that is none.", fix=f"Use {', '.join(_OPTIONS)}.")
    binary = given.get("binary", "")
    if binary not in {"", "base64"}:
        raise UsageError("the option `binary` is not base64.", fix="Write base64, or leave it out.")
    kind, labels = given.get("kubernetes-type", ""), _several(given, "kubernetes-label")
    return chosen(binary or None, _several(given, "aws-tag"), kind, labels)


def _several(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = given.get(name, "").replace("\n", ",").split(",")
    return tuple(part.strip() for part in parts if part.strip())


R = TypeVar("R")


async def several(
    context: Context,
    work: Awaitable[Sequence[R | Error]],
    document: Callable[[R], Document] = done,
    *,
    changes: bool = True,
    notes: Iterable[str] = (),
) -> Document:
    """Return what came of each secret, in the order in which they were named.

    Args:
        context: Has the cache: what was changed is asked again before the answer.
        work: Does it.
        document: Returns what is shown of a result.
        changes: Whether m8 shows something else of the secrets afterwards.
        notes: What the user should know besides.

    Raises:
        Error: nothing was sent for any of them.
    """
    with collected() as sentences:
        results = await work
        rows = [_row(one, document) for one in results]
        if changes:
            await _ask_again(context, rows)
    return {"results": rows, "notes": [*notes, *sentences]}


async def single(
    context: Context, uri: str, work: Awaitable[R], document: Callable[[R], Document] = done, *, changes: bool = True
) -> Document:
    """Return the same of one secret. Raises `UsageError`: nothing was sent."""

    async def listed() -> list[R | Error]:
        result = await tried(uri, work)
        if isinstance(result, UsageError):
            raise result
        return [result]

    return await several(context, listed(), document, changes=changes)


async def tried(uri: str, work: Awaitable[R]) -> R | Error:
    """Return the result of work for one secret, or its error, which names the secret."""
    try:
        return await work
    except Error as error:
        error.uri = error.uri or uri
        return error


def _row(result: R | Error, document: Callable[[R], Document]) -> Document:
    return {"failed": failure(result)} if isinstance(result, Error) else {"done": document(result)}


async def _ask_again(context: Context, rows: Sequence[Document]) -> None:
    """Ask m8 what it shows now of the secrets that were changed, or may have been."""
    places = [row.get("done") or row["failed"] for row in rows]
    uris = [place[name] for place in places for name in ("uri", "destination") if place.get(name)]
    await context.secrets.ask([uri for uri in uris if "://" in uri])

"""What the page asks besides secrets: the caller, stores, role bindings, requests, events, and the state of all."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from importlib.metadata import version
from typing import Annotated

from msgspec import Meta, to_builtins

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.log.events import ShownEvents
from monoskope.client.queries import EventFilter, request_id_bytes
from monoskope.client.runtime import within
from monoskope.client.walk.reasons import error_for
from monoskope.errors import Error, NotFoundError
from monoskope.monoctl.console.activity import DAY_MS, HOUR_MS, summary
from monoskope.monoctl.console.operations import TIMEOUT_S, Context, Nothing, OfUri
from monoskope.monoctl.console.requests import Request, Text
from monoskope.monoctl.console.secrets import SecretsAsked, secrets, today
from monoskope.monoctl.output import views
from monoskope.monoctl.output.ending import failure
from monoskope.monoctl.output.formats import TABLE, Document
from monoskope.monoctl.output.people import named
from monoskope.protocol.receipt import Receipt
from monoskope.times import now_ms

ANSWER_S = 3.0
"""Seconds within which m8 must answer: the page begins without it."""

_NOBODY: Document = {
    "subject": "",
    "role": "",
    "prefixes": [],
    "rights": [],
    "expires": "",
    "m8_version": "",
    "groups": [],
    "may": [],
}

_NO_KEY: Document = {"key": "", "principal": "", "touch": False, "trouble": ""}


async def whoami(context: Context, _asked: Nothing) -> Document:
    """Answer `Me`, with the credential of this console and the key that signs its requests.

    If m8 does not answer, or refuses, `away` says why: the page is there all the same.
    """
    return await _me(context) | {"signs_with": signs_with(context)} | _credential(context)


async def _me(context: Context) -> Document:
    try:
        async with asyncio.timeout(2 * ANSWER_S):
            with within(context.client.queries.runtime, ANSWER_S):  # so that the error says what is awaited
                said = await views.whoami(context.client)
    except TimeoutError:
        return me({"server": context.client.server}, away=f"m8 did not answer within {ANSWER_S:g} seconds.")
    except Error as error:
        return me({"server": context.client.server}, away=str(error))
    return me(said)


def me(said: Document, *, away: str = "") -> Document:
    """Return `Me` from what `views.server` says, without what is this console's own."""
    shown = {name: said.get(name, none) for name, none in _NOBODY.items()} | {"server": said["server"]}
    return shown | {"monoctl_version": _version(), "away": away}


def _credential(context: Context) -> Document:
    """Return `credential`, `login` and `context`.

    They say where the credential comes from, whether monoctl renews it by itself, and by which settings m8 is called.
    """
    settings, login = context.client.settings, ""
    if settings.credential is not None:
        from monoskope.client.login.credential import Login  # noqa: PLC0415 - only where no token was given

        if isinstance(settings.credential, Login):
            with contextlib.suppress(Error):  # m8 was asked with it just now, and `away` says what is wrong
                login = "renewed" if settings.credential.is_renewed else "once"
    return {"credential": settings.credential_source, "login": login, "context": settings.context}


def signs_with(context: Context) -> Document:
    """Return `signs_with`: the key that signs requests of this console, for stores that take signed ones alone.

    It is shown, and decides nothing: each request reads the key again.
    """
    setting = context.client.settings.signing_key
    if not setting:
        return _NO_KEY
    from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - only where a key is set

    try:
        key = signer_of(setting).public()
    except Error as error:
        return _NO_KEY | {"trouble": str(error)}
    return {"key": key.shown, "principal": key.principal, "touch": key.needs_touch, "trouble": ""}


@functools.cache
def _version() -> str:
    """It is read from a file, which takes longer than all else here."""
    return version("monoskope")


async def stores(context: Context, _asked: Nothing) -> Document:
    """Answer every store that the caller may see, and how its identity stands to the pins."""
    return {"stores": [store(context, view) async for view in context.client.queries.stores()]}


def store(context: Context, view: views_pb2.SecretStore) -> Document:
    """Return `Store`."""
    seen = context.client.stores.look_at_identity(view)
    return views.store(view) | {
        "identity_state": seen.state,
        "pinned": seen.pinned,
        "identity_message": "" if seen.changed is None else seen.changed.message,
        "identity_fix": "" if seen.changed is None else seen.changed.fix,
    }


_MOST_NAMES = 5_000
_HOURS_UP_TO_DAYS = 2
"""Up to so many days, what happened is shown by the hour."""


async def upstream(context: Context, asked: OfUri) -> Document:
    """Answer the names that the engine holds directly below a URI."""
    names: list[Document] = []
    complete = True
    async for page in context.client.list_upstream_pages(asked.uri):
        names += map(views.upstream, page.names)
        complete = not page.more and not page.unaddressable
        if len(names) >= _MOST_NAMES:
            break
    return {"names": names, "complete": complete}


_NO_PREFIX: Document = {"prefix": "", "rights": [], "version": 0}


async def role_bindings(context: Context, _asked: Nothing) -> Document:
    """Answer every role binding, by name; members as they are shown where something is decided."""
    found = [_NO_PREFIX | views.role_binding(one) for one in await context.client.access.role_bindings()]
    return {"role_bindings": named(TABLE, found, context.client.people, whole=True)}


class UploadAsked(Request, frozen=True):
    """One request."""

    request_id: Text
    wait: bool = False


class EventsAsked(Request, frozen=True):
    """The latest events, or the latest ones before a position of the log."""

    prefix: Text = ""
    actor: Text = ""
    request_id: Text = ""
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    before: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


async def upload(context: Context, asked: UploadAsked) -> Document:
    """Answer one request. Only a receipt says how it ended; of a failed one, `failure` says why and what to do."""
    content = request_id_bytes(asked.request_id)
    answer = await context.client.queries.upload_answer(content, wait=asked.wait, timeout_s=TIMEOUT_S)
    checked = await context.client.proofs.upload(answer, content)
    return views.upload(answer.upload, checked) | {"failure": _failure(answer.upload, checked.receipt)}


def _failure(view: views_pb2.SecretUpload, receipt: Receipt | None) -> Document | None:
    if receipt is None or receipt.outcome != upload_pb2.OUTCOME_FAILED:
        return None
    error = error_for(
        receipt.reason,
        view.uri,
        view.purpose,
        upstream_version=receipt.upstream_version,
        retry_after_s=receipt.retry_after_s,
        detail=receipt.detail,
    )
    return failure(error)


async def events(context: Context, asked: EventsAsked) -> Document:
    """Answer the latest events, the newest first."""
    wanted = EventFilter(actor=asked.actor, before=asked.before)
    against: list[ShownEvents] = []
    found = await context.client.queries.last_events(
        asked.limit, request_id=asked.request_id, prefix=asked.prefix, wanted=wanted, told=against.append
    )
    return {"events": [views.event(view, proven=against[0].proves(view)) for view in reversed(found)]}


class ActivityAsked(Request, frozen=True):
    """Of how many days, up to now."""

    days: Annotated[int, Meta(ge=1, le=366)]
    quick: bool = False
    """Whether the newest events are enough, if reading all would take long."""


async def activity(context: Context, asked: ActivityAsked) -> Document:
    """Answer what ended in that time, and what has not ended."""
    now = now_ms()
    length = HOUR_MS if asked.days <= _HOURS_UP_TO_DAYS else DAY_MS
    since = now - asked.days * DAY_MS
    found, complete = await (context.recent.newest(since) if asked.quick else context.recent.since(since))
    return summary(found, since_ms=since, now_ms=now, length_ms=length) | {"complete": complete}


def happened(context: Context, view: views_pb2.EventSummary) -> None:
    """Take note of an event that m8 has recorded now: for the cached secrets, and for every page."""
    context.secrets.saw(view)
    context.tell({"kind": "event", "event": views.event(view)})


async def status(context: Context, _asked: Nothing) -> Document:
    """Answer the state of everything that an administrator looks after."""
    queries = context.client.queries
    server = views.server(context.client.server, await queries.server())
    return {
        "server": me(server),
        "certificate_expires": server["certificate_expires"],
        "fingerprint_key_id": server["fingerprint_key_id"],
        "stores": [store(context, view) async for view in queries.stores()],
        "figures": to_builtins(context.secrets.counts.figures(today=today())),
        "head": await queries.head(),
        "log": await _log(context),
    }


async def _log(context: Context) -> Document | None:
    """Look at m8's log now; None if m8 shows none, and is held to none."""
    try:
        return views.log(await context.client.log.get())
    except NotFoundError:
        return None


class FirstView:
    """Asks m8 who the caller is while the browser starts, so that the page need not wait for it.

    Args:
        context: The console's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: asyncio.Future[Document] | None = None

    def prepare(self) -> None:
        """Ask m8 now; call it for each link. The answer is at most as old as the link that is used."""
        self._asked = asyncio.ensure_future(whoami(self._context, Nothing()))

    async def answer(self) -> Document:
        """Return who the caller is, and the first page of secrets as far as they have been read."""
        asked, self._asked = self._asked, None
        me = await asked if asked else None
        if me is None or me["away"]:
            me = await whoami(self._context, Nothing())
        return {"me": me, "first": await secrets(self._context, SecretsAsked())}

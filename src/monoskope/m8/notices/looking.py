"""What there is to tell: of events of the log, of days that have come, and of what stands for too long.

Of an event, of a day and of a state the same notices are made in every process, with the same keys.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

from google.protobuf.message import DecodeError

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import Error
from monoskope.m8.domain.events import reactor_stream, read
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import SCAN_PAGE, EventLog, RecordedEvent
from monoskope.m8.notices.notice import Notice, plain
from monoskope.m8.readmodels.secrets import DUES, ROUNDS, SECRETS, VERSIONS, Kept, began_day, due_day
from monoskope.m8.service.app import App
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.events import Step, receipt_of
from monoskope.protocol.notes import NEXT
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.people import with_end
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.text import counted
from monoskope.times import instant

STAGES = (30, 7, 1)
"""So many days before its day of expiry a secret is told of."""

GONE_MS = 3_600_000
"""For so long a store had no reactor when it is told of."""

OWNER = "owner"
"""The label that names whom a secret is told to, besides, if that is one of the fixed addresses."""

_OUTCOMES = frozenset(
    {
        upload_pb2.OUTCOME_DRIFTED,
        upload_pb2.OUTCOME_GONE,
        upload_pb2.OUTCOME_STARTED,
        upload_pb2.OUTCOME_UPLOADED,
    }
)
"""Receipts with another one tell nothing."""

_LIKE_A_LINK = re.compile(r"\w\.\w{2}|@")

_TYPES = frozenset(step.event for step in Step if step.outcomes & _OUTCOMES) | {
    events_pb2.SecretChangeProposed.DESCRIPTOR.name
}


async def of_events(app: App, events: Sequence[RecordedEvent]) -> list[Notice]:
    """Return what events tell, in their order. One that a newer m8 recorded tells nothing here."""
    log = app.log
    told = [(event, found) for event in events if event.type in _TYPES and (found := _read(event)) is not None]
    secrets = await _secrets(log, {_uri_of(found) for _, found in told})
    replaced = [_version(found) for _, found in told if isinstance(found, Receipt) and found.prior_version]
    # What came after it stands in its place by now.
    secrets |= await _secrets(log, replaced, VERSIONS)
    ids = {event.actor for event, _ in told} | {secret.subject for secret in secrets.values()}
    shown = _shown(await app.people.names(ids))
    return [notice for event, found in told for notice in _of_event(event, found, secrets, shown)]


def _shown(names: Mapping[str, str]) -> Callable[[str], str]:
    """Return what gives the words for an id: with the name of a person, and printable ASCII.

    The name alone is cut, so that no name hides the id; and of one with a host or an address in it, which mail programs
    show as a link, nothing is said.
    """

    def words(one: str) -> str:
        name = names.get(one, "")
        return plain(one) if not name or _LIKE_A_LINK.search(name) else with_end(one, plain(name))

    return words


def _read(event: RecordedEvent) -> Receipt | Change | None:
    """Return an event's receipt, or the change that it proposes; None if it has neither, or cannot be read."""
    try:
        message = read(event)
        if isinstance(message, events_pb2.SecretChangeProposed):
            return parse_change(message.change)
        signed = None if message is None else receipt_of(message)
        return None if signed is None else parse_receipt(signed.content)
    except (Error, DecodeError, ValueError):
        return None


def _uri_of(found: Receipt | Change) -> str:
    return str(found.uri if isinstance(found, Receipt) else found.request.uri)


def _version(receipt: Receipt) -> str:
    """Return the key, in `VERSIONS`, of what a receipt made."""
    return f"{receipt.uri}\n{receipt.upstream_version}"


def _of_event(
    event: RecordedEvent,
    found: Receipt | Change,
    secrets: Mapping[str, views_pb2.Secret],
    shown: Callable[[str], str],
) -> Iterator[Notice]:
    uri = _uri_of(found)
    secret = secrets.get(uri, views_pb2.Secret())
    if isinstance(found, Change):
        name = found.change_id.hex()
        yield Notice("change", f"change {name}", _proposed(shown(event.actor), found), uri, owner_of(secret))
    elif found.outcome in (upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE):
        what = "is gone from its store" if found.outcome == upload_pb2.OUTCOME_GONE else "is not what was put"
        # As long as it is compared with the same receipt, and is found so, it is the same drift.
        key = f"drift {uri} {found.verified_sha256.hex()} {found.outcome} {found.upstream_version}"
        yield Notice("drift", key, f"{uri} {what}: somebody changed it past m8.", uri, owner_of(secret))
    elif found.outcome == upload_pb2.OUTCOME_UPLOADED:
        made = secrets.get(_version(found), secret)
        if made.drifted:
            text = f"{uri} was put over what others had put there past m8, by {shown(made.subject)}."
            yield Notice("drift", f"overwrote {uri} {found.upstream_version}", text, uri, owner_of(secret))
    elif found.outcome == upload_pb2.OUTCOME_STARTED and found.break_glass:
        text = f"{plain(found.signer)} writes at {uri} without the approvals that its store asks for."
        yield Notice("break-glass", f"break-glass {event.stream}", text, uri, owner_of(secret))


def _proposed(who: str, change: Change) -> str:
    request = change.request
    to = f" to {request.destination}" if request.destination else ""
    return (
        f"{who} proposes the change {change.change_id.hex()[:8]}, "
        f"{spelled(upload_pb2.Purpose, request.purpose)} of {request.uri}{to}; "
        f"it waits until {instant(change.not_after * 1000)}."
    )


async def of_days(log: EventLog, after: dt.date, today: dt.date) -> list[Notice]:
    """Return what the days after `after` up to today tell. Of what several of them tell of one secret, the last."""
    if today <= after:
        return []
    found = []
    async for uri, body in _expiring(log, SECRETS, today + dt.timedelta(days=STAGES[0])):
        secret = Kept.parse(uri, body).secret
        day = dt.date.fromisoformat(secret.expires_on)
        if came(day, after, today):
            found.append(_of_expiry(secret, day, today))
    found += await _overdue(log, after.isoformat(), today)
    return sorted(found, key=lambda notice: (notice.about, notice.name))


async def _overdue(log: EventLog, after: str, today: dt.date) -> list[Notice]:
    """Return which rotations should have been by one of the days from `after` until yesterday, or ended."""
    found = []
    yesterday = today - dt.timedelta(days=1)
    due = [uri async for uri, _ in _expiring(log, DUES, yesterday)]
    for uri, secret in (await _secrets(log, due)).items():
        if after <= (day := due_day(secret)) < today.isoformat():
            text = f"{uri} was to be rotated by {day}, by its label, and its label still says so."
            found.append(Notice("overdue", f"overdue {uri} {day}", text, uri, owner_of(secret)))
    begun = [uri async for uri, _ in _expiring(log, ROUNDS, yesterday)]
    known = await _secrets(log, [*begun, *(uri.removesuffix(NEXT) for uri in begun)])
    for uri in begun:
        secret, rotated = known.get(uri, views_pb2.Secret()), uri.removesuffix(NEXT)
        is_over = rotated in known and known[rotated].fingerprint == secret.fingerprint
        if after <= (day := began_day(secret)) < today.isoformat() and not is_over:
            text = f"A round of the rotation of {rotated} began on {day}, and is not over."
            found.append(Notice("overdue", f"stuck {uri} {day}", text, rotated, owner_of(secret)))
    return found


def came(day: dt.date, after: dt.date, today: dt.date) -> bool:
    """Whether one of the moments at which a day of expiry is told has come after `after`, and until today."""
    before = (min(max((day - one).days, -1), STAGES[0] + 1) for one in (after, today))
    then, now = (sum(left <= stage for stage in (*STAGES, -1)) for left in before)
    return now > then


def _of_expiry(secret: views_pb2.Secret, day: dt.date, today: dt.date) -> Notice:
    left = (day - today).days
    stage = min((stage for stage in STAGES if left <= stage), default=STAGES[0])
    if left < 0:
        text = f"{secret.uri} has expired: its day was {day}."
        return Notice("expired", f"expired {secret.uri} {day}", text, secret.uri, owner_of(secret))
    text = (
        f"{secret.uri} expires in {counted(left, 'day')}, on {day}." if left else f"{secret.uri} expires today, {day}."
    )
    return Notice("expires", f"expires {secret.uri} {day} {stage}", text, secret.uri, owner_of(secret))


async def standing(app: App) -> dict[str, Notice]:
    """Return what stands for too long, by what it is about: it is told once, as long as it stands."""
    found = {}
    async for store in app.documents.stores():
        if (since := await _gone_since(app.log, store)) and app.clock() - since.recorded_at_ms >= GONE_MS:
            text = f"The store {store.name} has had no reactor since {instant(since.recorded_at_ms)}."
            name = f"reactor {store.name}"
            found[name] = Notice("reactor", f"{name} {since.position}", text)
    seen = await app.witnessed.seen()
    trouble = "" if seen.named is None else app.witnessed.trouble(seen)
    if trouble:
        text = "m8 signs no checkpoint of its event log: a witness shows another log, or it has no keys."
        found["witness"] = Notice("witness", f"witness {hashlib.sha256(trouble.encode()).hexdigest()}", text)
    return found


async def _gone_since(log: EventLog, store: views_pb2.SecretStore) -> RecordedEvent | None:
    """Return the event by which a store lost its last reactor; None if it has one, or never had, or needs none."""
    if not store.active or not store.reactors or any(reactor.attached for reactor in store.reactors):
        return None
    [last] = await log.read_last([reactor_stream(store.name)])
    return last if last is not None and last.type == events_pb2.ReactorDetached.DESCRIPTOR.name else None


def owner_of(secret: views_pb2.Secret) -> str:
    """Return the label `owner` of a secret, "" for none."""
    return next((label.value for label in secret.labels if label.name == OWNER), "")


async def _secrets(log: EventLog, keys: Iterable[str], collection: str = SECRETS) -> dict[str, views_pb2.Secret]:
    """Return the documents of secrets under `keys` that there are, read a page at a time."""
    found: dict[str, views_pb2.Secret] = {}
    names = sorted(set(keys))
    for start in range(0, len(names), SCAN_PAGE):
        seen = await log.look({}, [(collection, key) for key in names[start : start + SCAN_PAGE]])
        found |= {key: Kept.parse(key, body).secret for (_, key), body in seen.documents.items() if body is not None}
    return found


async def _expiring(log: EventLog, collection: str, upto: dt.date) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the documents whose day is `upto` or before."""
    where, after = Where(expiring_before=(upto + dt.timedelta(days=1)).isoformat()), ""
    while page := await log.find(collection, where, after=after, limit=SCAN_PAGE):
        for one in page:
            yield one
        after = page[-1][0]

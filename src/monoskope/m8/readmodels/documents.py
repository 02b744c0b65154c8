"""All documents of the log: `project` makes them from events, `Documents` reads them as messages.

`project` is what the log is opened with. What only the streams of requests hold is read from there.

The past of each secret is here: a document for each receipt that told of it and each edit of its notes, newest first. A
document of a receipt names the request; what the receipt says is read from there. An edit of notes is its document. It
asks no store and makes no version. It says what changes, not what is there afterwards, so edits need not know of one
another: the log's order decides (docs/adr/0023-editing-labels.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import NotFoundError, UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.domain.upload import Upload
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import Change, EventLog, LogTamperedError, Lookup, Projector, Put, RecordedEvent
from monoskope.m8.readmodels import changes, secrets, stores, uploads
from monoskope.m8.readmodels.changes import CHANGES, OPEN, Row, of_state, row_in, state_of
from monoskope.m8.readmodels.secrets import SECRETS, Kept, head_of, put_head, set_notes, tells_of
from monoskope.m8.readmodels.stores import DEFAULT_STORE, FINGERPRINT_KEY, STORES, with_beats
from monoskope.m8.readmodels.uploads import (
    OPEN_COUNTS,
    OPEN_UPLOADS,
    USAGE,
    Usage,
    end_receipt,
    open_upload,
    open_uri,
    shown,
)
from monoskope.protocol.events import request_id_of, upload_stream
from monoskope.protocol.notes import Edit, edit_message, edit_of, labels_of
from monoskope.protocol.outcomes import TELLING
from monoskope.protocol.receipt import parse_receipt

HISTORY = "secret-history"
"""Collection: URI, a line feed, 20 digits that fall as positions rise -> SecretVersion without URI.

Of a receipt it has only the subject, the request and its purpose."""

_LAST = 10**20 - 1

_CHANGES_AT_A_TIME = 128
"""The state of each follows from three documents, and one look at SQLite takes 500."""


def _project_receipt(upload: Upload, event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
    """Yield the document of a receipt that tells what is upstream, `upload` being the request after `event`."""
    request = upload.request
    if request is not None and upload.outcome in TELLING:
        version = views_pb2.SecretVersion(
            subject=upload.subject, request_id=request.request_id, purpose=request.purpose
        )
        yield _entry(str(request.uri), version, event)


def _told_by(body: bytes) -> bytes | None:
    """Return the id of the request whose receipt a document tells of, None for an edit."""
    version = views_pb2.SecretVersion.FromString(body)
    return None if version.HasField("edit") else version.request_id


def version_of(key: str, body: bytes, last: Callable[[bytes], RecordedEvent | None]) -> views_pb2.SecretVersion:
    """Return what a document, given with its key, says; `last` returns the last event of a request by its id."""
    version = views_pb2.SecretVersion.FromString(body)
    version.uri = key.partition("\n")[0]
    if version.HasField("edit"):
        return version
    end = last(version.request_id)
    signed = None if end is None else end_receipt(end)
    assert end is not None, "a request of which a document tells is in the log"
    assert signed is not None, "and it ended with a receipt"
    receipt = parse_receipt(signed.content)
    version.outcome = receipt.outcome
    version.upstream_version = receipt.upstream_version
    version.prior_version = receipt.prior_version
    version.recorded_at_ms = end.recorded_at_ms
    version.fingerprint = receipt.fingerprint
    return version


def _entry(uri: str, version: views_pb2.SecretVersion, event: RecordedEvent) -> Put:
    return Put(HISTORY, f"{uri}\n{_LAST - event.position:020}", version.SerializeToString(deterministic=True))


def _project_edit(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what an edit changes. It must come after the receipts that it follows.

    What was recorded between the decision and the edit can leave it no secret, or no room for its labels. Then it
    changes nothing.
    """
    message = read(event)
    if not isinstance(message, events_pb2.SecretNotesUpdated):
        return
    head = head_of(message.uri, lookup)
    if head is None or head.secret.deleted:
        return
    secret = head.secret
    try:
        labels, expires_on = edit_of(message.edit).applied(labels_of(secret.labels), secret.expires_on)
    except UsageError:
        return
    set_notes(secret, labels, expires_on)
    secret.notes_subject, secret.notes_changed_at_ms = event.actor, event.recorded_at_ms
    yield from put_head(head, head_of(message.uri, lookup))
    version = views_pb2.SecretVersion(subject=event.actor, recorded_at_ms=event.recorded_at_ms, edit=message.edit)
    yield _entry(secret.uri, version, event)


def update_notes(secret: views_pb2.Secret, edit: Edit) -> events_pb2.SecretNotesUpdated | None:
    """Decide on an edit: None if the notes are so already.

    Raises:
        NotFoundError: the secret was deleted.
        UsageError: there would be too many labels.
    """
    if secret.deleted:
        raise NotFoundError(f"{secret.uri} was deleted.", fix="Put it again; labels and a day can be given then.")
    before = labels_of(secret.labels), secret.expires_on
    if edit.applied(*before) == before:
        return None
    return events_pb2.SecretNotesUpdated(uri=secret.uri, edit=edit_message(edit))


TOKENS = "tokens"
"""Collection: token id -> serialised TokenIssued."""

REVOCATIONS = "token-revocations"
"""Collection: token id -> serialised TokenRevoked, for revoked tokens alone."""


def _project_token(event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
    if event.type == "TokenIssued":
        yield Put(TOKENS, events_pb2.TokenIssued.FromString(event.data).id, event.data)
    elif event.type == "TokenRevoked":
        yield Put(REVOCATIONS, events_pb2.TokenRevoked.FromString(event.data).id, event.data)


_OF_REQUESTS = (uploads.project, secrets.project, _project_receipt, changes.project_request)
"""The projectors of what happens to requests: each is given the request as it is after the event."""

_OF_THE_REST: tuple[Projector, ...] = (
    stores.project,
    _project_token,
    _project_edit,
    changes.project,
    uploads.project_rest,
)
"""The projectors of all other streams."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in all documents."""
    if request_id_of(event.stream) is None:
        for projector in _OF_THE_REST:
            yield from projector(event, lookup)
        return
    upload = uploads.take(event, lookup)
    if upload is not None:
        for of_request in _OF_REQUESTS:
            yield from of_request(upload, event, lookup)


def store_in(body: bytes | None) -> views_pb2.SecretStore | None:
    """Return the store of a document in `STORES`, None if there is none."""
    return None if body is None else views_pb2.SecretStore.FromString(body)


class Documents:
    """The documents of one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def upload(self, request_id: bytes) -> views_pb2.SecretUpload | None:
        """Return a request as its stream tells of it, None if there is none."""
        return shown(await self._log.read_stream(upload_stream(request_id)))

    async def open_uploads(self) -> AsyncIterator[Upload]:
        """Yield every request that has not ended, in the order of ids, without its grant and its receipt."""
        async for _, body in self._log.scan_all(OPEN_UPLOADS):
            yield open_upload(body)

    async def open_of(self, store: str) -> AsyncIterator[bytes]:
        """Yield the id of every request of a store that has not ended, also of those that only a newer m8 can read."""
        async for key, body in self._log.scan_all(OPEN_UPLOADS):
            if open_uri(body).startswith(f"{store}://"):
                yield bytes.fromhex(key)

    async def open_changes(self, now_ms: int) -> AsyncIterator[Row]:
        """Yield every change that can be approved and executed at a time since 1970, the newest first."""
        after = ""
        while found := await self._log.find(CHANGES, of_state(OPEN), after=after, limit=_CHANGES_AT_A_TIME):
            rows = [row_in(body) for _, body in found]
            seen = await self._log.look({}, {one for row in rows for one in row.depends_on})
            for row in rows:
                if state_of(row, seen.documents, now_ms) == OPEN:
                    yield row
            after = found[-1][0]

    async def counted(self, subject: str, at_ms: int) -> tuple[int, Usage]:
        """Return how many requests of `subject` have not ended, and its `usage`."""
        found = (await self._log.look({}, [(OPEN_COUNTS, subject), (USAGE, subject)])).documents
        return int(found[OPEN_COUNTS, subject] or b"0"), Usage.parse(found[USAGE, subject], at_ms)

    async def usage(self, subject: str, at_ms: int) -> Usage:
        """Return what `subject` had recorded on the day, and its puts in the hour, of a time since 1970."""
        return Usage.parse(await self._log.get(USAGE, subject), at_ms)

    async def owns(self, subject: str, count: int) -> bool:
        """Return whether `count` secrets that are there were last changed by `subject`."""
        return len(await self._log.find(SECRETS, Where(subject=subject), limit=count)) == count

    async def secret(self, uri: str) -> views_pb2.Secret | None:
        """Return what is known of a secret, None if no receipt is about it."""
        body = await self._log.get(SECRETS, uri)
        if body is None:
            return None
        [secret] = await self.secrets([(uri, body)])
        return secret

    async def secrets(self, documents: Sequence[tuple[str, bytes]]) -> list[views_pb2.Secret]:
        """Return the secrets of documents in `SECRETS`, given with their keys, each with its receipt."""
        found = [Kept.parse(uri, body) for uri, body in documents]
        ends = await self._log.read_last([upload_stream(kept.secret.request_id) for kept in found])
        for kept, end in zip(found, ends, strict=True):
            receipt = None if end is None else end_receipt(end)
            if receipt is None or hashlib.sha256(receipt.content).digest() != kept.receipt_sha256:
                raise LogTamperedError(0 if end is None else end.position, "it is not the receipt of its secret")
            kept.secret.receipt.CopyFrom(receipt)
        return [kept.secret for kept in found]

    async def versions(self, uri: str, *, after: str, limit: int) -> list[tuple[str, views_pb2.SecretVersion]]:
        """Return up to `limit` lines of a secret's past after the key `after`, the newest first, with their keys."""
        found = await self._log.scan(HISTORY, prefix=f"{uri}\n", after=after, limit=limit)
        requests = [request_id for _, body in found if (request_id := _told_by(body)) is not None]
        ends = await self._log.read_last([upload_stream(request_id) for request_id in requests])
        last = dict(zip(requests, ends, strict=True))
        return [(key, version_of(key, body, last.get)) for key, body in found]

    async def last_receipt(self, uri: str) -> upload_pb2.Signed | None:
        """Return the newest receipt that says what is at `uri`, None if there is none."""
        return await self.receipt_in(uri, await self._log.get(SECRETS, uri))

    async def receipt_in(
        self, uri: str, body: bytes | None, known: upload_pb2.Signed | None = None
    ) -> upload_pb2.Signed | None:
        """Return the receipt that the document `body` of a secret tells of; nothing is read for `known`."""
        if body is None:
            return None
        if known is not None and tells_of(body, known):
            return known
        [secret] = await self.secrets([(uri, body)])
        return secret.receipt

    async def store(self, name: str) -> views_pb2.SecretStore | None:
        """Return a store as recorded in its events, None if there is none."""
        return store_in(await self._log.get(STORES, name))

    async def stores(self) -> AsyncIterator[views_pb2.SecretStore]:
        """Yield every store as recorded in its events, in the order of names."""
        async for _, body in self._log.scan_all(STORES):
            yield views_pb2.SecretStore.FromString(body)

    async def store_with_beats(self, name: str) -> views_pb2.SecretStore | None:
        """Return a store with the latest heartbeats of its reactors, None if there is none."""
        store = await self.store(name)
        return None if store is None else with_beats(store, await self._log.beats(), await self._log.beat_notes())

    async def default_store(self) -> str:
        """Return the name of the default store, "" if there is no store."""
        return (await self._log.get(DEFAULT_STORE, "") or b"").decode()

    async def fingerprint_key_id(self) -> str:
        """Return the current fingerprint key id, "" before the first reactor."""
        return (await self._log.get(FINGERPRINT_KEY, "") or b"").decode()

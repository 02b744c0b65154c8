"""All documents of the log: `project` makes them from events, `Documents` reads them as messages.

`project` is what the log is opened with. What only the streams of requests hold is read from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import Change, EventLog, LogTamperedError, Lookup, Projector, Put, RecordedEvent
from monoskope.m8.readmodels import history, secrets, stores, uploads, usage
from monoskope.m8.readmodels.history import HISTORY, prefix, told_by, version_of
from monoskope.m8.readmodels.secrets import SECRETS, Kept
from monoskope.m8.readmodels.stores import DEFAULT_STORE, FINGERPRINT_KEY, STORES, with_beats
from monoskope.m8.readmodels.uploads import OPEN_COUNTS, OPEN_UPLOADS, end_receipt, shown
from monoskope.m8.readmodels.usage import USAGE, Usage
from monoskope.protocol.events import request_id_of, upload_stream

TOKENS = "tokens"
"""Collection: token id -> serialised TokenIssued."""

REVOCATIONS = "token-revocations"
"""Collection: token id -> serialised TokenRevoked, for revoked tokens alone."""


def _project_token(event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about credentials; nothing for all other events."""
    if event.type == "TokenIssued":
        yield Put(TOKENS, events_pb2.TokenIssued.FromString(event.data).id, event.data)
    elif event.type == "TokenRevoked":
        yield Put(REVOCATIONS, events_pb2.TokenRevoked.FromString(event.data).id, event.data)


OF_REQUESTS = (uploads.project, usage.project, secrets.project, history.project)
"""The projectors of what happens to requests: each is given the request as it is after the event."""

OF_THE_REST: tuple[Projector, ...] = (
    stores.project,
    _project_token,
    history.project_edit,
    usage.project_rest,
)
"""The projectors of all other streams."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in all documents."""
    if request_id_of(event.stream) is None:
        for projector in OF_THE_REST:
            yield from projector(event, lookup)
        return
    upload = uploads.take(event, lookup)
    if upload is not None:
        for of_request in OF_REQUESTS:
            yield from of_request(upload, event, lookup)


class Documents:
    """The documents of one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def upload(self, request_id: bytes) -> views_pb2.SecretUpload | None:
        """Return a request as its stream tells of it, None if there is none."""
        return shown(await self._log.read_stream(upload_stream(request_id)))

    async def open_uploads(self) -> AsyncIterator[views_pb2.SecretUpload]:
        """Yield every request that has not ended, in the order of ids, without its grant and its receipt."""
        async for _, body in self._log.scan_all(OPEN_UPLOADS):
            yield views_pb2.SecretUpload.FromString(body)

    async def count_open(self, subject: str) -> int:
        """Return how many requests of `subject` have not ended."""
        return int(await self._log.get(OPEN_COUNTS, subject) or b"0")

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
        found = await self._log.scan(HISTORY, prefix=prefix(uri), after=after, limit=limit)
        requests = [request_id for _, body in found if (request_id := told_by(body)) is not None]
        ends = await self._log.read_last([upload_stream(request_id) for request_id in requests])
        last = dict(zip(requests, ends, strict=True))
        return [(key, version_of(key, body, last.get)) for key, body in found]

    async def last_receipt(self, uri: str) -> upload_pb2.Signed | None:
        """Return the newest receipt that says what is at `uri`, None if there is none."""
        secret = await self.secret(uri)
        return None if secret is None else secret.receipt

    async def store(self, name: str) -> views_pb2.SecretStore | None:
        """Return a store as recorded in its events, None if there is none."""
        body = await self._log.get(STORES, name)
        return None if body is None else views_pb2.SecretStore.FromString(body)

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

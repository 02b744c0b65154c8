"""Reads the documents of the read models, as messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.readmodels.sealed_bytes import SEALED_BYTES, bytes_on
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.readmodels.stores import DEFAULT_STORE, FINGERPRINT_KEY, STORES, with_beats
from monoskope.m8.readmodels.uploads import OPEN_COUNTS, OPEN_UPLOADS, UPLOADS


class Documents:
    """The documents of one log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def upload(self, request_id: bytes) -> views_pb2.SecretUpload | None:
        """Return a request, None if there is none."""
        body = await self._log.get(UPLOADS, request_id.hex())
        return None if body is None else views_pb2.SecretUpload.FromString(body)

    async def open_uploads(self) -> AsyncIterator[views_pb2.SecretUpload]:
        """Yield every request that has not ended, in the order of ids."""
        async for _, body in self._log.scan_all(OPEN_UPLOADS):
            yield views_pb2.SecretUpload.FromString(body)

    async def count_open(self, subject: str) -> int:
        """Return how many requests of `subject` have not ended."""
        return int(await self._log.get(OPEN_COUNTS, subject) or b"0")

    async def sealed_bytes(self, subject: str, day: int) -> int:
        """Return how many sealed bytes of `subject` were recorded on a day, counted from 1970."""
        return bytes_on(day, await self._log.get(SEALED_BYTES, subject))

    async def secret(self, uri: str) -> views_pb2.Secret | None:
        """Return what is known of a secret, None if no receipt is about it."""
        body = await self._log.get(SECRETS, uri)
        return None if body is None else views_pb2.Secret.FromString(body)

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

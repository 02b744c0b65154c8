"""The client's questions: what m8 knows of secrets, stores, requests and events, as typed results.

`Client.queries` answers the same as messages of the API.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import results
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.queries import PAGE_SIZE, Queries, request_id_bytes
from monoskope.client.runtime import Runtime, within
from monoskope.errors import UsageError

if TYPE_CHECKING:
    from monoskope.client.proof import Proofs
    from monoskope.client.results.secrets import Secret, SecretVersion, Upload
    from monoskope.client.results.server import Event, Server
    from monoskope.client.results.stores import Store
    from monoskope.client.shown_events import ShownEvents

SecretState = Literal["present", "deleted", "drifted", "out-of-sync"]
"""Which secrets to list."""

_CHECKED_AT_ONCE = 16
"""How many versions are checked together."""

_STATES = MappingProxyType(
    {
        "present": views_pb2.SECRET_STATE_PRESENT,
        "deleted": views_pb2.SECRET_STATE_DELETED,
        "drifted": views_pb2.SECRET_STATE_DRIFTED,
        "out-of-sync": views_pb2.SECRET_STATE_OUT_OF_SYNC,
    }
)


class Reading(ABC):
    """The part of `Client` that changes nothing."""

    _runtime: Runtime

    async def get_secret(self, uri: str) -> Secret:
        """Return what m8 knows of one secret, and whether it is proven.

        Args:
            uri: `store://path`, or `path` in the default store.

        Raises:
            NotFoundError: m8 knows no such secret, or the caller may not see it.
            Error: as `put_secret`.
        """
        view = await self.queries.secret(await self.full_uri(uri))
        return results.secrets.Secret.of(view, await self.proofs.secret(view))

    async def list_secrets(
        self,
        prefix: str = "",
        *,
        store: str = "",
        subject: str = "",
        state: SecretState = "present",
        expiring_before: dt.date | str = "",
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[Secret]:
        """Yield the secrets below a URI prefix ("" for all) in URI order. Each page is fetched when it is needed.

        Args:
            prefix: `store://` or `store://segment`, by whole segments.
            store: Of this store alone.
            subject: Last changed by this subject.
            state: Present, deleted, drifted (the last change replaced what others had put), or found out of sync.
            expiring_before: Said to expire before this day.
            page_size: Fetched at once, 1 to 1,000.

        Raises:
            UsageError: `state` is none of these.
            Error: as `get_secret`.
        """
        if state not in _STATES:
            raise UsageError(f"{state!r} is not a state of secrets.", fix=f"Use one of {', '.join(_STATES)}.")
        day = expiring_before.isoformat() if isinstance(expiring_before, dt.date) else expiring_before
        proofs = self.proofs
        views = self.queries.secrets(
            prefix, store=store, subject=subject, state=_STATES[state], expiring_before=day, page_size=page_size
        )
        async for view in views:
            yield results.secrets.Secret.of(view, await proofs.secret(view))

    async def list_secret_versions(self, uri: str) -> AsyncIterator[SecretVersion]:
        """Yield what receipts say about one secret, the newest first. Arguments and errors as `get_secret`."""
        proofs, views = self.proofs, self.queries.secret_versions(await self.full_uri(uri))
        some: list[views_pb2.SecretVersion] = []
        async for view in views:
            some.append(view)
            if len(some) == _CHECKED_AT_ONCE:
                for one, checked in zip(some, await proofs.versions(some), strict=True):
                    yield results.secrets.SecretVersion.of(one, checked)
                some = []
        for one, checked in zip(some, await proofs.versions(some), strict=True):
            yield results.secrets.SecretVersion.of(one, checked)

    async def get_store(self, name: str = "") -> Store:
        """Return one store, the default one for "". Raises `NotFoundError` if there is none."""
        return results.stores.Store.of(await self.queries.store(name))

    async def list_stores(self) -> AsyncIterator[Store]:
        """Yield the stores in name order."""
        async for view in self.queries.stores():
            yield results.stores.Store.of(view)

    async def get_upload(
        self,
        request_id: str,
        *,
        wait: bool = False,
        timeout: float = CALL_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Upload:
        """Return one request of any purpose, and whether its end is proven.

        Args:
            request_id: 32 hex digits, as in the results and in the message of an `OutcomeUnknownError`.
            wait: Whether to return only when it has ended, or after `timeout`.
            timeout: Seconds for everything.

        Raises:
            NotFoundError: there is no such request, or the caller may not see it.
        """
        content = request_id_bytes(request_id)
        with within(self._runtime, timeout):
            answer = await self.queries.upload_answer(content, wait=wait, timeout_s=timeout)
            return results.secrets.Upload.of(answer.upload, await self.proofs.upload(answer, content))

    async def list_events(self, *, request_id: str = "", prefix: str = "") -> AsyncIterator[Event]:
        """Yield the events in log order, of one request or below a URI prefix if given.

        Raises:
            LogMismatchError: m8 shows an event that is not what its log has there, or leaves out one that it may not.
        """
        against: list[ShownEvents] = []
        async for view in self.queries.events(request_id=request_id, prefix=prefix, told=against.append):
            yield results.server.Event.of(view, proven=against[0].proves(view))

    async def last_events(self, count: int, *, request_id: str = "", prefix: str = "") -> list[Event]:
        """Return the latest `count` events in log order, of one request or below a URI prefix if given.

        Raises:
            LogMismatchError: as `list_events`.
        """
        against: list[ShownEvents] = []
        found = await self.queries.last_events(count, request_id=request_id, prefix=prefix, told=against.append)
        return [results.server.Event.of(view, proven=against[0].proves(view)) for view in found]

    async def watch_events(self, *, after: int = 0, prefix: str = "") -> AsyncIterator[Event]:
        """Yield events as they happen, from the one after position `after` on, until the iteration is left.

        Raises:
            NotReachedError: the connection broke. Begin again after the last position that came.
        """
        async for view in self.queries.watch(after=after, prefix=prefix):
            yield results.server.Event.of(view, proven=False)

    async def get_server(self) -> Server:
        """Return m8's version, and who the caller is to it."""
        return results.server.Server.of(await self.queries.server())

    @property
    @abstractmethod
    def queries(self) -> Queries:
        """What m8 knows."""

    @property
    @abstractmethod
    def proofs(self) -> Proofs:
        """The checks of m8's answers."""

    @abstractmethod
    async def full_uri(self, uri: str) -> str:
        """Return `uri` with its store."""

"""The queries about secrets, requests, stores and this server.

They change nothing, and they treat what a caller may not see as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from monoskope import operating_log
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.stores import unknown_store
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.log.documents import Where
from monoskope.m8.queries.pages import make_token, page, page_size, read_token, scope_of, visible_scope
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.readmodels.stores import STORES, with_beats
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.upload_key import rotations, settled, upload_key
from monoskope.protocol.events import upload_stream
from monoskope.protocol.notes import check_day, check_labels, labels_of
from monoskope.uri import SecretUri, check_store_name

T = TypeVar("T")

MAX_PAGE = 1_048_576
"""About how many bytes of stores one page has, since reactors announce as much as they like. One store always fits."""

FEATURES: tuple[str, ...] = ("approvals",)
"""What this m8 can do that the first release cannot, sorted, for clients to ask before they try."""

_STORES_AT_A_TIME = 16


class Queries:
    """`SecretQueryService` without a transport and without the events: one method for each query."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def get_secret_upload_key(
        self, message: queries_pb2.GetSecretUploadKeyRequest, caller: Caller
    ) -> queries_pb2.GetSecretUploadKeyResponse:
        """Return the grant as soon as a reactor gave it, or the request's end; at the deadline the request's state.

        Raises:
            NotFoundError: there is no such request of the caller's.
        """
        operating_log.bind_contextvars(request_id=message.request_id.hex())

        async def own() -> views_pb2.SecretUpload | None:
            return settled(await self._own_upload(message.request_id, caller))

        upload = await self._wait(message.request_id, own, caller)
        return await upload_key(self._app, upload or await self._own_upload(message.request_id, caller))

    async def get_secret_upload(
        self, message: queries_pb2.GetSecretUploadRequest, caller: Caller
    ) -> queries_pb2.GetSecretUploadResponse:
        """Return a request below the caller's prefixes; with `wait` as soon as it has ended, or at the deadline.

        The user who made the request always gets the receipt, the proof of success; others need see-hash.

        Raises:
            NotFoundError: the caller sees no such request.
        """

        async def ended() -> views_pb2.SecretUpload | None:
            upload = await self._visible_upload(message.request_id, caller)
            return upload if upload.state == views_pb2.UPLOAD_STATE_ENDED else None

        upload = await self._wait(message.request_id, ended, caller) if message.wait else None
        upload = upload or await self._visible_upload(message.request_id, caller)
        return queries_pb2.GetSecretUploadResponse(
            upload=policy.upload_for(caller.principal, upload), rotations=await rotations(self._app, upload.uri)
        )

    async def get_secret(self, message: queries_pb2.GetSecretRequest, caller: Caller) -> queries_pb2.GetSecretResponse:
        """Return what is known of a secret; fingerprints and receipt only with see-hash.

        Raises:
            UsageError: the URI is not well formed.
            NotFoundError: there is no receipt for it, or it is outside the caller's prefixes.
        """
        uri = SecretUri.parse(message.uri)
        operating_log.bind_contextvars(uri=str(uri))
        policy.require_visible(caller.principal, uri)
        secret = await self._app.documents.secret(str(uri))
        if secret is None:
            raise policy.hidden(str(uri))
        return queries_pb2.GetSecretResponse(secret=policy.secret_for(caller.principal, secret))

    async def list_secrets(
        self, message: queries_pb2.ListSecretsRequest, caller: Caller
    ) -> queries_pb2.ListSecretsResponse:
        """Return a page of the visible secrets that pass the filter, in URI order.

        Raises:
            UsageError: a bad prefix, filter or token.
        """
        visible = visible_scope(caller.principal, message.prefix)
        where, scope, size = _where(message), scope_of(message), page_size(message.page_size)
        after, within = read_token(scope, message.page_token), visible.within(message.store)
        found = await page(self._app.log, SECRETS, within, where, after=after, limit=size + 1)
        secrets = await self._app.documents.secrets(found[:size])
        return queries_pb2.ListSecretsResponse(
            secrets=[policy.secret_for(caller.principal, secret) for secret in secrets],
            next_page_token=make_token(scope, secrets[-1].uri) if len(found) > size else "",
        )

    async def list_secret_versions(
        self, message: queries_pb2.ListSecretVersionsRequest, caller: Caller
    ) -> queries_pb2.ListSecretVersionsResponse:
        """Return a page of what receipts say about a secret, the newest first; fingerprints only with see-hash.

        With `with_edits`, edits of its notes are among them. Clients that do not know these do not ask for them.

        Raises:
            UsageError: the URI or the token is not well formed.
            NotFoundError: there is no receipt for it, or it is outside the caller's prefixes.
        """
        uri = SecretUri.parse(message.uri)
        operating_log.bind_contextvars(uri=str(uri))
        policy.require_visible(caller.principal, uri)
        scope, size = scope_of(message), page_size(message.page_size)
        after = read_token(scope, message.page_token)
        found = await self._app.documents.versions(str(uri), after=after, limit=size + 1)
        if not found and not after:
            raise policy.hidden(str(uri))
        return queries_pb2.ListSecretVersionsResponse(
            versions=[
                policy.version_for(caller.principal, version)
                for _, version in found[:size]
                if message.with_edits or not version.HasField("edit")
            ],
            next_page_token=make_token(scope, found[size - 1][0]) if len(found) > size else "",
        )

    async def get_secret_store(
        self, message: queries_pb2.GetSecretStoreRequest, caller: Caller
    ) -> queries_pb2.GetSecretStoreResponse:
        """Return a store with its reactors, the default one for "".

        Raises:
            NotFoundError: there is none, or none of the caller's prefixes lies in it.
        """
        name = message.name or await self._app.documents.default_store()
        store = await self._app.documents.store_with_beats(name) if policy.sees_store(caller.principal, name) else None
        if store is None:
            raise unknown_store(name) if message.name else policy.hidden("the default store")
        (shown,) = await self._shown([store], caller, count=message.count_pending)
        return queries_pb2.GetSecretStoreResponse(store=shown)

    async def list_secret_stores(
        self, message: queries_pb2.ListSecretStoresRequest, caller: Caller
    ) -> queries_pb2.ListSecretStoresResponse:
        """Return a page of the visible stores, in name order. A page is shorter if its stores announce much.

        Raises:
            UsageError: a bad token.
        """
        scope, size = scope_of(message), page_size(message.page_size)
        beats, notes = await self._app.log.beats(), await self._app.log.beat_notes()
        stores: list[views_pb2.SecretStore] = []
        taken, more = 0, False
        after = read_token(scope, message.page_token)
        while not more and (found := await self._app.log.scan(STORES, after=after, limit=_STORES_AT_A_TIME)):
            after = found[-1][0]
            for body in (body for name, body in found if policy.sees_store(caller.principal, name)):
                store = with_beats(views_pb2.SecretStore.FromString(body), beats, notes)
                taken += store.ByteSize()
                more = len(stores) == size or (bool(stores) and taken > MAX_PAGE)
                if more:
                    break
                stores.append(store)
        return queries_pb2.ListSecretStoresResponse(
            stores=await self._shown(stores, caller, count=message.count_pending),
            next_page_token=make_token(scope, stores[-1].name) if more else "",
        )

    async def get_server(self, _message: queries_pb2.GetServerRequest, caller: Caller) -> queries_pb2.GetServerResponse:
        """Return the server's version and who the caller is to it."""
        principal = caller.principal
        return queries_pb2.GetServerResponse(
            version=self._app.version,
            fingerprint_key_id=await self._app.documents.fingerprint_key_id(),
            subject=principal.subject,
            role=_shown_role(principal),
            prefixes=[str(prefix) for prefix in principal.prefixes],
            rights=sorted({right for pair in principal.pairs for right in pair.rights}),
            expires_at_ms=principal.expires_at_ms,
            features=FEATURES,
            certificate_expires_at_ms=self._app.certificate_expires_at_ms(),
        )

    async def _shown(
        self, stores: list[views_pb2.SecretStore], caller: Caller, *, count: bool
    ) -> list[views_pb2.SecretStore]:
        """Return `stores` as the caller may see them; with `count`, count the visible requests that have not ended."""
        shown = {store.name: policy.store_for(caller.principal, store) for store in stores}
        if not count:
            return list(shown.values())
        async for upload in self._app.documents.open_uploads():
            if upload.store in shown and upload.uri is not None and caller.principal.sees(upload.uri):
                shown[upload.store].pending += 1
        return list(shown.values())

    async def _wait(self, request_id: bytes, ready: Callable[[], Awaitable[T | None]], caller: Caller) -> T | None:
        operating_log.bind_contextvars(request_id=request_id.hex())
        with self._app.feed.waiting(upload_stream(request_id)) as waker:
            return await waker.until(ready, wait_s=caller.wait_s)

    async def _visible_upload(self, request_id: bytes, caller: Caller) -> views_pb2.SecretUpload:
        upload = await self._app.documents.upload(request_id)
        if upload is None or not caller.principal.sees(SecretUri.parse(upload.uri)):
            raise unknown_request()
        return upload

    async def _own_upload(self, request_id: bytes, caller: Caller) -> views_pb2.SecretUpload:
        upload = await self._visible_upload(request_id, caller)
        if upload.subject != caller.principal.subject:
            raise unknown_request()
        return upload


def _shown_role(principal: Principal) -> events_pb2.Role:
    """Return the one role that `GetServer` has room for, of several the one that sees most; `WhoAmI` has them all."""
    known = (events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_AUDITOR)
    return next((role for role in known if role in principal.roles), events_pb2.ROLE_USER)


def _where(message: queries_pb2.ListSecretsRequest) -> Where:
    """Return what the log is asked for. Raises `UsageError` for a bad store name, day or label."""
    if message.store:
        check_store_name(message.store)
    if message.expiring_before:
        check_day(message.expiring_before)
    return Where(
        deleted=message.state == views_pb2.SECRET_STATE_DELETED,
        subject=message.subject,
        expiring_before=message.expiring_before,
        drifted=message.state == views_pb2.SECRET_STATE_DRIFTED,
        out_of_sync=message.state == views_pb2.SECRET_STATE_OUT_OF_SYNC,
        labels=tuple(f"{name}={value}" for name, value in check_labels(labels_of(message.labels))),
    )

"""Whether a request for a key can be answered at all, and the answer to a call that waits for a key.

A request is refused at once if no reactor of its store is attached, or if all of them say that their engine does not
answer. What they found before the request is not enough for that, because the engine may have come back: the call waits
for heartbeats about a newer check, which come within a second or two. If one says otherwise, or none comes, the request
goes on.
"""

from __future__ import annotations

import asyncio

from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.errors import AwayError, UnavailableError
from monoskope.m8.readmodels.stores import heartbeat_note, refused_key
from monoskope.m8.readmodels.uploads import shown
from monoskope.m8.service.app import App
from monoskope.m8.service.feed import Waker
from monoskope.protocol.identity import shown as shown_identity
from monoskope.times import ago, instant
from monoskope.uri import SecretUri


async def missing_reactor(app: App, store: views_pb2.SecretStore, allowed: frozenset[str]) -> UnavailableError | None:
    """Return why no reactor of `store` could answer a request now, None if one could; `allowed` are key ids.

    The timekeeper decides which reactors are gone, by a monotonic clock and only while heartbeats can arrive. One whose
    fingerprint key was shut out this moment could log in until then: it does not count. Where one was attached before,
    the error says that it may come back: it may be restarting.
    """
    if any(reactor.attached and reactor.fingerprint_key_id in allowed for reactor in store.reactors):
        return None
    refused = views_pb2.RefusedLogin.FromString((await app.log.beat_notes()).get(refused_key(store.name), b""))
    if refused.refusal == views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY and refused.fingerprint_key_id not in allowed:
        return UnavailableError(
            f"no reactor of the store {store.name} is attached: m8 refused the last login of one, at"
            f" {instant(refused.refused_at_ms)}, for its fingerprint key {refused.fingerprint_key_id} is not the one"
            f" that counts ({' or '.join(sorted(allowed))}).",
            fix="Nothing was sent. Ask whoever runs the store to import the key that counts on its reactors"
            " (m8 reactor fingerprint-key import --replace).",
        )
    # Only now the heartbeats matter: for when a reactor was heard last.
    beating = await app.documents.store_with_beats(store.name) or store
    last_ms = max((reactor.last_heard_ms for reactor in beating.reactors), default=0)
    heard = f"one was last heard {ago(last_ms, app.clock() / 1000)} ({instant(last_ms)})"
    when = heard if last_ms else "none has ever attached"
    kind = AwayError if last_ms else UnavailableError
    return kind(
        f"no reactor of the store {store.name} is attached; {when}.", fix="Start one, or try again when it is back."
    )


def without_key(store: views_pb2.SecretStore, key_id: str) -> list[str]:
    """Return the names of the attached reactors of `store` that have another fingerprint key than `key_id`."""
    return [
        f"{store.name}/{reactor.replica.hex()[:8]}"
        for reactor in store.reactors
        if reactor.attached and reactor.fingerprint_key_id != key_id
    ]


_LOOK_S = 0.05


async def require_engine(app: App, store: views_pb2.SecretStore, *, wait_s: float) -> None:
    """Return unless every attached reactor of `store` says, now, that its engine does not answer.

    Args:
        app: m8.
        store: With its reactors.
        wait_s: How long the caller waits at most.

    Raises:
        UnavailableError: they do. Nothing was recorded.
    """
    if any(session.serves(store.name) for session in app.sessions.values()):
        return
    asked_ms, until_ms = app.clock(), app.ticks() + 1000 * min(wait_s, app.limits.heartbeat_s)
    # One caller of each store polls. The others wait for it and use what it found.
    async with app.looks.held(store.name):
        await _look(app, store, asked_ms=asked_ms, until_ms=until_ms)


async def _look(app: App, store: views_pb2.SecretStore, *, asked_ms: int, until_ms: float) -> None:
    while (bad := await _all_bad(app, store)) and app.ticks() < until_ms:
        if all(said.last_heard_ms > asked_ms for said in bad):
            since = min(said.engine_since_ms for said in bad)
            raise UnavailableError(
                f"the engine of the store {store.name} does not answer (UPSTREAM_UNAVAILABLE), "
                f"say its reactors since {instant(since)}.",
                fix="Nothing was sent. Try again when the engine is back; `monoctl describe secret-store` shows it.",
            )
        await asyncio.sleep(_LOOK_S)


async def _all_bad(app: App, store: views_pb2.SecretStore) -> list[views_pb2.Reactor]:
    """Return what the attached reactors last said if all of them found their engine unavailable, else []."""
    notes = await app.log.beat_notes()
    said = [heartbeat_note(store.name, reactor, notes) for reactor in store.reactors if reactor.attached]
    bad = [one for one in said if one.engine == reactor_pb2.ENGINE_HEALTH_UNAVAILABLE]
    return bad if len(bad) == len(said) else []


def settled(upload: views_pb2.SecretUpload) -> views_pb2.SecretUpload | None:
    """Return a request that has a grant or an end, None for one that waits for a key."""
    return None if upload.state == views_pb2.UPLOAD_STATE_REQUESTED else upload


async def new_key(
    app: App, request_id: bytes, store: views_pb2.SecretStore, waker: Waker, *, wait_s: float, at_once: bool
) -> queries_pb2.GetSecretUploadKeyResponse:
    """Return the grant of the caller's own request as soon as a reactor gave it, or its end.

    Args:
        app: m8.
        request_id: The request.
        store: Its store, as it was when the request was recorded.
        waker: Made before anything was recorded.
        wait_s: Seconds after which the answer is the request's state.
        at_once: Whether the request was recorded before.
    """

    async def load() -> views_pb2.SecretUpload:
        known = await app.documents.upload(request_id)
        assert known is not None, "the request was recorded"
        return known

    async def ready() -> views_pb2.SecretUpload | None:
        # What the feed passes on is durable, and most often the whole stream: then nothing is read.
        return settled(shown(waker.events) or await load())

    known = await waker.until(ready, wait_s=wait_s, at_once=at_once)
    return await upload_key(app, known or await load(), store)


async def upload_key(
    app: App, upload: views_pb2.SecretUpload, store: views_pb2.SecretStore | None = None
) -> queries_pb2.GetSecretUploadKeyResponse:
    """Return the grant of a request, its end, or its state, for a caller who may see it.

    `store` is as it was when the request was recorded: no store has an identity twice, so if the grant is by the
    identity of then, its steps are those of then, too.
    """
    is_of_then = store is not None and shown_identity(upload.grant.identity_key) == store.identity
    return queries_pb2.GetSecretUploadKeyResponse(
        state=upload.state,
        grant=upload.grant if upload.HasField("grant") else None,
        rotations=store.rotations if store is not None and is_of_then else await rotations(app, upload.uri),
        reason=upload.reason,
        receipt=upload.receipt if upload.outcome == upload_pb2.OUTCOME_FAILED else None,
        retry_after_s=upload.retry_after_s,
        detail=upload.detail,
    )


async def rotations(app: App, uri: str) -> list[identity_pb2.SignedRotation]:
    """Return the steps of the identity of the store that `uri` names."""
    store = await app.documents.store(SecretUri.parse(uri).store)
    return [] if store is None else list(store.rotations)

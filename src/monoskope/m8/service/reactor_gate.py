"""Refuses a request at once if no reactor of its store could answer it, and says why m8 let none in."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.readmodels.stores import refused_key
from monoskope.m8.service.app import App
from monoskope.times import ago, instant


async def missing_reactor(app: App, store: views_pb2.SecretStore) -> UnavailableError | None:
    """Return why no reactor of `store` could answer a request now, None if one could.

    The timekeeper decides which reactors are gone, by a monotonic clock and only while heartbeats can arrive. One whose
    fingerprint key was shut out this moment could log in until then: it does not count.
    """
    allowed = (await app.aggregates.fingerprint_key()).allowed
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
    return UnavailableError(
        f"no reactor of the store {store.name} is attached; {when}.", fix="Start one, or try again when it is back."
    )


def without_key(store: views_pb2.SecretStore, key_id: str) -> list[str]:
    """Return the names of the attached reactors of `store` that have another fingerprint key than `key_id`."""
    return [
        f"{store.name}/{reactor.replica.hex()[:8]}"
        for reactor in store.reactors
        if reactor.attached and reactor.fingerprint_key_id != key_id
    ]

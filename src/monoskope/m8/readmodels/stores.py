"""Stores: `secret-stores/<name>` is the SecretStore with its reactors; `default-store/` names the default. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.domain.reactors import beat_key
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.protocol.identity import MAX_STEPS, open_rotation

STORES = "secret-stores"
"""Collection: name -> SecretStore."""

DEFAULT_STORE = "default-store"
"""Collection: "" -> name of the default store, as text."""

FINGERPRINT_KEY = "fingerprint-key"
"""Collection: "" -> the current fingerprint key id, as text."""

REFUSED = "refused login/"
"""How the keys begin, among those of the heartbeats, under which refused logins are kept."""

KEPT_DETACHED = 4
"""How many detached processes a store remembers; older ones are forgotten."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about stores, their reactors and the fingerprint key."""
    message = read(event)
    match message:
        case events_pb2.SecretStoreCreated():
            store = views_pb2.SecretStore(
                name=message.name, type=message.type, identity=message.identity, created_at_ms=event.recorded_at_ms
            )
            yield _put(store)
        case events_pb2.DefaultSecretStoreSet():
            yield from _set_default(message.name, lookup)
        case (
            events_pb2.SecretStoreActivated()
            | events_pb2.SecretStoreDeactivated()
            | events_pb2.SecretStoreIdentityRotated()
            | events_pb2.SecretStoreIdentityReplaced()
        ):
            store = _get(message.name, lookup)
            _change(store, message)
            yield _put(store)
        case events_pb2.ReactorAttached() | events_pb2.ReactorDetached():
            store = _get(message.store, lookup)
            _change_reactors(store, message, event.recorded_at_ms)
            yield _put(store)
        case events_pb2.FingerprintKeyAdopted() | events_pb2.FingerprintKeyRotationFinished():
            yield Put(FINGERPRINT_KEY, "", message.key_id.encode())
        case _:
            return


def refused_key(store: str) -> str:
    """Return the key, among the heartbeats, of the last refused login of a store. No store's name starts like it."""
    return f"{REFUSED}{store}"


def last_seen_ms(store: str, reactor: views_pb2.Reactor, beats: Mapping[str, int]) -> int:
    """Return when a process was last seen, by its events and its heartbeats."""
    return max(reactor.last_heard_ms, beats.get(beat_key(store, reactor.replica), 0))


def with_beats(
    store: views_pb2.SecretStore, beats: Mapping[str, int], notes: Mapping[str, bytes]
) -> views_pb2.SecretStore:
    """Return a copy of `store` with every reactor's latest heartbeat and refused login."""
    copy = views_pb2.SecretStore()
    copy.CopyFrom(store)
    for reactor in copy.reactors:
        reactor.last_heard_ms = last_seen_ms(store.name, reactor, beats)
        said = heartbeat_note(store.name, reactor, notes)
        reactor.last_failure, reactor.last_failure_at_ms = said.last_failure, said.last_failure_at_ms
        if reactor.attached:
            reactor.signers_trouble = said.signers_trouble
            reactor.engine, reactor.engine_since_ms = said.engine, said.engine_since_ms
    if refused := notes.get(refused_key(store.name)):
        copy.refused_login.MergeFromString(refused)
    return copy


def note_of(heartbeat: reactor_pb2.Heartbeat, before: views_pb2.Reactor, at_ms: int) -> views_pb2.Reactor:
    """Return the note that the log keeps of a heartbeat, given the note of the one before it.

    Its `last_heard_ms` is the time at which the reactor began to check its engine.
    """
    since = before.engine_since_ms if before.engine == heartbeat.engine else at_ms
    return views_pb2.Reactor(
        engine=heartbeat.engine,
        engine_since_ms=since if heartbeat.engine else 0,
        last_failure=heartbeat.last_failure,
        last_failure_at_ms=heartbeat.last_failure_at_ms,
        signers_trouble=heartbeat.signers_trouble,
        last_heard_ms=at_ms - heartbeat.engine_looked_ms_ago,
    )


def heartbeat_note(store: str, reactor: views_pb2.Reactor, notes: Mapping[str, bytes]) -> views_pb2.Reactor:
    """Return the note of a process's latest heartbeat (`note_of`), an empty one if there is none."""
    return views_pb2.Reactor.FromString(notes.get(beat_key(store, reactor.replica), b""))


def _set_default(name: str, lookup: Lookup) -> Iterator[Change]:
    before = lookup(DEFAULT_STORE, "")
    if before is not None:
        store = _get(before.decode(), lookup)
        store.is_default = False
        yield _put(store)
    store = _get(name, lookup)
    store.is_default = True
    yield _put(store)
    yield Put(DEFAULT_STORE, "", name.encode())


def _change(store: views_pb2.SecretStore, message: Message) -> None:
    match message:
        case events_pb2.SecretStoreActivated():
            store.active = True
        case events_pb2.SecretStoreDeactivated():
            store.active = False
        case events_pb2.SecretStoreIdentityRotated():
            store.identity = open_rotation(message.rotation, store=store.name).new
            store.rotations.append(message.rotation)
            # No client follows more steps than these (docs/protocol.md, Identities).
            del store.rotations[:-MAX_STEPS]
        case events_pb2.SecretStoreIdentityReplaced():
            store.identity = message.identity
            store.ClearField("rotations")
        case _:
            pass


def _change_reactors(
    store: views_pb2.SecretStore, message: events_pb2.ReactorAttached | events_pb2.ReactorDetached, at_ms: int
) -> None:
    reactor = next((known for known in store.reactors if known.replica == message.replica), None)
    if isinstance(message, events_pb2.ReactorAttached):
        reactor = reactor or store.reactors.add(replica=message.replica)
        reactor.attached = True
        reactor.last_heard_ms = at_ms
        reactor.capabilities.CopyFrom(message.capabilities)
        reactor.fingerprint_key_id = message.fingerprint_key_id
        store.fingerprint_key_id = message.fingerprint_key_id
    elif reactor is not None:
        reactor.attached = False
    _forget_detached(store)


def _forget_detached(store: views_pb2.SecretStore) -> None:
    """Keep all attached reactors in `store`, and those detached last."""
    there = [known for known in store.reactors if known.attached]
    # A reactor that detaches was attached before, so the detached ones are sorted newest first.
    gone = [known for known in store.reactors if not known.attached]
    kept = views_pb2.SecretStore(reactors=there + gone[:KEPT_DETACHED])
    store.ClearField("reactors")
    store.MergeFrom(kept)


def _get(name: str, lookup: Lookup) -> views_pb2.SecretStore:
    body = lookup(STORES, name)
    assert body is not None, "a store was created before anything else is said of it"
    return views_pb2.SecretStore.FromString(body)


def _put(store: views_pb2.SecretStore) -> Put:
    return Put(STORES, store.name, store.SerializeToString(deterministic=True))

"""Lies about a store, told before anything is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.errors import Code, NotFoundError
from monoskope.testing.cluster.identities import Identity
from tests.lies.lie import SEALING, Lie, Step
from tests.lies.rig import MEMORY
from tests.lies.scene import Scene

THIEF, FRIEND = Identity(), Identity()
CHANGED = Code.IDENTITY_CHANGED
STORE = Step.STORE
OTHERWISE = "changed: .* is pinned, it shows SHA256:"


def shows(change: Callable[[Any, Scene], Any]) -> Callable[[Scene], Any]:
    return lambda scene: scene.change("GetSecretStore", lambda answer: change(answer.store, scene))


def field(name: str, value: object) -> Callable[[Scene], Any]:
    return shows(lambda store, _: setattr(store, name, value))


def step(
    make: Callable[[Scene], identity_pb2.SignedRotation], *, identity: str = THIEF.shown
) -> Callable[[Scene], Any]:
    """Show a step of identities, and the identity that it leads to."""

    def change(store: Any, scene: Scene) -> None:
        store.rotations.append(make(scene))
        store.identity = identity

    return shows(change)


def _of(scene: Scene) -> Identity:
    """The store's identity as a thief can make one: with its public key, and his own private key."""
    return _Claimed(scene.rig.identities[MEMORY].public_key)


class _Claimed(Identity):
    """Signs with a key of its own under the public key of another."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        object.__setattr__(self, "_claimed", key)

    @property
    def key(self) -> bytes:
        return bytes(getattr(self, "_claimed"))  # noqa: B009 - of a frozen dataclass


def _chain(scene: Scene) -> list[identity_pb2.SignedRotation]:
    now = _of(scene)
    return [now.rotate(THIEF, MEMORY) for _ in range(65)]


def _other_store(store: Any, scene: Scene) -> None:
    store.identity = scene.rig.identities["other"].shown


def _less(name: str, value: object) -> Callable[[Scene], Any]:
    """Show a reactor that can do less."""

    def change(store: Any, _: Scene) -> None:
        for reactor in store.reactors:
            setattr(reactor.capabilities, name, value)

    return shows(change)


def _garbage(scene: Scene) -> None:
    scene.wire.answer("GetSecretStore", b"\xff\xff no message", times=None)


def _extended(scene: Scene) -> None:
    scene.change("GetSecretStore", lambda answer: answer.SerializeToString() + b"\xfa\x3f\x04what")


DEFAULT = ("get secret of the default store",)

changed = partial(Lie, STORE, code=CHANGED)
believed = partial(Lie, STORE)
refused = partial(Lie, STORE, code=Code.REFUSED)

LIES = (
    changed(
        "another default store",
        field("name", "other"),
        "names 'other' as its default store now; you agreed to 'memory' before",
        purposes=DEFAULT,
    ),
    changed(
        "a default store of no name",
        field("name", "../x"),
        "m8 names a store '../x', and no store can be called so",
        purposes=DEFAULT,
    ),
    changed("another identity", field("identity", THIEF.shown), OTHERWISE),
    changed("no identity", field("identity", ""), "a store whose identity is not one"),
    changed("an identity that is none", field("identity", "SHA256:short"), "a store whose identity is not one"),
    changed(
        "an identity with a line break", field("identity", THIEF.shown + "\n"), "a store whose identity is not one"
    ),
    changed("the identity of another store", shows(_other_store), OTHERWISE),
    changed("another store", field("name", "other"), "asked for store 'memory', m8 answered with 'other'"),
    changed("no name", field("name", ""), "asked for store 'memory', m8 answered with ''"),
    changed(
        "a step to a thief that the thief alone signed",
        step(lambda scene: _of(scene).rotate(THIEF, MEMORY)),
        "does not verify",
    ),
    changed("a step to a thief of another store's identity", step(lambda _: FRIEND.rotate(THIEF, MEMORY)), OTHERWISE),
    changed("a step that is no message", step(lambda _: identity_pb2.SignedRotation(content=b"\xff")), "malformed"),
    changed("sixty-five steps", shows(lambda store, scene: store.rotations.extend(_chain(scene))), "does not verify"),
    Lie(
        STORE,
        "that it does not exist",
        lambda scene: scene.wire.refuse("GetSecretStore", NotFoundError("none."), times=None),
        "m8 says: none",
        code=Code.NOT_FOUND,
    ),
    Lie(
        STORE,
        "bytes that are no message",
        _garbage,
        "an answer that is not a message of this protocol",
        code=Code.PROTOCOL,
    ),
    believed("unknown fields", _extended),
    believed("that it takes unsigned requests", _less("signatures", False)),
    believed("that it is not active", field("active", False)),
    refused("that it takes 1 byte", _less("max_plaintext", 1), "the store accepts at most 1", purposes=SEALING),
    refused("that it cannot patch", _less("patchable", False), "cannot change some keys", purposes=("patch",)),
    refused("that it cannot list", _less("listable", False), "does not list names", purposes=("list",)),
    refused("that it cannot undelete", _less("undeletable", False), "cannot bring back", purposes=("undelete",)),
    refused(
        "that it cannot roll back", _less("rollbackable", False), "cannot write an earlier", purposes=("rollback",)
    ),
)

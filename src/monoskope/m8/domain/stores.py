"""The catalogue of stores: one aggregate, because names are unique and one of them is the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2, identity_pb2
from monoskope.errors import AlreadyExistsError, NotFoundError
from monoskope.protocol.identity import ProofError, check_shown, open_rotation, steps_from
from monoskope.uri import check_store_name


@dataclass(frozen=True, slots=True)
class Store:
    """One store."""

    name: str
    type: str
    identity: str
    """As shown."""
    active: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every store that ever was. Names and identities are never used again."""

    version: int = 0
    stores: Mapping[str, Store] = field(default_factory=dict)
    default: str = ""
    identities: Mapping[str, str] = field(default_factory=dict)
    """Every identity that a store has or had, and the store."""

    def store(self, name: str) -> Store:
        """Return the store called `name`, or raise `NotFoundError`."""
        if name not in self.stores:
            raise unknown_store(name)
        return self.stores[name]

    def after(self, message: Message | None) -> Catalogue:
        """Return the catalogue after a recorded event, None for one of an unknown type."""
        version = self.version + 1
        if isinstance(message, events_pb2.DefaultSecretStoreSet):
            return replace(self, version=version, default=message.name)
        store = self._changed(message)
        if store is None:
            return replace(self, version=version)
        return replace(
            self,
            version=version,
            stores={**self.stores, store.name: store},
            identities={**self.identities, store.identity: store.name},
        )

    def _changed(self, message: Message | None) -> Store | None:
        """Return the store that an event changes, as it is after it; None if it changes none."""
        match message:
            case events_pb2.SecretStoreCreated():
                return Store(message.name, message.type, message.identity)
            case events_pb2.SecretStoreActivated():
                return replace(self.store(message.name), active=True)
            case events_pb2.SecretStoreDeactivated():
                return replace(self.store(message.name), active=False)
            case events_pb2.SecretStoreIdentityRotated():
                identity = open_rotation(message.rotation, store=message.name).new
                return replace(self.store(message.name), identity=identity)
            case events_pb2.SecretStoreIdentityReplaced():
                return replace(self.store(message.name), identity=message.identity)
            case _:
                return None


def unknown_store(name: str) -> NotFoundError:
    """Return the one answer to a store that does not exist or is not for the caller to see."""
    return NotFoundError(
        f"there is no store {name!r}, or it is not yours to see.", fix="Look at: monoctl get secret-stores."
    )


def create(catalogue: Catalogue, *, name: str, kind: str, identity: str) -> list[Message]:
    """Decide to add a store, inactive; the first one becomes the default.

    Raises:
        AlreadyExistsError: the name or the identity is or was a store's.
        UsageError: the name, the type or the identity does not follow its rule.
    """
    check_store_name(name)
    check_store_name(kind)
    if name in catalogue.stores:
        raise AlreadyExistsError(f"there is a store {name!r} already.", fix="Choose another name.")
    _check_fresh(catalogue, identity)
    created = events_pb2.SecretStoreCreated(name=name, type=kind, identity=identity)
    return [created] if catalogue.default else [created, events_pb2.DefaultSecretStoreSet(name=name)]


def activate(catalogue: Catalogue, name: str) -> list[Message]:
    """Decide to let a store take uploads; [] if it does. Raises `NotFoundError`."""
    return [] if catalogue.store(name).active else [events_pb2.SecretStoreActivated(name=name)]


def deactivate(catalogue: Catalogue, name: str) -> list[Message]:
    """Decide to let a store take no uploads; [] if it takes none. Raises `NotFoundError`."""
    return [events_pb2.SecretStoreDeactivated(name=name)] if catalogue.store(name).active else []


def set_default(catalogue: Catalogue, name: str) -> list[Message]:
    """Decide to make a store the default; [] if it is. Raises `NotFoundError`."""
    catalogue.store(name)
    return [] if catalogue.default == name else [events_pb2.DefaultSecretStoreSet(name=name)]


def rotate_identity(catalogue: Catalogue, name: str, rotations: Sequence[identity_pb2.SignedRotation]) -> list[Message]:
    """Decide on the rotations that a reactor sent: those that follow the store's identity, [] if none does.

    Raises:
        NotFoundError: there is no such store.
        ProofError: a step does not verify, the steps form no chain, or lead to an identity that was in use before.
        MalformedError: a step is not well formed.
    """
    current = catalogue.store(name).identity
    steps = steps_from(current, rotations, store=name)
    for _, step in steps:
        if step.new in catalogue.identities:
            raise ProofError(f"an identity rotation leads to {step.new}, which was in use before")
    return [events_pb2.SecretStoreIdentityRotated(name=name, rotation=signed) for signed, _ in steps]


def replace_identity(catalogue: Catalogue, name: str, identity: str) -> list[Message]:
    """Decide to give a store an identity without proof; [] if it has it.

    Raises:
        NotFoundError: there is no such store.
        AlreadyExistsError: the identity is or was in use.
        UsageError: it is not a shown identity.
    """
    if catalogue.store(name).identity == identity:
        return []
    _check_fresh(catalogue, identity)
    return [events_pb2.SecretStoreIdentityReplaced(name=name, identity=identity)]


def _check_fresh(catalogue: Catalogue, identity: str) -> None:
    check_shown(identity)
    if identity in catalogue.identities:
        raise AlreadyExistsError(
            f"the identity {identity} is or was that of the store {catalogue.identities[identity]!r}.",
            fix="Give every store an identity of its own: m8 reactor init.",
        )

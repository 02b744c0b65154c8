"""Agreeing to a store's identity before anything is put there, and looking whether it is still the one agreed to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.target import Resolver
from monoskope.errors import IdentityChangedError
from monoskope.protocol.identity import check_shown
from monoskope.uri import check_store_name
from monoskope.value import Value


class StoreIdentity(Value, frozen=True):
    """How the identity that m8 shows for a store stands to the one that the user agreed to."""

    pinned: str = ""
    """The identity that the user agreed to, "" for none."""
    changed: IdentityChangedError | None = None
    """Why nothing may be put there, None if m8 shows the agreed identity, or one that follows it by signed steps."""

    @property
    def state(self) -> str:
        """Return "pinned", "new" (nobody has agreed to it), or "changed"."""
        if self.changed is not None:
            return "changed"
        return "pinned" if self.pinned else "new"


class Agreeing(ABC):
    """The part of `Client` that agrees to identities of stores."""

    async def trust_store(self, name: str, identity: str) -> str:
        """Agree to the identity of a store, so that later calls find it pinned; return the pinned identity.

        Compare it first with what the store's operator says by another way than m8. Nothing is put, and no pin is ever
        replaced: the same identity again changes nothing.

        Args:
            name: The store's name.
            identity: What the operator says, `SHA256:…`. If signed steps lead on from it, their last is pinned.

        Raises:
            UsageError: `identity` is not one, or `name` is no name of a store.
            IdentityChangedError: m8 shows another identity, or another one is pinned.
            NotFoundError: there is no such store.
            NotWritableError: `known_stores` cannot be written.
        """
        check_store_name(name)
        return await self._agreeing({name: check_shown(identity)}).agree(name)

    def look_at_identity(self, store: views_pb2.SecretStore) -> StoreIdentity:
        """Return how the identity that m8 shows for a store stands to the pins. Changes nothing, asks nobody.

        Raises:
            Error: `known_stores` cannot be read.
        """
        pinned, changed = self._agreeing(self._given()).look(store)
        return StoreIdentity(pinned, changed)

    @abstractmethod
    def _given(self) -> Mapping[str, str]: ...

    @abstractmethod
    def _agreeing(self, given: Mapping[str, str]) -> Resolver: ...

"""What a put or a patch would send, shown without a value and without asking for a key."""

from __future__ import annotations

from collections.abc import Mapping

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known.stores import KnownStores
from monoskope.client.settings import ClientSettings
from monoskope.client.walk.checks import check_announced
from monoskope.client.walk.given import Expect, encoded, expectation
from monoskope.client.walk.target import Resolver, announced_layout, check_patchable
from monoskope.protocol.purposes import PURPOSES, PurposeRules
from monoskope.uri import SecretUri
from monoskope.value import Value


class Preview(Value, frozen=True):
    """What a put or a patch would send. Holds no value."""

    uri: str
    purpose: upload_pb2.Purpose
    expect: str
    sizes: dict[str, int]
    """Bytes of each value, in key order."""
    size_class: int
    """Bytes of the padded plaintext: all that m8 can see of the size. 0 if nothing is sealed."""
    identity: str
    """The store's identity, as m8 shows it."""
    pinned: str
    """The identity that is pinned now; "" if it would ask first."""
    removes: tuple[str, ...] = ()
    """With a patch: the keys to drop."""
    layout: str = ""
    """How it will lie in the engine, as the store's reactor announced; "" if it announced nothing."""

    @property
    def rules(self) -> PurposeRules:
        """The rules of its purpose."""
        return PURPOSES[self.purpose]


async def preview(
    resolver: Resolver,
    settings: ClientSettings,
    known: KnownStores,
    *,
    uri: str,
    values: Mapping[str, bytes],
    expect: Expect | str,
    removes: tuple[str, ...] | None,
) -> Preview:
    """Return what a put, or with `removes` a patch, would send. Asks m8 for the store alone; nothing is pinned.

    Raises:
        RefusedError: the store's reactors announced that they would refuse it.
    """
    size = len(encoded(values)) if values or removes is None else 0
    kind, version = expectation(expect)
    if "://" in uri:
        full = SecretUri.parse(uri)
        store = await resolver.store(full.store)
    else:
        store = await resolver.store(settings.default_store or known.default(settings.server) or "")
        full = SecretUri.parse(f"{store.name}://{uri}")
    if removes is not None:
        check_patchable(store, full)
    check_announced(store, full, size=size, keys=(*values, *(removes or ())), expect=kind)
    return Preview(
        uri=str(full),
        purpose=upload_pb2.PURPOSE_UPLOAD if removes is None else upload_pb2.PURPOSE_PATCH,
        expect=expect.name if isinstance(expect, Expect) else f"VERSION {version}",
        sizes={key: len(values[key]) for key in sorted(values)},
        size_class=size,
        identity=store.identity,
        pinned=known.identity(settings.server, store.name) or "",
        removes=removes or (),
        layout=announced_layout(store),
    )

"""What a store would refuse by what its reactors announced: known before anything is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.task import too_large
from monoskope.errors import RefusedError
from monoskope.uri import SecretUri

_NEEDS_CHECK_AND_SET = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})


def check_announced(
    store: views_pb2.SecretStore, uri: SecretUri, *, size: int, keys: Iterable[str], expect: upload_pb2.Expect
) -> None:
    """Raise `RefusedError` if no attached reactor of the store would take it; without one nothing is known.

    Args:
        store: As m8 shows it.
        uri: Of the secret.
        size: Of the padded plaintext in bytes, 0 if nothing is sealed.
        keys: Of the values, and those to drop.
        expect: What must be upstream.
    """
    attached = [reactor.capabilities for reactor in store.reactors if reactor.attached]
    if not attached:
        return
    limit = max(can.max_plaintext for can in attached)
    if limit and size > limit:
        raise too_large(uri, size, limit)
    if expect in _NEEDS_CHECK_AND_SET and not any(can.check_and_set for can in attached):
        raise RefusedError(
            f"{uri}: the store's engine cannot replace exactly one version.", fix="Leave out what is expected."
        )
    for key in keys:
        if not any(_takes(can, key) for can in attached):
            raise RefusedError(
                f"{uri}: the store takes no key {key!r} (its key_rule is {attached[0].key_rule!r}).",
                fix="See `monoctl describe secret-store` for its rule.",
            )


def _takes(can: events_pb2.StoreCapabilities, key: str) -> bool:
    """Whether the store's rule may allow `key`.

    Only a rule that is one fixed text is looked at: patterns are foreign, and run in the reactor alone.
    """
    fixed = re.sub(r"\\(.)", r"\1", can.key_rule)
    return not can.key_rule or re.escape(fixed) != can.key_rule or fixed == key

"""What a reactor announces of its engine when it logs in."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.protocol.hello import check_capabilities
from monoskope.stores.driver import Capabilities


def announced(
    can: Capabilities, *, experimental: bool = False, copies_to: Iterable[str] = (), signatures: bool = False
) -> events_pb2.StoreCapabilities:
    """Return capabilities as they are announced to m8.

    Args:
        can: The driver's capabilities.
        experimental: Whether the driver says that it is experimental.
        copies_to: Stores to which the reactor may copy.
        signatures: Whether the reactor has `[signers]`.

    Raises:
        UsageError: m8 would refuse them: they are larger than a reactor may announce, or their schema is not allowed.
    """
    capabilities = events_pb2.StoreCapabilities(
        max_plaintext=can.max_plaintext,
        check_and_set=can.check_and_set,
        write_tag=can.write_tag,
        readable=can.readable,
        patchable=can.patchable,
        deletable=can.deletable,
        soft_delete=can.soft_delete,
        undeletable=can.undeletable,
        rollbackable=can.rollbackable,
        listable=can.listable,
        layout=can.layout,
        experimental=experimental,
        key_rule="" if can.key_rule is None else can.key_rule.pattern,
        options_schema=can.options_schema,
        copies_to=sorted(copies_to),
        keeps_notes=True,
        signatures=signatures,
    )
    try:
        check_capabilities(capabilities)
    except UsageError as error:
        raise UsageError(f"m8 would not let this reactor in: {error.message}", fix=error.fix) from None
    return capabilities

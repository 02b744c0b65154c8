"""Receipts for programs that are older than some of their fields.

A receipt with a field that is unknown counts for nothing (`protocol.wire`), so an m8 of before a field refuses it for
good. What then is said without the field is true, too, and proves less: a client that needs the field believes it less.
"""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.wire import parse, serialise

_LATER = ("replica", "destination_grant", "retry_after_s")
"""Fields of `Receipt` that the first version 1 did not have."""


def without_later_fields(receipt: Receipt) -> Receipt | None:
    """Return `receipt` as the first version 1 knew it; None if it has no later field, and so is that already."""
    message = parse(upload_pb2.Receipt, receipt.content)
    for name in _LATER:
        message.ClearField(name)
    content = serialise(message)
    return None if content == receipt.content else parse_receipt(content)

"""Receipts for programs that are older than some of their fields.

A receipt with a field or a reason that is unknown counts for nothing (`protocol.wire`), so an m8 of before it refuses
it for good. What then is said without it is true, too, and says or proves less. Of NOT_FOUND it is what reactors said
before there was that reason: CONFLICT.
"""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.wire import parse, serialise

_LATER = ("replica", "destination_grant", "retry_after_s", "detail")
"""Fields of `Receipt` that the first version 1 did not have."""


def without_later_fields(receipt: Receipt) -> Receipt | None:
    """Return `receipt` as the first version 1 knew it; None if it is that already."""
    message = parse(upload_pb2.Receipt, receipt.content)
    for name in _LATER:
        message.ClearField(name)
    if message.reason == upload_pb2.REASON_NOT_FOUND:
        message.reason = upload_pb2.REASON_CONFLICT
    content = serialise(message)
    return None if content == receipt.content else parse_receipt(content)

"""Checks each incoming message by the rules in the proto files, with protovalidate, before anything else."""

from __future__ import annotations

import protovalidate
from google.protobuf.message import Message

from monoskope.errors import UsageError


def validate(message: Message) -> None:
    """Drop fields that this version does not know and check the rest by the rules in `proto/`.

    Raises:
        UsageError: a field breaks its rule; the message names both, never the value.
    """
    message.DiscardUnknownFields()
    try:
        protovalidate.validate(message, fail_fast=True)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        path = () if violation.field is None else violation.field.elements
        field = ".".join(element.field_name for element in path) or "message"
        raise UsageError(
            f"{message.DESCRIPTOR.name}: {field}: {violation.message} ({violation.rule_id}).",
            fix="Correct that field.",
        ) from None

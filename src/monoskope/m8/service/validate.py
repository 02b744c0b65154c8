"""Checks each incoming message by the rules in the proto files, before anything else."""

from __future__ import annotations

from google.protobuf.message import Message

from monoskope.errors import UsageError
from monoskope.m8.service import rules


def validate(message: Message) -> None:
    """Drop fields that this version does not know and check the rest by the rules in `proto/`.

    Raises:
        UsageError: a field breaks its rule; the message names both, never the value.
    """
    message.DiscardUnknownFields()
    if (broken := rules.broken(message)) is not None:
        raise UsageError(
            f"{message.DESCRIPTOR.name}: {broken.field or 'message'}: {broken.says} ({broken.rule}).",
            fix="Correct that field.",
        )

"""The options of an upload to AWS: tags by the rules of AWS, visible to everybody who may list secrets."""

from __future__ import annotations

import unicodedata

from monoskope.api.secrets.v1.options_pb2 import AwsOptions
from monoskope.stores.aws.layout import FLAG
from monoskope.stores.driver import StoreRefusedError

_MOST = 49
"""AWS takes 50, and one is the store's own."""
_MAX_NAME = 128
_MAX_VALUE = 256
_PUNCTUATION = frozenset("_.:/=+-@")

Tags = list[dict[str, str]]
"""Tags as the SDK takes them."""


def tags_of(options: object | None) -> Tags:
    """Return the tags that an upload sets.

    Raises:
        StoreRefusedError: these are not the options of an AWS store, or AWS takes no such tag; names the rule.
    """
    if options is None:
        return []
    if not isinstance(options, AwsOptions):
        raise StoreRefusedError("these options are not for an AWS store.", fix="Leave them out.")
    if len(options.tags) > _MOST:
        raise StoreRefusedError(f"a secret has at most {_MOST} tags.", fix="Leave some out.")
    for tag in options.tags:
        if tag.name == FLAG["Key"]:
            raise StoreRefusedError(f"the tag {FLAG['Key']} is the store's own.", fix="Choose another name.")
        if not (0 < len(tag.name) <= _MAX_NAME and _fits(tag.name)):
            raise StoreRefusedError(
                "the name of a tag has 1 to 128 letters, digits, spaces and + - = . : / @ _, and not aws: in front.",
                fix="Rename it.",
            )
        if not (len(tag.value) <= _MAX_VALUE and _fits(tag.value)):
            raise StoreRefusedError(
                "the value of a tag has at most 256 letters, digits, spaces and + - = . : / @ _, no aws: in front.",
                fix="Change it.",
            )
    return [{"Key": tag.name, "Value": tag.value} for tag in options.tags]


def _fits(text: str) -> bool:
    """Whether `text` is of the characters that AWS takes, letters, numbers and separators of Unicode, and not its own.

    A tab is white space and no separator.
    """
    allowed = all(one in _PUNCTUATION or unicodedata.category(one)[0] in "LNZ" for one in text)
    return allowed and not text.lower().startswith("aws:")

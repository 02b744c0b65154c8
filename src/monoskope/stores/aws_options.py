"""The options of an upload to AWS: tags, by the rules of AWS, which it shows to everybody who may list."""

from __future__ import annotations

import re

from monoskope.api.secrets.v1.options_pb2 import AwsOptions
from monoskope.stores.aws_layout import FLAG
from monoskope.stores.driver import StoreRefusedError

_MOST = 50
_NAME = re.compile(r"[\w\s+\-=.:/@]{1,128}")
_VALUE = re.compile(r"[\w\s+\-=.:/@]{0,256}")

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
        raise StoreRefusedError("an AWS store takes the options of an AWS store alone.", fix="Leave them out.")
    if len(options.tags) > _MOST:
        raise StoreRefusedError(f"AWS takes at most {_MOST} tags.", fix="Leave some out.")
    for tag in options.tags:
        if tag.name == FLAG["Key"]:
            raise StoreRefusedError(f"the tag {FLAG['Key']} is the store's own.", fix="Choose another name.")
        if _NAME.fullmatch(tag.name) is None or tag.name.lower().startswith("aws:"):
            raise StoreRefusedError(
                "the name of a tag has 1 to 128 letters, digits, spaces and + - = . : / @ _, and not aws: in front.",
                fix="Rename it.",
            )
        if _VALUE.fullmatch(tag.value) is None:
            raise StoreRefusedError(
                "the value of a tag has at most 256 letters, digits, spaces and + - = . : / @ _.", fix="Change it."
            )
    return [{"Key": tag.name, "Value": tag.value} for tag in options.tags]

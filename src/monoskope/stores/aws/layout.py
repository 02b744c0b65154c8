"""How a secret is stored in an AWS service, as one JSON object of text or as its single value, and read back unchanged.

    json    {"password":"…","user":"…"}      every value is UTF-8 text; others are refused, or stored as base64
    raw     …                                only the value of the key `raw_key`, as it is

Parameter Store takes no text with `{{…}}` in it. In JSON the second brace is escaped, so that readers see the same
value; a raw value with it is refused.

Base64 looks like any other text. So a secret gets the tag `m8_binary` with, or before, its first base64 value. On a
secret with that tag, a value that could be text or base64 is read in both ways (docs/adr/0007-store-drivers.md).

The options of an upload are tags by the rules of AWS, visible to all who may list secrets.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from monoskope.api.secrets.v1.options_pb2 import AwsOptions
from monoskope.errors import UsageError
from monoskope.protocol.notes import strict_json
from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, Payload
from monoskope.stores.aws.config import ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.shared.checks import could_be_base64, is_text
from monoskope.value import Unshared

_JSON_EXPANSION = 4.5
"""Bytes of JSON for each byte of padded plaintext at worst: six for a control character, of three bytes in four."""
_RAW_EXPANSION = 0.75
_NESTED = re.compile(r"\{\{.*\}\}", re.DOTALL)


SECRET_BYTES = 65_536
"""What SecretString or SecretBinary hold at most."""
PARAMETER_BYTES = {"standard": 4_096, "advanced": 8_192}
"""What a parameter holds at most, by tier."""
FLAG = {"Key": "m8_binary", "Value": "base64"}
"""The tag of a secret in which a value may lie as base64."""


@dataclass(frozen=True, slots=True)
class AwsContent(Unshared):
    """What lies in the service: text or bytes. Not shown."""

    text: str | None = field(default=None, repr=False)
    data: bytes | None = field(default=None, repr=False)
    flagged: bool = False
    """Whether a value lies there as base64, so that the secret needs `FLAG`."""


@dataclass(frozen=True, slots=True)
class AwsLayout:
    """One of the two layouts, with what a service allows."""

    kind: str
    """"json" or "raw"."""
    raw_key: str
    limit: int
    """The most bytes that the service holds."""
    takes_bytes: bool
    """Whether the service has a place for what is not text."""
    takes_braces: bool
    """Whether the service takes text with `{{…}}`."""
    base64: bool
    """Whether values that are not text lie in JSON as base64, instead of being refused."""
    sentence: str
    """How a secret lies there, for people."""

    @property
    def key_rule(self) -> re.Pattern[str] | None:
        """The rule for a secret's keys, None for any."""
        return re.compile(re.escape(self.raw_key)) if self.kind == "raw" else None

    @property
    def always_fits(self) -> int:
        """The largest padded plaintext in bytes that fits whatever its characters."""
        expansion = _RAW_EXPANSION if self.kind == "raw" else _JSON_EXPANSION
        size = MIN_PADDED
        while size < MAX_PADDED and 2 * size * expansion <= self.limit:
            size *= 2
        return size

    def to_engine(self, payload: Payload) -> AwsContent:
        """Return what to write.

        Raises:
            StoreRefusedError: the service cannot hold it in this layout; the message names the key and the rule.
        """
        content = self._raw(payload) if self.kind == "raw" else self._json(payload)
        size = len(content.data or b"") + len((content.text or "").encode())
        if size > self.limit:
            # Not how large: users and m8 are told this sentence, and after a patch it would say how long the values are
            # that the patch leaves as they are.
            raise StoreRefusedError(
                f"the secret takes more than the {self.limit} bytes that the service holds.",
                fix="Store a smaller secret.",
            )
        return content

    def check(self, payload: Payload | None, remove: Sequence[str] | None) -> None:
        """Refuse what `to_engine` would, for a patch whatever is there; `remove` is None for a whole secret.

        What a patch sets under the layout `json` lies in the result, which so is not smaller.

        Raises:
            StoreRefusedError: as `to_engine`, or nothing would be left.
        """
        if payload is not None:
            self.to_engine(payload)
        elif self.kind == "raw" and self.raw_key in (remove or ()):
            raise _no_secret()

    def from_engine(self, content: AwsContent) -> Payload:
        """Return the values that were written.

        Raises:
            CannotReadError: it is nothing that this layout could have written.
        """
        if self.kind == "raw":
            value = content.text.encode() if content.text is not None else content.data
            if value is not None:
                return Payload({self.raw_key: value})
        elif content.text is not None:
            try:
                found = strict_json(content.text)
                if isinstance(found, dict):
                    return Payload({key: value.encode() for key, value in found.items()})
            except (ValueError, RecursionError, AttributeError, UsageError):
                pass
        raise CannotReadError("what lies in the service is not a secret that this store could have written.")

    def either_way(self, payload: Payload) -> frozenset[str]:
        """Return the keys whose value is text or base64, if the secret has `FLAG`."""
        if self.kind != "json":
            return frozenset()
        return frozenset(key for key, each in payload.items() if is_text(each) and could_be_base64(each.decode()))

    def _json(self, payload: Payload) -> AwsContent:
        values, flagged = {}, False
        for key, value in payload.items():
            if is_text(value):
                values[key] = value.decode()
            elif self.base64:
                values[key], flagged = base64.b64encode(value).decode("ascii"), True
            else:
                raise StoreRefusedError(
                    f"the value of {key} is not UTF-8 text, and this store holds JSON.",
                    fix='Encode it, or let the store\'s administrator set binary = "base64".',
                )
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        # Braces of the object itself never stand side by side: keys and values are in quotes.
        return AwsContent(text if self.takes_braces else text.replace("{{", "{\\u007b"), flagged=flagged)

    def _raw(self, payload: Payload) -> AwsContent:
        if set(payload) != {self.raw_key}:
            raise StoreRefusedError(f"a secret in this store has one key, {self.raw_key}.", fix="Name it so.")
        value = payload[self.raw_key]
        if not value:
            raise StoreRefusedError(f"the value of {self.raw_key} is empty, which AWS cannot hold.", fix="Fill it.")
        if not is_text(value):
            if not self.takes_bytes:
                raise StoreRefusedError(
                    f"the value of {self.raw_key} is not UTF-8 text, and the service holds only text.",
                    fix="Encode it, as base64 say.",
                )
            return AwsContent(data=value)
        text = value.decode()
        if not self.takes_braces and _NESTED.search(text):
            raise StoreRefusedError(
                f"the value of {self.raw_key} has {{{{…}}}} in it, which the service does not take.",
                fix='Use a store with layout = "json".',
            )
        return AwsContent(text)


def merged(before: Payload, changes: Payload | None, remove: Sequence[str]) -> Payload:
    """Return `before` with `changes` set and `remove` dropped. Raises `StoreRefusedError` if that is no secret."""
    try:
        return Payload({**{key: before[key] for key in before if key not in remove}, **(changes or {})})
    except UsageError:
        pass
    raise _no_secret()


def _no_secret() -> StoreRefusedError:
    return StoreRefusedError("the secret would hold no value, or too many.", fix="Change fewer keys.")


def in_secrets_manager(config: SecretsManagerConfig) -> AwsLayout:
    """Return the layout of a Secrets Manager store."""
    return AwsLayout(
        config.layout,
        config.raw_key,
        SECRET_BYTES,
        takes_bytes=True,
        takes_braces=True,
        base64=config.binary == "base64",
        sentence=f"only the value of {config.raw_key}, in SecretString if it is text, else in SecretBinary."
        if config.layout == "raw"
        else "one JSON object of all keys and their text values, in SecretString.",
    )


def in_parameter_store(config: ParameterStoreConfig) -> AwsLayout:
    """Return the layout of a Parameter Store store."""
    return AwsLayout(
        config.layout,
        config.raw_key,
        PARAMETER_BYTES[config.tier],
        takes_bytes=False,
        takes_braces=False,
        base64=config.binary == "base64",
        sentence=f"only the value of {config.raw_key}, as a SecureString parameter."
        if config.layout == "raw"
        else "one JSON object of all keys and their text values, as a SecureString parameter.",
    )


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

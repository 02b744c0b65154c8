"""The `[engine]` tables of reactors whose engine is AWS Secrets Manager or SSM Parameter Store; docs/stores/aws.md.

There is no field for credentials: the SDK's own chain finds them.
"""

from __future__ import annotations

import re
from typing import Literal

from monoskope.protocol.payload import check_key
from monoskope.stores.shared.checks import HttpConfig, check_field, check_max_plaintext
from monoskope.uri import parse_path

_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+", re.ASCII)
_ENDPOINT = re.compile(
    r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}", re.ASCII
)
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,256}", re.ASCII)
_RESERVED = ("aws", "ssm")


class AwsConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """What both stores need to know. Credentials are not among it."""

    region: str
    """The region whose service this is, e.g. "eu-central-1"."""
    prefix: str = ""
    """The path under which all secrets of this store lie, "" for the root."""
    endpoint_url: str | None = None
    """Another address of the service, https; http only on this machine, for emulators. None for the region's own."""
    kms_key_id: str | None = None
    """The KMS key to encrypt with: id, ARN or alias. None for the account's default key of the service."""
    readable: bool = False
    """Whether the role may read and decrypt values. Without it the store is write-only."""
    deletable: bool = False
    """Whether the role may delete secrets; in Secrets Manager also restore them, to put over a scheduled deletion."""
    layout: Literal["json", "raw"] = "json"
    """`json`: all values in one JSON object. `raw`: the single value `raw_key`, as it is."""
    raw_key: str = "value"
    """With `layout = "raw"`, the one key that every secret has."""
    binary: Literal["refuse", "base64"] = "refuse"
    """With `layout = "json"`, what becomes of values that are not UTF-8 text."""
    max_plaintext: int | None = None
    """Largest padded plaintext in bytes; None for what always fits. See docs/stores/aws.md, Limits."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if _REGION.fullmatch(self.region) is None:
            raise ValueError("`region` must be a region's code, e.g. eu-central-1")
        if self.endpoint_url is not None and _ENDPOINT.fullmatch(self.endpoint_url) is None:
            raise ValueError("`endpoint_url` must be https://HOST[:PORT], or http://127.0.0.1:PORT for an emulator")
        if self.kms_key_id is not None and _KMS_KEY.fullmatch(self.kms_key_id) is None:
            raise ValueError("`kms_key_id` must be the id, ARN or alias of a KMS key")
        if self.layout == "raw" and self.binary != "refuse":
            raise ValueError('`binary = "base64"` works with `layout = "json"` only')
        if self.max_plaintext is not None:
            check_max_plaintext(self.max_plaintext)
        check_field("raw_key", check_key, self.raw_key)
        if self.prefix:
            check_field("prefix", parse_path, self.prefix)


class SecretsManagerConfig(AwsConfig, frozen=True, forbid_unknown_fields=True):
    """The `[engine]` table for `type = "aws-secretsmanager"`."""

    recovery_window_days: int = 30
    """For how many days a soft deletion can be undone, 7 to 30."""
    restorable: bool = False
    """Whether secrets can be undeleted and, in a store that can read, rolled back to the version before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 7 <= self.recovery_window_days <= 30:
            raise ValueError("`recovery_window_days` must be from 7 to 30")


class ParameterStoreConfig(AwsConfig, frozen=True, forbid_unknown_fields=True):
    """The `[engine]` table for `type = "aws-ssm"`."""

    tier: Literal["standard", "advanced"] = "standard"
    """`standard` holds 4,096 bytes; `advanced` 8,192, costs money, and a parameter never goes back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if is_reserved(self.prefix):
            raise ValueError("`prefix` must not begin with aws or ssm, in upper or lower case: AWS keeps these names")


def is_reserved(first: str) -> bool:
    """Whether no parameter's name may begin with this segment."""
    return first.lower().startswith(_RESERVED)

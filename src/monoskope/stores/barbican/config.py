"""The `[engine]` table of a reactor whose engine is OpenStack Barbican; docs/stores/barbican.md has its fields."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, check_key
from monoskope.stores.shared.checks import HttpConfig, check_address, check_field
from monoskope.uri import parse_path

_PROJECT = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_MAX_PREFIX = 128


class ApplicationCredential(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="application_credential"
):
    """Log in at Keystone with an application credential, which names its project itself."""

    auth_url: str
    """Keystone's address with its version, e.g. `https://keystone.example:5000/v3`."""
    id: str
    """The application credential's id: a name, not a secret."""
    secret_file: str
    """A file of mode 0600 with its secret."""

    def __post_init__(self) -> None:
        check_address("auth_url", self.auth_url)


class Password(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="password"):
    """Log in at Keystone as a user with a password, for one project."""

    auth_url: str
    """As for an application credential."""
    username: str
    """The user's name."""
    password_file: str
    """A file of mode 0600 with the password."""
    project_id: str
    """The id of the project that the secrets belong to."""
    user_domain: str = "Default"
    """The name of the domain that the user is in."""

    def __post_init__(self) -> None:
        check_address("auth_url", self.auth_url)


class NoLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="none"):
    """For a Barbican without authentication, in tests only: every program that reaches it can read everything."""

    project_id: str
    """The project that the secrets belong to."""

    def __post_init__(self) -> None:
        if _PROJECT.fullmatch(self.project_id) is None:
            raise ValueError("`project_id` must be 1 to 255 letters, digits, '.', '_' and '-'")


class BarbicanConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where Barbican is, how to log in, and how secrets lie there."""

    address: str
    """Barbican's address without its version, e.g. `https://barbican.example:9311`. Plain http is refused."""
    auth: ApplicationCredential | Password | NoLogin
    """How to log in: a table whose `method` names one of the ways below."""
    ca_file: str | None = None
    """The certificates to trust, for Keystone too, PEM; None for those of the operating system."""
    prefix: str = ""
    """What the names of this store's secrets begin with, up to a slash; "" for nothing."""
    readable: bool = False
    """Whether to read values back. Without it the store is write-only."""
    layout: Literal["json", "raw"] = "json"
    """`json`: one JSON object with all keys. `raw`: the value of the one key `raw_key`, and nothing else."""
    raw_key: str = "value"
    """The key of every secret under the layout `raw`."""
    keep_versions: int = 10
    """How many secrets of one name are kept, the current one included."""
    max_secret_bytes: int = 20_000
    """The server's `max_allowed_secret_in_bytes`; its `max_allowed_request_size_in_bytes` is a quarter more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_address("address", self.address)
        check_field("raw_key", check_key, self.raw_key)
        if self.prefix:
            check_field("prefix", parse_path, self.prefix)
        if len(self.prefix) > _MAX_PREFIX:
            raise ValueError(f"`prefix` may have {_MAX_PREFIX} characters: Barbican's names have 255 in all")
        if not 1 <= self.keep_versions <= 50:
            raise ValueError("`keep_versions` must be from 1 to 50")
        if not 1_000 <= self.max_secret_bytes <= 4 * MAX_PADDED:
            raise ValueError(f"`max_secret_bytes` must be from 1000 to {4 * MAX_PADDED}")

    @property
    def max_plaintext(self) -> int:
        """The largest padded plaintext in bytes that fits whatever is in it: as base64 it grows by a third."""
        size = MIN_PADDED
        while size < MAX_PADDED and 2 * size * 4 // 3 + 4 <= self.max_secret_bytes:
            size *= 2
        return size

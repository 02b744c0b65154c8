"""What several drivers do alike: check `[engine]` tables and texts, open, and refuse what they cannot do."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Self

import msgspec

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, is_padded_size
from monoskope.stores.driver import (
    CannotReadError,
    Capabilities,
    DriverError,
    StoreDriver,
    StoreRefusedError,
    UnsupportedError,
)

_HOST = r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_ADDRESS = re.compile(_HOST + r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time limits of requests to an engine."""

    connect_timeout_s: float = 5.0
    """How long connecting, with TLS, may take."""
    timeout_s: float = 10.0
    """How long one request may take in all."""

    def __post_init__(self) -> None:
        if not (0 < self.connect_timeout_s <= 30 and 0 < self.timeout_s <= 30):
            raise ValueError("`connect_timeout_s` and `timeout_s` must be above 0 and at most 30")


def check_max_plaintext(size: int) -> None:
    """Raise `ValueError` unless `size` is one of 512, 1,024, … 1,048,576."""
    if not is_padded_size(size):
        raise ValueError(f"`max_plaintext` must be a power of two from {MIN_PADDED} to {MAX_PADDED}")


def check_address(field: str, text: str) -> None:
    """Raise `ValueError` that names the field unless `text` is an address with TLS and nothing more than a path."""
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError(
            f"`{field}` must be https://HOST, with a port and a path if there is one, without a / at its end"
        )


def check_field(name: str, check: Callable[[str], object], text: str) -> None:
    """Raise `ValueError` that names the field if `check` refuses its `text`."""
    try:
        check(text)
    except UsageError as error:
        raise ValueError(f"`{name}`: {error.message}") from None


MAX_LISTED = 50_000
"""How many names below one path a driver lists at most."""


def too_many_names() -> StoreRefusedError:
    """Return the error for a path with more than `MAX_LISTED` names below it."""
    return StoreRefusedError("below this path are more names than a driver lists.", fix="List a path below it.")


def is_text(value: bytes) -> bool:
    """Whether `value` is valid UTF-8."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def could_be_base64(text: str) -> bool:
    """Whether `text` is what standard base64 makes of bytes that are not text."""
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return base64.b64encode(value).decode("ascii") == text and not is_text(value)


def unique_version(what: str) -> str:
    """Return a text that is given once, for an engine without versions: when and how it came up, and chance."""
    return f"{what}@{time.time_ns()}-{secrets.token_hex(8)}"


class OurDriver(StoreDriver):
    """What the drivers of this package share: how they open, and what they refuse by their capabilities."""

    _capabilities: Capabilities
    """Set when the driver is made."""

    @property
    def capabilities(self) -> Capabilities:
        """See `StoreDriver.capabilities`."""
        return self._capabilities

    async def opened(self, begin: Awaitable[None] | None = None) -> Self:
        """Return this driver once it has begun and its engine serves it; close it if the engine does not."""
        try:
            if begin is not None:
                await begin
            await self.health()
        except BaseException:
            await self.close()
            raise
        return self

    async def _version_after(self, path: tuple[str, ...], otherwise: str) -> str:
        """Return the version that is there after an act; if it cannot be read, `otherwise`: the act does not show."""
        try:
            return await self.read_version(path)
        except DriverError:
            return otherwise

    def _require_readable(self) -> None:
        if not self._capabilities.readable:
            raise CannotReadError("this store is write-only.")

    def _require_deletable(self) -> None:
        if not (self._capabilities.deletable or self._capabilities.soft_delete):
            raise UnsupportedError(
                "this store is not configured to delete.", fix="The store's operator can allow it: deletable."
            )

    def _require_restorable(self, *, by_reading: bool = False) -> None:
        """Refuse an undeletion, or with `by_reading` a rollback, where the store is not configured for it."""
        if not self._capabilities.undeletable:
            raise UnsupportedError("this store is not configured to bring back what was there.")
        if by_reading and not self._capabilities.readable:
            raise UnsupportedError("this store is write-only.")

    def _require_listable(self) -> None:
        if not self._capabilities.listable:
            raise UnsupportedError(
                "this store is not configured to list names.",
                fix="Set listable = true, and grant what `m8 reactor policy` prints.",
            )

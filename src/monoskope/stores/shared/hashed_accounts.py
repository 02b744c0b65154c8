"""What drivers of accounts share whose engine keeps a hash of each password and nothing else of a write.

So there are no versions, no check-and-set and no write tag, nothing can be read, and `matches` alone tells what is
there.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence

from monoskope.protocol.payload import MIN_PADDED, Payload
from monoskope.stores.driver import NOTHING, Capabilities, Snapshot, StoreRefusedError, UnsupportedError
from monoskope.stores.shared.accounts import KEY, KEY_RULE, check_password
from monoskope.stores.shared.checks import OurDriver, unique_version

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A segment of a path."""


def check_name(field: str, text: str) -> None:
    """Raise `ValueError` that names the setting unless its `text` could be an account's name here."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"`{field}` must be 1 to 64 letters, digits, '_', '.' and '-', none of the last two first")


class HashedAccountStore(OurDriver):
    """See `StoreDriver`.

    Args:
        layout: As in `Capabilities`.
        own: Names that are never an account of the store.
    """

    of_accounts = True

    def __init__(self, layout: str, own: frozenset[str]) -> None:
        self._own = own
        self._capabilities = Capabilities(
            max_plaintext=MIN_PADDED,
            check_and_set=False,
            write_tag=False,
            readable=False,
            key_rule=KEY_RULE,
            matches=True,
            versions=False,
            layout=layout,
        )

    @abstractmethod
    async def _state(self, name: str, password: bytes | None) -> tuple[bool, bool]:
        """Return whether the account has a password, and whether it is this one. Raises as `matches`."""

    @abstractmethod
    async def _replace(self, name: str, password: bytes) -> None:
        """Set the password, whatever was there. Raises as `write`."""

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, a path that is no account's name, and the store's own accounts."""
        if options is not None:
            raise StoreRefusedError("an account takes no options.", fix="Leave them out.")
        if len(path) != 1 or _NAME.fullmatch(path[0]) is None:
            raise StoreRefusedError(
                "a path in this store is the name of one account, of at most 64 characters.", fix="Correct the path."
            )
        if path[0] in self._own:
            raise StoreRefusedError("this account can never be one of the store's.", fix="Name another one.")

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse all but one password of 20 to 128 printable characters."""
        del remove
        self.check(path, options)
        if payload is not None:
            check_password(payload)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return a new text if the account has a password, else `NOTHING`."""
        self.check(path, None)
        has_one, _ = await self._state(path[0], None)
        return unique_version("seen") if has_one else NOTHING

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`; whatever is there is replaced. An account that is locked stays so."""
        del write_tag
        self.check_payload(path, payload, remove=None, options=options)
        if replacing is not None:
            raise UnsupportedError("this engine has no versions, so no version can be named as the one to replace.")
        await self._replace(path[0], payload[KEY])
        return unique_version("put")

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """See `StoreDriver.matches`."""
        self.check_payload(path, payload, remove=None, options=None)
        has_one, is_same = await self._state(path[0], payload[KEY])
        return (unique_version("seen") if has_one else NOTHING), is_same

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """Raises `CannotReadError`: nobody can read a password back."""
        del path
        self._require_readable()
        raise AssertionError("this store is never readable")

    async def close(self) -> None:
        """Do nothing: no connection stays open."""

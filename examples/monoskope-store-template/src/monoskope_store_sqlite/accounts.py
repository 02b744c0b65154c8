"""The driver `sqlite-accounts`: a path is an account, its one value the password, and the file keeps a hash.

It shows what a driver of accounts has besides. A real one refuses the account by which it logs in itself, too, and one
that is not there; its engine compares, so that the reactor never reads a hash.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Any

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, CannotReadError, Capabilities, Snapshot, StoreRefusedError
from monoskope.stores.shared.accounts import KEY, KEY_RULE, check_password
from monoskope_store_sqlite.store import SqliteStore


class SqliteAccounts(SqliteStore):
    """See `StoreDriver`."""

    kind = "sqlite-accounts"
    of_accounts = True  # so the reactor demands [signers], and serves only what [accounts] names

    @property
    def capabilities(self) -> Capabilities:
        """Nothing can be read; `matches` stands in for it."""
        layout = "One row a password in a SQLite file, as a salted hash."
        return dataclasses.replace(super().capabilities, readable=False, matches=True, key_rule=KEY_RULE, layout=layout)

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, and a path that is no account's name."""
        super().check(path, options)
        if len(path) != 1:
            raise StoreRefusedError("a path in this store is the name of one account.", fix="Correct the path.")

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse all but one password of 20 to 128 printable characters."""
        super().check_payload(path, payload, remove=remove, options=options)
        if payload is not None:
            check_password(payload)

    async def write(self, path: tuple[str, ...], payload: Payload, **rest: Any) -> str:  # noqa: ANN401 - passed on
        """See `StoreDriver.write`: the password itself goes nowhere."""
        check_password(payload)
        salt = os.urandom(16)
        return await super().write(path, Payload({"salt": salt, "hash": _hash(salt, payload)}), **rest)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """Raises `CannotReadError`: nobody can read a password back."""
        del path
        raise CannotReadError("an account's password cannot be read.")

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """See `StoreDriver.matches`."""
        check_password(payload)
        there = await self._newest(path)
        if there is None:
            return NOTHING, False
        candidate = _hash(there.payload["salt"], payload)
        return there.version, hmac.compare_digest(candidate, there.payload["hash"])


def _hash(salt: bytes, payload: Payload) -> bytes:
    # Passwords are random and long: a slow hash would gain nothing.
    return hashlib.sha256(salt + payload[KEY]).digest()

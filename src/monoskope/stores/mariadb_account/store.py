"""The driver `mariadb-account`: accounts of MariaDB, whose one value is the password.

A write sends the hash of the plugin `ed25519`, never the password. The hash has no salt, and MariaDB keeps nothing else
of a write: so there are no versions, no check-and-set and no write tag, nothing can be read, and `matches` alone tells
what is there. Two procedures in the database do all.

Round trips, besides connecting: 1 for each verb.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from monoskope.errors import docs_page
from monoskope.protocol.payload import MIN_PADDED, Payload
from monoskope.stores.driver import (
    NOTHING,
    PLACEHOLDER,
    CannotReadError,
    Capabilities,
    Snapshot,
    StoreRefusedError,
    UnsupportedError,
)
from monoskope.stores.mariadb_account.config import MariadbAccountConfig, is_name
from monoskope.stores.mariadb_account.database import Database
from monoskope.stores.mariadb_account.hashes import ed25519
from monoskope.stores.mariadb_account.procedures import least_rights
from monoskope.stores.shared.accounts import KEY, KEY_RULE, check_password
from monoskope.stores.shared.checks import OurDriver, unique_version

_NO_HASH = "-"
"""A candidate that no hash is."""


class MariadbAccountStore(OurDriver):
    """See `StoreDriver`, and docs/stores/mariadb-account.md for configuration, rights and what stays visible."""

    kind = "mariadb-account"
    Config = MariadbAccountConfig
    of_accounts = True

    example_notes = f"""\
# A store of accounts starts only with [signers], and with the procedures that `m8 reactor policy` prints:
# {docs_page("stores/mariadb-account.md")}
"""

    def __init__(self, config: MariadbAccountConfig, database: Database) -> None:
        self._config = config
        self._database = database
        self._capabilities = Capabilities(
            max_plaintext=MIN_PADDED,
            check_and_set=False,
            write_tag=False,
            readable=False,
            key_rule=KEY_RULE,
            matches=True,
            versions=False,
            layout=f"the password of an account at {config.account_host}, as a hash of the plugin ed25519.",
        )

    def __repr__(self) -> str:
        return f"<MariadbAccountStore {self._config.host} as {self._config.user}>"

    @classmethod
    async def open(cls, config: MariadbAccountConfig, *, state_dir: Path) -> Self:
        """Connect, and see that the reactor's account may execute the procedures. `state_dir` is not used.

        Raises:
            StoreRefusedError: a file, the login or the procedures are not as they must be; the message says which.
            StoreUnavailableError: the database does not answer.
        """
        del state_dir
        return await cls(config, Database(config)).opened()

    @classmethod
    def policy(cls, config: MariadbAccountConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`: the procedures and grants, as SQL for the client `mariadb`."""
        return least_rights(config, ["/".join(prefix) for prefix in prefixes])

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return {
            "host": "127.0.0.1:3306",
            "user": PLACEHOLDER,
            "password_file": str(folder / "password"),
            "account_host": "%",
        }

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, a path that is no account's name, and the reactor's own account."""
        if options is not None:
            raise StoreRefusedError("an account takes no options.", fix="Leave them out.")
        if len(path) != 1 or not is_name(path[0]):
            raise StoreRefusedError(
                "a path in this store is the name of one account, of at most 64 characters.", fix="Correct the path."
            )
        if path[0] == self._config.user:
            raise StoreRefusedError("this is the account by which the store itself logs in.", fix="Name another one.")

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
        return (await self._state(path, _NO_HASH))[0]

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
        await self._database.call("replace", path[0], ed25519(payload[KEY]), writes=True)
        return unique_version("put")

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """See `StoreDriver.matches`: the database compares, and tells no hash."""
        self.check_payload(path, payload, remove=None, options=None)
        version, kept_by, is_same = await self._state(path, ed25519(payload[KEY]))
        if kept_by not in {"", "ed25519"}:
            raise CannotReadError("the account's password lies there in another form than this store writes.")
        return version, is_same

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """Raises `CannotReadError`: nobody can read a password back."""
        del path
        self._require_readable()
        raise AssertionError("this store is never readable")

    async def health(self) -> bool:
        """Call both procedures for no account: they refuse that, and not the caller."""
        await self._database.may_execute("state", "replace")
        return True

    async def close(self) -> None:
        """Do nothing: no connection stays open."""

    async def _state(self, path: tuple[str, ...], candidate: str) -> tuple[str, str, bool]:
        """Return the version, the plugin that keeps the password, and whether its hash is `candidate`."""
        kept_by, is_same = await self._database.call("state", path[0], candidate)
        return (unique_version("seen") if kept_by else NOTHING), str(kept_by), bool(is_same)

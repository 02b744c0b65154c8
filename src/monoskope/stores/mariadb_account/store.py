"""The driver `mariadb-account`: accounts of MariaDB, whose one value is the password.

A write sends the hash of the plugin `ed25519`, never the password. The hash has no salt, and MariaDB keeps nothing else
of a write: so there are no versions, no check-and-set and no write tag, nothing can be read, and `matches` alone tells
what is there. Two procedures in the database do all.

Round trips, besides connecting: 1 for each verb.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from monoskope.errors import docs_page
from monoskope.stores.driver import PLACEHOLDER, CannotReadError
from monoskope.stores.mariadb_account.config import MariadbAccountConfig
from monoskope.stores.mariadb_account.database import Database
from monoskope.stores.mariadb_account.hashes import ed25519
from monoskope.stores.mariadb_account.procedures import least_rights
from monoskope.stores.shared.hashed_accounts import HashedAccountStore

_NO_HASH = "-"
"""A candidate that no hash is."""


class MariadbAccountStore(HashedAccountStore):
    """See `StoreDriver`, and docs/stores/mariadb-account.md for configuration, rights and what stays visible."""

    kind = "mariadb-account"
    Config = MariadbAccountConfig

    example_notes = f"""\
# A store of accounts starts only with [signers], and with the procedures that `m8 reactor policy` prints:
# {docs_page("stores/mariadb-account.md")}
"""

    def __init__(self, config: MariadbAccountConfig, database: Database) -> None:
        layout = f"the password of an account at {config.account_host}, as a hash of the plugin ed25519."
        super().__init__(layout, own=frozenset({config.user}))
        self._config = config
        self._database = database

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
            "host": PLACEHOLDER,
            "user": PLACEHOLDER,
            "password_file": str(folder / "password"),
            "account_host": "%",
        }

    async def health(self) -> bool:
        """Call both procedures for no account: they refuse that, and not the caller."""
        await self._database.may_execute("state", "replace")
        return True

    async def _state(self, name: str, password: bytes | None) -> tuple[bool, bool]:
        """See `HashedAccountStore`: the database compares, and tells no hash."""
        candidate = _NO_HASH if password is None else ed25519(password)
        kept_by, is_same = await self._database.call("state", name, candidate)
        if password is not None and kept_by not in {"", "ed25519"}:
            raise CannotReadError("the account's password lies there in another form than this store writes.")
        return bool(kept_by), bool(is_same)

    async def _replace(self, name: str, password: bytes) -> None:
        """See `HashedAccountStore`."""
        await self._database.call("replace", name, ed25519(password), writes=True)

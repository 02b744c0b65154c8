"""The driver `rabbitmq-account`: users of RabbitMQ, whose one value is the password.

A write sends salt and hash, never the password. The salt has 32 bits, too few to name a write, and RabbitMQ keeps
nothing else of it.

Round trips: `read_version` and `matches` 1, `write` 2.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from monoskope.errors import docs_page
from monoskope.stores.driver import PLACEHOLDER, CannotReadError, StoreRefusedError
from monoskope.stores.rabbitmq_account.config import RabbitmqAccountConfig
from monoskope.stores.rabbitmq_account.users import ALGORITHM, User, Users
from monoskope.stores.shared.hashed_accounts import HashedAccountStore

_SALT_BYTES = 4
_POWERFUL = "administrator"

_POLICY = """\
# RabbitMQ knows no smaller right for this: whoever steals this user's password may do everything there. It
# needs no permissions in any virtual host. First make the user, if it is not there; this asks for the password:
#   rabbitmqctl add_user {user}
rabbitmqctl set_user_tags {user} administrator
"""


def hashed(password: bytes, salt: bytes) -> bytes:
    """Return what RabbitMQ keeps of a password: the salt of 4 bytes and SHA-256 of both."""
    return salt + sha256(salt + password).digest()


class RabbitmqAccountStore(HashedAccountStore):
    """See `StoreDriver`, and docs/stores/rabbitmq-account.md for configuration, rights and races."""

    kind = "rabbitmq-account"
    Config = RabbitmqAccountConfig

    example_notes = f"""\
# A store of accounts starts only with [signers], and as a user whom `m8 reactor policy` makes an administrator:
# {docs_page("stores/rabbitmq-account.md")}
"""

    def __init__(self, config: RabbitmqAccountConfig, users: Users) -> None:
        super().__init__("the password of a user of RabbitMQ, as a salted SHA-256 hash.", frozenset({config.user}))
        self._config = config
        self._users = users

    def __repr__(self) -> str:
        return f"<RabbitmqAccountStore {self._config.address} as {self._config.user}>"

    @classmethod
    async def open(cls, config: RabbitmqAccountConfig, *, state_dir: Path) -> Self:
        """Log in, and see that the reactor's user is an administrator. `state_dir` is not used.

        Raises:
            StoreRefusedError: a file, the login or the address is not as it must be; the message says which.
            StoreUnavailableError: RabbitMQ does not answer.
        """
        del state_dir
        return await cls(config, Users(config)).opened()

    @classmethod
    def policy(cls, config: RabbitmqAccountConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`: a shell script. RabbitMQ cannot limit it to names."""
        del prefixes
        return _POLICY.format(user=config.user)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return {
            "address": PLACEHOLDER,
            "user": PLACEHOLDER,
            "password_file": str(folder / "password"),
        }

    async def health(self) -> bool:
        """Look at the reactor's own user, which takes the same right as all else."""
        await self._users.user(self._config.user)
        return True

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._users.close()

    async def _state(self, name: str, password: bytes | None) -> tuple[bool, bool]:
        kept = await self._account(name)
        if password is None or not kept.hash:
            return bool(kept.hash), False
        if kept.algorithm != ALGORITHM:
            raise CannotReadError("the account's password lies there in another form than this store writes.")
        return True, hmac.compare_digest(kept.hash, hashed(password, kept.hash[:_SALT_BYTES]))

    async def _replace(self, name: str, password: bytes) -> None:
        await self._users.replace(await self._account(name), hashed(password, secrets.token_bytes(_SALT_BYTES)))

    async def _account(self, name: str) -> User:
        """Return a user who is no administrator: nothing is told of others, and nothing is changed."""
        user = await self._users.user(name)
        if _POWERFUL in user.tags:
            raise StoreRefusedError(
                "this account has rights that no account of a store may have.",
                fix="Take the tag administrator from it, or use another account.",
            )
        return user

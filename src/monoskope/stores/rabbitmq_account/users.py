"""Requests for users to RabbitMQ's management API, and what its failures mean.

https://www.rabbitmq.com/docs/http-api-reference has them, and https://www.rabbitmq.com/docs/passwords the hash.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import msgspec

from monoskope.stores.driver import UnknownOutcomeError
from monoskope.stores.rabbitmq_account.config import RabbitmqAccountConfig
from monoskope.stores.shared.accounts import own_password
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer, Refusal, expect_ok
from monoskope.stores.shared.trust import trusting

ALGORITHM = "rabbit_password_hashing_sha256"
"""What RabbitMQ calls the hash that this store writes."""

_NO_USER = Refusal("RabbitMQ has no such user.", "Create it there, or correct the path, or the store's address.")
_REFUSALS = {
    401: Refusal(
        "RabbitMQ does not let the reactor's user in as an administrator.",
        "Check user and password_file, and run there what `m8 reactor policy` prints.",
    ),
    404: _NO_USER,
    405: _NO_USER,
}
_REFUSED = Refusal("RabbitMQ refused the request.", "Look into its log for the reason.")
_CREATED = 201


class User(msgspec.Struct, frozen=True):
    """A user as RabbitMQ keeps it."""

    name: str
    tags: list[str]
    hash: bytes = msgspec.field(name="password_hash")
    """Salt and hash of the password, empty without one."""
    algorithm: str = msgspec.field(name="hashing_algorithm")

    def __repr__(self) -> str:
        return f"<User {self.name}>"


class Users(EngineHttp):
    """The users of one RabbitMQ. Made inside a running event loop; `close` it.

    Raises:
        StoreRefusedError: `ca_file` or `password_file` cannot be used.
    """

    engine = "RabbitMQ"
    redirect_fix = "Set address to the management API itself."

    def __init__(self, config: RabbitmqAccountConfig) -> None:
        super().__init__(trusting(config.ca_file), config)
        self._users = f"{config.address}/api/users/"
        self._user, self._password_file = config.user, Path(config.password_file)
        own_password(self._password_file)

    async def user(self, name: str) -> User:
        """Return a user. Raises as `EngineHttp.exchange`, and `StoreRefusedError` if there is none."""
        answer = await self._send("GET", name)
        try:
            return msgspec.json.decode(answer.raw, type=User)
        except msgspec.DecodeError:
            # Some names lead to another part of the API, such as `without-permissions`.
            raise _NO_USER.error() from None

    async def replace(self, user: User, new: bytes) -> None:
        """Set salt and hash of a user's password, and leave the tags as they were. Raises as `EngineHttp.exchange`."""
        wanted = {"password_hash": new, "hashing_algorithm": ALGORITHM, "tags": user.tags}
        answer = await self._send("PUT", user.name, msgspec.json.encode(wanted))
        if answer.status == _CREATED:
            raise UnknownOutcomeError("the user was deleted meanwhile, and is there again.", fix="Look at it there.")

    async def _send(self, method: str, name: str, content: bytes | None = None) -> HttpAnswer:
        login = b64encode(f"{self._user}:{own_password(self._password_file)}".encode()).decode("ascii")
        headers = {"Authorization": f"Basic {login}", "Accept": JSON, "Content-Type": JSON}
        answer = await self.exchange(method, self._users + name, headers, content, writes=content is not None)
        expect_ok(answer, _REFUSALS, otherwise=_REFUSED)
        return answer

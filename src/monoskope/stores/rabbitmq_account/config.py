"""The `[engine]` table of a reactor whose engine is RabbitMQ's users; docs/stores/rabbitmq-account.md has it."""

from __future__ import annotations

from monoskope.stores.shared.checks import HttpConfig, check_address
from monoskope.stores.shared.hashed_accounts import check_name


class RabbitmqAccountConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where the management API is, and the administrator by whom the reactor logs in."""

    address: str
    """The management API's address without `/api`, e.g. `https://rabbitmq.example:15671`. Plain http is refused."""
    user: str
    """The reactor's own user, with the tag `administrator`. It can never be an account of this store."""
    password_file: str
    """A file of mode 0600 with its password in one line. It is read for each request."""
    ca_file: str | None = None
    """The certificates to trust, PEM; None for those of the operating system."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_address("address", self.address)
        check_name("user", self.user)

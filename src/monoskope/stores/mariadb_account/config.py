"""The `[engine]` table of a reactor whose engine is MariaDB's accounts; docs/stores/mariadb-account.md has it."""

from __future__ import annotations

import re

from monoskope.host_port import HostPort
from monoskope.stores.shared.checks import HttpConfig, check_field
from monoskope.stores.shared.hashed_accounts import check_name

_HOST = re.compile(r"[a-z0-9.%:/_-]{1,60}", re.ASCII)


class MariadbAccountConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where MariaDB is, and the account that may execute two procedures there and nothing else."""

    host: str
    """The server that takes writes, `host:port`, or the path of a Unix socket. TLS is used but towards a socket."""
    user: str
    """The reactor's own account. Its name can never be an account of this store, at any host."""
    password_file: str
    """A file of mode 0600 with its password in one line. It is read for each connection."""
    user_host: str = "%"
    """From where the reactor's own account may connect, as MariaDB writes it."""
    account_host: str = "%"
    """The host of all accounts of this store: `orders_a` stands for `'orders_a'@'%'`, and for no other."""
    schema: str = "m8_accounts"
    """The schema of the procedures. `m8 reactor policy` makes it anew."""
    ca_file: str | None = None
    """The certificates to trust, PEM; None for those of the operating system."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.host.startswith("/"):
            check_field("host", HostPort.parse, self.host)
        for field in ("user", "schema"):
            check_name(field, getattr(self, field))
        for field in ("user_host", "account_host"):
            if _HOST.fullmatch(getattr(self, field)) is None:
                raise ValueError(f"`{field}` must be a host as MariaDB keeps it, in lower case, such as % or 10.0.0.%")
        if self.schema in {"mysql", "sys", "information_schema", "performance_schema"}:
            raise ValueError("`schema` must be one of its own: `m8 reactor policy` makes it anew")

"""The `[engine]` table of a reactor whose engine is PostgreSQL's roles; docs/stores/postgresql-account.md has it."""

from __future__ import annotations

import re

from monoskope.host_port import HostPort
from monoskope.stores.shared.checks import HttpConfig, check_field

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}", re.ASCII)
_DEFAULT_PORT = 5432


def is_name(text: str) -> bool:
    """Whether `text` can be a segment of a path, and is no longer than PostgreSQL's names: 63 bytes."""
    return _NAME.fullmatch(text) is not None


class PostgresqlAccountConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where PostgreSQL is, and the role that may execute two functions there and nothing else."""

    hosts: list[str]
    """The servers of one database, `host:port`, or the folder of a Unix socket; the one that takes writes is used."""
    user: str
    """The reactor's own role. It can never be an account of this store."""
    password_file: str | None = None
    """A file of mode 0600 with its password in one line. It is read for each connection."""
    certificate_file: str | None = None
    """A client certificate by which it logs in, besides or instead of a password, and those above it; PEM."""
    key_file: str | None = None
    """A file of mode 0600 with that certificate's key, PEM. Both are read for each connection."""
    database: str = "postgres"
    """The database that has the functions. Roles are the same in all databases of a server."""
    schema: str = "m8_accounts"
    """The schema of the functions. `m8 reactor policy` makes it anew."""
    ca_file: str | None = None
    """The certificates to trust, PEM; None for those of the operating system. TLS is used but towards a socket."""
    deletable: bool = False
    """Whether a password may be deleted. Then nobody logs in with one; sessions go on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hosts:
            raise ValueError("`hosts` must name at least one server")
        for host in self.hosts:
            check_field("hosts", address_of, host)
        for field in ("user", "database", "schema"):
            if not is_name(getattr(self, field)):
                raise ValueError(
                    f"`{field}` must be 1 to 63 letters, digits, '_', '.' and '-', none of the last two first"
                )
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` belong together")
        if self.password_file is None and self.key_file is None:
            raise ValueError("`password_file` must name a file, or `certificate_file` and `key_file`")
        if self.schema.startswith("pg_") or self.schema in {"public", "information_schema"}:
            raise ValueError("`schema` must be one of its own: `m8 reactor policy` makes it anew")


def address_of(text: str) -> tuple[str, int]:
    """Return host and port of one of `hosts`; of a socket its folder. Raises `UsageError`."""
    if text.startswith("/"):
        return text, _DEFAULT_PORT
    found = HostPort.parse(text)
    return found.host, found.port

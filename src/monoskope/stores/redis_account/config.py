"""The `[engine]` table of a reactor whose engine is Redis's accounts; docs/stores/redis-account.md has it."""

from __future__ import annotations

from monoskope.host_port import HostPort
from monoskope.stores.shared.checks import HttpConfig, check_field
from monoskope.stores.shared.hashed_accounts import check_name


class RedisAccountConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where all nodes of one Redis are, and the account that may change accounts there."""

    nodes: list[str]
    """Every node to which programs log in, replicas too: `host:port`, or the path of a Unix socket. Redis copies no
    account from one to another. TLS is used but towards a socket."""
    user: str
    """The reactor's own account, the same on all nodes. It can never be an account of this store; nor can `default`."""
    password_file: str
    """A file of mode 0600 with its password in one line. It is read for each connection."""
    certificate_file: str | None = None
    """A client certificate that a node asks for besides, and those above it; PEM."""
    key_file: str | None = None
    """A file of mode 0600 with that certificate's key, PEM. Both are read for each connection."""
    ca_file: str | None = None
    """The certificates to trust, PEM; None for those of the operating system."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.nodes or len(set(self.nodes)) < len(self.nodes):
            raise ValueError("`nodes` must name at least one node, and each once")
        for node in self.nodes:
            if not node.startswith("/"):
                check_field("nodes", HostPort.parse, node)
        check_name("user", self.user)
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` belong together")

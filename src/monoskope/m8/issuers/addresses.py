"""Addresses of issuers: `https://` and nothing else, parsed once."""

from __future__ import annotations

import re
from typing import Self

from monoskope.host_port import HostPort, is_host
from monoskope.value import Value

_URL = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?(?P<query>\?[A-Za-z0-9._~%:@!$&'()*+,;=/?-]*)?",
    re.ASCII,
)
MAX_URL = 255
"""Characters of an address at most."""


class HttpsUrl(Value, frozen=True):
    """An address of HTTPS, without a login and without a fragment."""

    host: str
    """In lower case."""
    port: int
    target: str
    """The path, with the query."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the address that `text` is, None if it is none."""
        match = _URL.fullmatch(text)
        if match is None or len(text) > MAX_URL:
            return None
        host, port = match["host"].removeprefix("[").removesuffix("]").lower(), match["port"] or "443"
        if not is_host(host) or not 1 <= int(port) <= 65_535:
            return None
        return cls(host, int(port), (match["path"] or "/") + (match["query"] or ""))

    @property
    def has_query(self) -> bool:
        """Whether it has a query."""
        return "?" in self.target

    @property
    def server(self) -> HostPort:
        """The server, without the path."""
        return HostPort(self.host, self.port)

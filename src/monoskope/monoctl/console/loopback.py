"""Where a console listens: at an address of loopback that no browser has met before.

A browser remembers pages by their origin, which is scheme, host and port. Whoever served the same origin earlier, such
as another user of the machine to whose server some web page sent this browser, may have left something behind: a
service worker, pages to be kept for a year, a connection that is still open. The browser would show that in place of
our page, with our link's token. The 16 million addresses of 127.0.0.0/8 all lead back to this machine, on Linux and
Windows, and nobody can have prepared all of them for all ports.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from ipaddress import IPv4Address

USUAL = "127.0.0.1"
"""Where other systems have the only address of loopback, and where tunnels lead to."""

_FIRST = int(IPv4Address("127.0.0.2"))
_LAST = int(IPv4Address("127.255.255.254"))


def hosts(*, is_own: bool) -> Iterator[str]:
    """Yield the addresses at which to try to listen, the best first.

    Args:
        is_own: Whether an address that nobody knows will do. It does not where the user must tell a tunnel of it.
    """
    if is_own:
        yield str(IPv4Address(_FIRST + secrets.randbelow(_LAST - _FIRST + 1)))
    yield USUAL

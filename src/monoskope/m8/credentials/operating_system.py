"""Who works at the server's own command line, as the operating system knows them: `m8/os/NAME`.

NAME is the account that the process runs as. If `sudo` started it, the record also says for whom:
`m8/os/m8/sudo/anna`. The account is a fact; what stands behind `sudo` is the word of an environment variable, which
a user of that account can set at will.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
_PREFIX = "m8/os"


def actor(environment: Mapping[str, str] | None = None) -> str:
    """Return whom the log names as the cause of what this process records.

    Args:
        environment: Where `sudo` says who called it; this process's own by default.
    """
    account = _account()
    caller = (os.environ if environment is None else environment).get("SUDO_USER", "")
    if caller == account or not _is_account(caller):
        return f"{_PREFIX}/{account}"
    return f"{_PREFIX}/{account}/sudo/{caller}"


def _account() -> str:
    """Return the name of the account that this process runs as; its number if it has no name that fits the record."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        number = os.geteuid()
    except ImportError:
        return "unknown"
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
    return name if _NAME.fullmatch(name) else str(number)


def _is_account(name: str) -> bool:
    """Whether the operating system knows an account of that name, and the record can hold it as it is."""
    if _NAME.fullmatch(name) is None:
        return False
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        pwd.getpwnam(name)
    except (ImportError, KeyError):
        return False
    return True

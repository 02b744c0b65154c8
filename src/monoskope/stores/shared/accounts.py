"""What drivers do alike whose secrets are accounts: one key, `password`, and names that the administrator allows.

An account's write is the change of its password (docs/stores/postgresql-account.md).
"""

from __future__ import annotations

import re
from pathlib import Path

from monoskope.protocol.payload import Payload
from monoskope.settings import read_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.trust import refused

KEY = "password"
"""The one key of every account."""
KEY_RULE = re.compile(KEY)

_PASSWORD = re.compile(rb"[!-~]{20,128}")


def check_password(payload: Payload) -> None:
    """Raise `StoreRefusedError` unless the one value is a password as accounts take it."""
    if list(payload) != [KEY]:
        raise StoreRefusedError("an account has one key, password.", fix="Put that key and no other.")
    if _PASSWORD.fullmatch(payload[KEY]) is None:
        raise StoreRefusedError(
            "an account's password has 20 to 128 characters from ! to ~.",
            fix="Generate one: monoctl generate secret URI password=password:32.",
        )


def own_password(file: Path) -> str:
    """Return the password by which the store itself logs in. Raises `StoreRefusedError` if the file has none."""
    with refused():
        content = read_private(file, missing="Write the password by which the reactor itself logs in into it.")
    try:
        password = content.removesuffix(b"\n").decode("utf-8")
    except UnicodeDecodeError:
        password = ""
    if not password.isprintable() or not password:
        raise StoreRefusedError(f"{file} does not hold one line of text.", fix="Write the password alone into it.")
    return password


def expression(name: str) -> str:
    """Return a name of `[accounts]` as a regular expression, without backslashes, which databases read differently."""
    return name.replace(".", "[.]").replace("*", "[A-Za-z0-9._-]*")

"""What drivers do alike whose secrets are accounts: one key, `password`, and names that the administrator allows.

An account's write is the change of its password (docs/stores/postgresql-account.md).
"""

from __future__ import annotations

import re

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import StoreRefusedError

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

"""Page tokens: opaque to callers, bound to what they page through, and refused if changed.

A token holds the last key of its page, so the next page begins there, whatever was added meanwhile. It grants nothing:
rights are checked for every page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from monoskope.errors import UsageError

DEFAULT_SIZE = 100

_CHECK_BYTES = 8
_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)
"""So many digits fit in a signed 64-bit integer."""


def page_size(asked: int) -> int:
    """Return the number of items on a page; 0 asks for the default."""
    return asked or DEFAULT_SIZE


def make_token(scope: str, key: str) -> str:
    """Return the token of a page of `scope` that ends with `key`.

    Args:
        scope: Collection, form version and filters, for example `secrets.1:vault://team-a`.
        key: The last key of the page.
    """
    content = key.encode()
    return base64.urlsafe_b64encode(_check(scope, content) + content).decode().rstrip("=")


def read_token(scope: str, token: str) -> str:
    """Return the key in `token`, "" for no token.

    Raises:
        UsageError: it was changed, or belongs to another list or filter.
    """
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check == _check(scope, content):
            return content.decode()
    except (binascii.Error, ValueError):
        pass
    raise _foreign()


def read_position(scope: str, token: str) -> int:
    """Return the position in the log that `token` holds, 0 for no token. Raises `UsageError` as `read_token` does."""
    key = read_token(scope, token) or "0"
    if _POSITION.fullmatch(key) is None:
        raise _foreign()
    return int(key)


def _foreign() -> UsageError:
    return UsageError(
        "page_token: is not one of this list's.", fix="Pass next_page_token unchanged, with the same filters."
    )


def _check(scope: str, content: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + content).digest()[:_CHECK_BYTES]

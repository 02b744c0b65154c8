"""What callers give, checked: values, what they expect upstream, notes, and versions as people type them.

Notes are labels and a day of expiry, given, cleared, or kept as they are. They are not secret.

Some engines number the versions of a path from 1 again after it was deleted. So their versions are texts such as
`7@2026-01-31T12:00:00Z`. A plain `7` stands for the one of these that m8 knows. If m8 lies about it, nothing is written
that `7` does not allow: the reactor compares the whole text with what is upstream.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from enum import Enum

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.errors import NotFoundError, UsageError
from monoskope.lazy import pattern
from monoskope.protocol.notes import Labels, check_day, check_labels
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.request import is_version
from monoskope.uri import SecretUri
from monoskope.value import Value


class Expect(Enum):
    """What must be upstream for a write to happen."""

    ANY = "ANY"
    """Nothing, or what m8 put there last."""
    ABSENT = "ABSENT"
    """Nothing."""
    OVERWRITE = "OVERWRITE"
    """Whatever is there."""


_EXPECTS = {
    Expect.ANY: upload_pb2.EXPECT_ANY,
    Expect.ABSENT: upload_pb2.EXPECT_ABSENT,
    Expect.OVERWRITE: upload_pb2.EXPECT_OVERWRITE,
}


def expectation(expect: Expect | str) -> tuple[upload_pb2.Expect, str]:
    """Return the protocol's form of an expectation; text names an upstream version. Raises `UsageError`."""
    if isinstance(expect, Expect):
        return _EXPECTS[expect], ""
    if not is_version(expect):
        raise UsageError(
            "the expected version is not valid: 1 to 256 printable ASCII characters without spaces.",
            fix="Copy it from `monoctl get secret`.",
        )
    return upload_pb2.EXPECT_VERSION, expect


def expected(expect: Expect | str) -> tuple[upload_pb2.Expect, str]:
    """Return the protocol's form of an expectation that something is there. Raises `UsageError` for ABSENT."""
    if expect is Expect.ABSENT:
        raise UsageError("what is absent cannot be changed or deleted.", fix="Expect a version, or leave it out.")
    return expectation(expect)


def encoded(values: Mapping[str, bytes]) -> bytes:
    """Return the padded plaintext of `values`.

    Raises:
        UsageError: keys outside the rule, none or more than 64, a value that is not bytes, or too much of it.
    """
    for key, value in values.items():
        if not isinstance(value, bytes):
            raise UsageError(f"the value of {key!r} is not bytes.", fix="Encode text, e.g. as UTF-8.")
    return encode(values if isinstance(values, Payload) else Payload(values))


class Notes(Value, frozen=True):
    """What a put says about labels and day of expiry."""

    labels: Labels = ()
    expires_on: str = ""
    keep_labels: bool = False
    keep_expires_on: bool = False

    @classmethod
    def check(cls, labels: Mapping[str, str] | None, expires_on: dt.date | str | None) -> Notes:
        """Return them checked; None keeps, an empty value clears. Raises `UsageError`."""
        day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on or ""
        return cls(
            labels=check_labels((labels or {}).items()),
            expires_on=check_day(day) if day else "",
            keep_labels=labels is None,
            keep_expires_on=expires_on is None,
        )


_SHOWN = r"[0-9]{1,19}|[0-9A-Za-z-]{32,64}"
"""A number, or an id as AWS Secrets Manager gives versions."""
_TYPED = pattern(_SHOWN, re.ASCII)
_WHOLE = pattern(rf"({_SHOWN})@.+", re.ASCII)


def typed(version: str) -> str:
    """Return a version as its engine shows it and people type it: what comes before the `@`, else all of it."""
    found = _WHOLE.fullmatch(version)
    return version if found is None else found[1]


async def whole(expect: Expect | str, uri: SecretUri, queries: Queries) -> Expect | str:
    """Return `expect` with the whole text of the version that it names; unchanged if m8 knows no such version.

    Raises:
        UsageError: several versions of the secret were called so.
    """
    if isinstance(expect, Expect) or _TYPED.fullmatch(expect) is None:
        return expect
    try:
        known = [view async for view in queries.secret_versions(str(uri))]
    except NotFoundError:
        return expect
    texts = list(dict.fromkeys(text for view in known if (text := _text(view)) == expect or typed(text) == expect))
    if expect in texts or not texts:
        return expect
    if len(texts) > 1:
        raise UsageError(
            f"{uri}: {len(texts)} versions were called {expect}: {', '.join(sorted(texts))}.",
            fix="Name the whole version. `monoctl get secret -o wide` shows the one that is there now.",
        )
    return texts[0]


def _text(view: views_pb2.SecretVersion) -> str:
    return view.upstream_version or view.prior_version

"""The versions that people type: what the engine shows, for the text that names one version alone.

Some engines number the versions of a path from 1 again after it was deleted. So their versions are texts such as
`7@2026-01-31T12:00:00Z`. A plain `7` stands for the one of these that m8 knows. If m8 lies about it, nothing is written
that `7` does not allow: the reactor compares the whole text with what is upstream.
"""

from __future__ import annotations

import re

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.purposes.put import Expect
from monoskope.client.queries import Queries
from monoskope.errors import NotFoundError, UsageError
from monoskope.lazy import pattern
from monoskope.uri import SecretUri

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

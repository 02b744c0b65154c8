"""`monoctl put secret PREFIX/ --each`: one secret for each key, as for an env file of more keys than one secret has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from monoskope.client import PutResult
from monoskope.client.purposes import Expect
from monoskope.client.walk.target import check_text
from monoskope.errors import Code, Error, NotTriedError, UsageError
from monoskope.protocol.payload import MAX_KEYS, Payload, encode

KEY = "value"
"""The one key of each secret, the same in all: a reader need not know its name."""
_SHOWN = 10
_NONE_FOLLOWS = frozenset(
    {Code.IDENTITY_CHANGED, Code.NOT_AGREED, Code.UNAUTHENTICATED, Code.UNAVAILABLE, Code.TIMED_OUT}
)
"""Errors that the next secret would meet too."""

Plan = Mapping[str, Mapping[str, bytes]]
"""The values of each URI, in the order in which they are put."""


Put = Callable[..., Awaitable[list[PutResult | Error]]]
"""`Client.put_secrets`, with all that is the same for each secret."""


def planned(uris: list[str], values: Mapping[str, bytes], *, each: bool, expect: Expect | str) -> Plan:
    """Return what to put where.

    Args:
        uris: As they were written: URIs, or with `each` one prefix.
        values: All values.
        each: Whether each key becomes a secret.
        expect: What must be upstream.

    Raises:
        UsageError: there are too many keys for one secret; or with `each`, something does not fit. Nothing was sent.
    """
    if each:
        return _one_each(uris, values, expect)
    if len(values) > MAX_KEYS:
        raise UsageError(
            f"a secret has 1 to {MAX_KEYS} keys, this one {len(values)}.",
            fix="Put one secret for each key with --each (see `monoctl put secret --help`), or split the file.",
        )
    return dict.fromkeys(uris, values)


def _one_each(uris: list[str], values: Mapping[str, bytes], expect: Expect | str) -> Plan:
    if len(uris) != 1 or not uris[0].endswith("/"):
        raise UsageError(
            "--each takes one URI, a prefix that ends in '/'.", fix="Write for example app/ or vault://team-a/app/."
        )
    if not isinstance(expect, Expect):
        raise UsageError(
            "--each and --expect VERSION exclude each other: each secret has versions of its own.",
            fix="Leave --expect out, or say --expect absent.",
        )
    prefix = uris[0]
    check_text(f"{prefix}x")
    refused = [key for key in values if not _fits(f"{prefix}{key}")]
    if refused:
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise UsageError(
            f"these keys cannot be the last part of a URI: {', '.join(refused[:_SHOWN])}{more}; nothing was sent.",
            fix="Rename them (128 characters at most, no '.' or '-' first), or put all into one secret without --each.",
        )
    plan = {f"{prefix}{key}": Payload({KEY: value}) for key, value in values.items()}
    for payload in plan.values():
        encode(payload)  # raises if it is too large
    return plan


def _fits(uri: str) -> bool:
    try:
        check_text(uri)
    except UsageError:
        return False
    return True


async def put_each(put: Put, plan: Plan, timeout_s: float) -> list[PutResult | Error]:
    """Put one secret after the other, each within `timeout_s` seconds, and return what came of each.

    What failed for a reason that holds for all is the last one that is tried.
    """
    results: list[PutResult | Error] = []
    waiting = list(plan)
    while waiting:
        uri = waiting.pop(0)
        [result] = await put([uri], plan[uri], timeout=timeout_s)
        results.append(result)
        if waiting and isinstance(result, Error) and result.code in _NONE_FOLLOWS:
            results += map(_not_tried, waiting)
            break
    return results


def _not_tried(uri: str) -> NotTriedError:
    error = NotTriedError(
        f"{uri}: not tried, because another secret could not be put.",
        fix="Put all of them again once the cause is gone: what is there already ends as UNCHANGED.",
    )
    error.uri = uri
    return error

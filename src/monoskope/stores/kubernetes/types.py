"""What the API demands of a Secret's values by its type; checked before anything is compared or announced.

Source: "Types of Secret" of the Kubernetes documentation, and `ValidateSecret` of the API server. Types that are not
named here have no rule.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import StoreRefusedError

_ALL_OF = {
    "kubernetes.io/dockercfg": {".dockercfg"},
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson"},
    "kubernetes.io/ssh-auth": {"ssh-privatekey"},
    "kubernetes.io/tls": {"tls.crt", "tls.key"},
}
"""Keys that must be there."""
_ONE_OF = {"kubernetes.io/basic-auth": {"username", "password"}}
"""Keys of which one must be there."""
_JSON = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
"""Keys whose value must be a JSON object."""
_FILLED = {"kubernetes.io/ssh-auth": "ssh-privatekey"}
"""Keys whose value must not be empty."""


def check_type(kind: str, payload: Payload | None, remove: Collection[str] | None) -> None:
    """Refuse values that no Secret of the type `kind` has.

    Args:
        kind: The type that is asked for; "" has no rule.
        payload: The whole secret, or what a patch sets, None for nothing.
        remove: None for a whole secret, else what the patch drops; nothing is known of the other keys.

    Raises:
        StoreRefusedError: the cluster would not take it; names the keys.
    """
    named = payload if payload is not None else {}
    gone = [key for key in remove if key not in named] if remove is not None else None
    all_of, one_of = _ALL_OF.get(kind, set()), _ONE_OF.get(kind, set())
    if gone is None:
        fits = named.keys() >= all_of and (not one_of or not one_of.isdisjoint(named))
    else:
        fits = all_of.isdisjoint(gone) and (not one_of or not one_of <= set(gone))
    if not fits:
        needed = " and ".join(sorted(all_of)) or f"one of {' and '.join(sorted(one_of))}"
        raise StoreRefusedError(f"a Secret of the type {kind} has {needed}.", fix="Give them, or another type.")
    if kind in _FILLED and named.get(_FILLED[kind]) == b"":
        raise StoreRefusedError(f"{_FILLED[kind]} of the type {kind} is not empty.", fix="Fill it.")
    if kind in _JSON and _JSON[kind] in named and not _is_object(named[_JSON[kind]]):
        raise StoreRefusedError(
            f"{_JSON[kind]} of the type {kind} is a JSON object.", fix="Write it with docker login, or another type."
        )


def _is_object(value: bytes) -> bool:
    """Whether the API server, which reads every number as a float, takes `value` for a JSON object."""
    try:
        found = json.loads(value.decode("utf-8"), parse_int=float)
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict)

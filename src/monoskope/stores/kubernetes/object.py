"""A Secret as the API has it: how it is made and changed, and where its version and write tag are.

What the API demands of the values by a Secret's type is checked before anything is compared or announced. Source:
"Types of Secret" of the Kubernetes documentation, and `ValidateSecret` of the API server. Other types have no rule.

A version is `uid:resourceVersion`: the cluster gives each object another uid and each change another resourceVersion.
The write tag is an annotation. Other programs change a Secret and leave its annotations, so the tag counts only while
the cluster's own record of who set what (`metadata.managedFields`) says that all its values are ours.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, CannotReadError, StoreRefusedError
from monoskope.stores.kubernetes.config import Place, Wishes

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


MANAGER = "monoskope"
"""The name under which the cluster records what we set."""
TAG = "monoskope.io/write-tag"
"""The annotation with the last write's tag, a slash and how many keys it set."""
BEFORE = "monoskope.io/write-before"
"""The annotation with the tag and the version of the write before it."""

Object = Mapping[str, Any]


def foreign() -> StoreRefusedError:
    """Return the error for an answer that is not the API's."""
    return StoreRefusedError("the answer is not that of a Kubernetes API server.", fix="Check the address.")


def checked(found: Object) -> Object:
    """Return a Secret as read. Raises `StoreRefusedError` if what is looked at here has not the API's types."""
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or not _is_table(found.get("data")):
        raise foreign()
    entries = metadata.get("managedFields") or []
    if not all(_is_table(metadata.get(name)) for name in ("annotations", "labels")) or not isinstance(entries, list):
        raise foreign()
    if not all(map(_is_of_a_manager, entries)):
        raise foreign()
    return found


def _is_of_a_manager(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    fields: object = entry.get("fieldsV1")
    return not fields or (isinstance(fields, dict) and _is_table(fields.get("f:data")))


def _is_table(found: object) -> bool:
    return found is None or isinstance(found, dict)


def version_of(found: Object | None) -> str:
    """Return the version of a Secret as read, `NOTHING` if there is none or it is being deleted.

    Raises:
        StoreRefusedError: it is no object of the API.
    """
    if found is None:
        return NOTHING
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        raise foreign()
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if not isinstance(uid, str) or not isinstance(version, str) or not (uid and version):
        raise foreign()
    return NOTHING if metadata.get("deletionTimestamp") else f"{uid}:{version}"


def values_of(payload: Payload) -> dict[str, str]:
    """Return `payload` as a Secret's `data`."""
    return {key: base64.b64encode(value).decode("ascii") for key, value in payload.items()}


def payload_of(found: Object) -> Payload:
    """Return a Secret's values. Raises `CannotReadError` if they are no secret by our rules."""
    try:
        data = found.get("data") or {}
        return Payload({key: base64.b64decode(value, validate=True) for key, value in data.items()})
    except (ValueError, TypeError, AttributeError, binascii.Error, UsageError):
        pass
    raise CannotReadError("what lies in the cluster is not a secret that this store could have written.")


def made(place: Place, values: Mapping[str, str], wishes: Wishes, write_tag: str) -> dict[str, Any]:
    """Return a new Secret."""
    metadata: dict[str, Any] = {
        "name": place.name,
        "namespace": place.namespace,
        "annotations": {TAG: f"{write_tag}/{len(values)}"},
    }
    if wishes.labels:
        metadata["labels"] = wishes.labels
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": wishes.type or "Opaque",
        "data": dict(values),
    }


def changed(found: Object, values: Mapping[str, str], wishes: Wishes, write_tag: str) -> dict[str, Any]:
    """Return `found` with other values; what others set beside the values stays, and so does its resourceVersion.

    Raises:
        StoreRefusedError: the Secret is immutable, or of another type than is asked for.
    """
    if found.get("immutable") is True:
        raise StoreRefusedError(
            "this Secret is immutable.", fix="Choose another path, and let what uses the Secret move there."
        )
    if wishes.type and wishes.type != found.get("type"):
        raise StoreRefusedError(
            "a Secret's type never changes.", fix="Leave the type as it is, or choose another path."
        )
    metadata = dict(found["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    before = tag_of(found)
    annotations.pop(BEFORE, None)
    if before:
        annotations[BEFORE] = f"{before}/{version_of(found)}"
    annotations[TAG] = f"{write_tag}/{len(values)}"
    labels = {**(metadata.get("labels") or {}), **wishes.labels}
    metadata |= {"annotations": annotations, **({"labels": labels} if labels else {})}
    # The cluster makes a new record from what changes.
    metadata.pop("managedFields", None)
    return {**found, "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": dict(values)}


def tag_of(found: Object) -> str:
    """Return the tag of the last write, "" if others changed a value since, or if that cannot be known."""
    metadata = found.get("metadata") or {}
    tag, _, count = str((metadata.get("annotations") or {}).get(TAG, "")).partition("/")
    ours: set[str] = set()
    theirs: set[str] = set()
    for entry in metadata.get("managedFields") or []:
        keys = _keys(entry)
        (ours if entry.get("manager") == MANAGER else theirs).update(keys)
    return tag if not theirs - ours and str(len(ours)) == count else ""


def written_with(found: Object, write_tag: str) -> str | None:
    """Return the version that was written with `write_tag`, None if it is not the last one or the one before."""
    if tag_of(found) == write_tag:
        return version_of(found) or None
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    tag, _, version = str(annotations.get(BEFORE, "")).partition("/")
    return version if tag == write_tag and version else None


def _keys(entry: Mapping[str, Any]) -> Iterable[str]:
    """The keys of `data` that one manager set."""
    fields = (entry.get("fieldsV1") or {}).get("f:data") or {}
    return (name.removeprefix("f:") for name in fields if name != ".")

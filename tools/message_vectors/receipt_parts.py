"""What the vectors of receipts share: the grants that they answer, and receipts that are good unless told otherwise."""

from __future__ import annotations

import hashlib
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors.parts import (
    GRANT,
    KEY_ID,
    RECEIPT,
    REQUEST_ID,
    STORE,
    URI,
    Key,
    Vector,
    grant,
    request,
    serialised,
    shown,
)

SEALED = hashlib.sha256(b"sealed bytes").digest()
NOTHING = hashlib.sha256(b"").digest()
THERE = Key(3)
"""The identity of the store `local`, where copies go."""
HASH = f"fp1:{KEY_ID}:{'ab' * 32}"
SIGNER = {"signer": "anna@example.org", "signer_key": shown(b"a key of anna")}
_SPKI = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
PEM = f"-----BEGIN PUBLIC KEY-----\n{_SPKI}\n-----END PUBLIC KEY-----\n"
DONE: dict[str, Any] = {"upstream_version": "2@x", "fingerprint": HASH, "values": [{"key": "a", "fingerprint": HASH}]}
_PUT_ID = hashlib.sha256(b"m8/copy-request/v1\0" + REQUEST_ID).digest()[:16]
_PLACE = "local://app/db"
_RECIPES = [upload_pb2.Recipe(key="a", kind="ed25519"), upload_pb2.Recipe(key="b", kind="hex")]
PUBLIC = [{"key": "a", "value": PEM}]

CHANGE = hashlib.sha256(b"a change").digest()
WHY = "the database is down, and nobody answers"

_ASKED: dict[str, upload_pb2.UploadRequest] = {
    "UPLOAD": request(),
    "PATCH": request("PATCH"),
    "COMPARE": request("COMPARE"),
    "DELETE": request("DELETE"),
    "UNDELETE": request("UNDELETE"),
    "UNDELETE of a version": request("UNDELETE", expect=upload_pb2.EXPECT_VERSION, expect_version="1@x"),
    "ROLLBACK": request("ROLLBACK", to_version="1@x"),
    "GENERATE": request("GENERATE", recipes=_RECIPES),
    "COPY": request("COPY", destination=_PLACE),
    "COPY of a version": request("COPY", destination=_PLACE, source_version=DONE["upstream_version"]),
    "COPY of a key": request("COPY", destination=_PLACE, keys=["a"]),
    "VERIFY": request("VERIFY"),
    "IMPORT": request("IMPORT"),
    "LIST": request("LIST"),
    "LIST after b": request("LIST", list_after="b"),
    "UPLOAD of a change": request(change_sha256=CHANGE),
    "UPLOAD that breaks the glass": request(break_glass=WHY),
}
_SIGNED = ("UPLOAD", "DELETE", "COMPARE", "UPLOAD of a change", "UPLOAD that breaks the glass")
_SEALS = {"UPLOAD", "PATCH", "COMPARE"}


def _granted(name: str) -> upload_pb2.UploadGrant:
    asked = _ASKED[name.removesuffix(", signed")]
    return grant(asked, signature_required=name.endswith(", signed"))


def grants() -> dict[str, str]:
    """Return the grants that receipts answer, by their names."""
    return {name: serialised(_granted(name)).hex() for name in (*_ASKED, *(f"{one}, signed" for one in _SIGNED))}


def receipt(granted: str, outcome: str | int, **fields: Any) -> upload_pb2.Receipt:  # noqa: ANN401 - fields of a message
    """Return a receipt for the grant of that name, good unless `fields` make it bad."""
    asked = granted.removesuffix(", signed").partition(" ")[0]
    known: dict[str, Any] = {
        "grant_sha256": hashlib.sha256(serialised(_granted(granted))).digest(),
        "sealed_sha256": SEALED if asked in _SEALS else NOTHING,
        "uri": URI,
        "outcome": outcome if isinstance(outcome, int) else upload_pb2.Outcome.Value(f"OUTCOME_{outcome}"),
    }
    return upload_pb2.Receipt(**{**known, **fields})


def vector(name: str, granted: str, message: upload_pb2.Receipt, expected: Vector, **changed: object) -> Vector:
    """Return the vector of a signed receipt; `changed` replaces parts of it."""
    sealed = SEALED if granted.removesuffix(", signed").partition(" ")[0] in _SEALS else NOTHING
    known = {"grant": granted, "identity": STORE.shown, "sealed_sha256": sealed.hex()}
    return {
        "name": name,
        **known,
        "signed": STORE.signed(RECEIPT, serialised(message)),
        **changed,
        "expected": expected,
    }


def copied(*, signed: bool = False, asked: dict[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    """Return the fields of a COPIED receipt; `asked` changes the put's request, `there_` fields the receipt inside."""
    inner = {key.removeprefix("there_"): value for key, value in fields.items() if key.startswith("there_")}
    put = grant(
        request(**{"request_id": _PUT_ID, "uri": _PLACE, **(asked or {})}), subject="anna", signature_required=signed
    )
    changed: dict[str, Any] = {
        "grant_sha256": hashlib.sha256(serialised(put)).digest(),
        "sealed_sha256": SEALED,
        "uri": _PLACE,
        "outcome": upload_pb2.OUTCOME_UPLOADED,
        **DONE,
        **(SIGNER if signed else {}),
        **inner,
    }
    there = upload_pb2.Receipt(**changed)
    outer = {key: value for key, value in fields.items() if not key.startswith("there_")}
    known = {
        "destination": THERE.message(RECEIPT, serialised(there)),
        "destination_grant": THERE.message(GRANT, serialised(put)),
    }
    return DONE | known | outer

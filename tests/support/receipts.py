"""A good receipt of each outcome, and the grants that they answer."""

from __future__ import annotations

from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.listing import Listing
from monoskope.protocol.open_receipt import put_request_id
from monoskope.protocol.receipt import (
    Receipt,
    make_receipt,
)
from monoskope.protocol.recipes import Recipe
from monoskope.testing.scripted.m8 import PUBLIC
from monoskope.uri import SecretUri
from tests.support.vectors import KEY_ID, Signer, a_grant, a_request

SIGNER = Signer()
GRANT = a_grant(a_request())
COMPARE_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_COMPARE))
DELETE_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_DELETE))
SEALED = b"s" * 32
FP = f"fp1:{KEY_ID}:" + "0" * 64
GOOD: dict[str, dict[str, Any]] = {
    "DELETED": {"outcome": upload_pb2.OUTCOME_DELETED, "prior_version": "1@x"},
    "UPLOADED": {
        "outcome": upload_pb2.OUTCOME_UPLOADED,
        "upstream_version": "2@x",
        "prior_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP), ("b", FP)],
    },
    "UPLOADED first": {
        "outcome": upload_pb2.OUTCOME_UPLOADED,
        "upstream_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
    },
    "UPLOADED unreadable": {"outcome": upload_pb2.OUTCOME_UPLOADED, "upstream_version": "1@x"},
    "UNCHANGED": {
        "outcome": upload_pb2.OUTCOME_UNCHANGED,
        "upstream_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
    },
    "EQUAL": {"outcome": upload_pb2.OUTCOME_EQUAL, "upstream_version": "1@x"},
    "DIFFERENT": {
        "outcome": upload_pb2.OUTCOME_DIFFERENT,
        "differences": [("a", upload_pb2.DIFFERENCE_KIND_MISSING), ("b", upload_pb2.DIFFERENCE_KIND_CHANGED)],
    },
    "FAILED": {"outcome": upload_pb2.OUTCOME_FAILED, "reason": upload_pb2.REASON_CONFLICT},
    "STARTED": {"outcome": upload_pb2.OUTCOME_STARTED, "prior_version": "1@x", "intent": b"i" * 32},
    "IN_SYNC": {"outcome": upload_pb2.OUTCOME_IN_SYNC, "upstream_version": "1@x", "verified_sha256": b"v" * 32},
    "IN_SYNC nothing": {"outcome": upload_pb2.OUTCOME_IN_SYNC, "verified_sha256": b"v" * 32},
    "DRIFTED": {"outcome": upload_pb2.OUTCOME_DRIFTED, "upstream_version": "2@x", "verified_sha256": b"v" * 32},
    "GONE": {"outcome": upload_pb2.OUTCOME_GONE, "verified_sha256": b"v" * 32},
    "GENERATED": {
        "outcome": upload_pb2.OUTCOME_UPLOADED,
        "upstream_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP), ("b", FP)],
        "public_values": [("a", PUBLIC)],
    },
    "COPIED": {
        "outcome": upload_pb2.OUTCOME_COPIED,
        "upstream_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
        "destination": upload_pb2.Signed(content=b"x"),
    },
    "UNDELETED": {
        "outcome": upload_pb2.OUTCOME_UNDELETED,
        "upstream_version": "1@x",
        "restored_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
    },
    "UNDELETED unreadable": {
        "outcome": upload_pb2.OUTCOME_UNDELETED,
        "upstream_version": "1@x",
        "restored_version": "1@x",
    },
    "STARTED undelete": {"outcome": upload_pb2.OUTCOME_STARTED, "intent": b"i" * 32, "restored_version": "1@x"},
    "ROLLED_BACK": {
        "outcome": upload_pb2.OUTCOME_ROLLED_BACK,
        "upstream_version": "3@x",
        "prior_version": "2@x",
        "restored_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
    },
    "STARTED rollback": {
        "outcome": upload_pb2.OUTCOME_STARTED,
        "prior_version": "2@x",
        "intent": b"i" * 32,
        "restored_version": "1@x",
    },
    "LISTED": {"outcome": upload_pb2.OUTCOME_LISTED, "listed": Listing(("a", "b/"), 2), "more": True},
    "LISTED nothing": {"outcome": upload_pb2.OUTCOME_LISTED, "listed": Listing((), 0)},
    "IMPORTED": {
        "outcome": upload_pb2.OUTCOME_IMPORTED,
        "upstream_version": "1@x",
        "fingerprint": FP,
        "values": [("a", FP)],
    },
}
VERIFY_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_VERIFY))
GENERATE_GRANT = a_grant(
    a_request(purpose=upload_pb2.PURPOSE_GENERATE, recipes=(Recipe("a", "ed25519"), Recipe("b", "hex")))
)
DESTINATION = SecretUri.parse("local://app/db")
COPY_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_COPY, destination=DESTINATION))
THERE_GRANT = a_grant(a_request(uri=str(DESTINATION)))


def there(kind: str = "UPLOADED first", *, grant: Grant = THERE_GRANT, **fields: Any) -> upload_pb2.Signed:
    made = make_receipt(grant=grant, sealed_sha256=b"s" * 32, **{**GOOD[kind], **fields})
    return Signer().sign(RECEIPT, made.content)


GOOD["COPIED"]["destination"] = there()
UNDELETE_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_UNDELETE))
ROLLBACK_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_ROLLBACK, to_version="1@x"))
IMPORT_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_IMPORT))
LIST_GRANT = a_grant(a_request(purpose=upload_pb2.PURPOSE_LIST))
GRANTS = {
    "EQUAL": COMPARE_GRANT,
    "DIFFERENT": COMPARE_GRANT,
    "DELETED": DELETE_GRANT,
    "IN_SYNC": VERIFY_GRANT,
    "IN_SYNC nothing": VERIFY_GRANT,
    "DRIFTED": VERIFY_GRANT,
    "GONE": VERIFY_GRANT,
    "IMPORTED": IMPORT_GRANT,
    "UNDELETED": UNDELETE_GRANT,
    "UNDELETED unreadable": UNDELETE_GRANT,
    "STARTED undelete": UNDELETE_GRANT,
    "ROLLED_BACK": ROLLBACK_GRANT,
    "STARTED rollback": ROLLBACK_GRANT,
    "LISTED": LIST_GRANT,
    "LISTED nothing": LIST_GRANT,
    "COPIED": COPY_GRANT,
    "GENERATED": GENERATE_GRANT,
}
"""What each kind of receipt answers; those that are not here answer an upload."""


def receipt(kind: str, *, grant: Grant = GRANT, sealed: bytes = SEALED, **fields: Any) -> Receipt:
    return make_receipt(grant=grant, sealed_sha256=sealed, **{**GOOD[kind], **fields})


def put_grant(**fields: Any) -> Grant:
    """What the destination grants for the put of the copy."""
    request_id = put_request_id(COPY_GRANT.request.request_id)
    return a_grant(a_request(**{"uri": str(DESTINATION), "request_id": request_id, **fields}))

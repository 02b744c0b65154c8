"""Vectors of receipts: each purpose with each of its outcomes, and the faults of `receipt_faults`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors import approved
from tools.message_vectors.parts import REPLICA, Vector, malformed, said
from tools.message_vectors.receipt_copies import bad_copies
from tools.message_vectors.receipt_faults import bad_heads, bad_lists, bad_proofs, bad_versions
from tools.message_vectors.receipt_parts import DONE, PUBLIC, SIGNER, copied, receipt, vector


def receipts() -> Iterator[Vector]:
    """Yield signed receipts: good ones with what they prove, then one fault each."""
    for name, granted, outcome, fields in [*_good(), *approved.good_receipts()]:
        message = receipt(granted, outcome, **fields)
        yield vector(name, granted, message, {"proves": _proves(message), "says": said(message)})
    for reason in upload_pb2.Reason.values()[1:]:
        message = receipt("UPLOAD", "FAILED", reason=reason)
        expected = {"proves": _proves(message), "says": said(message)}
        yield vector(f"UPLOAD: FAILED with {upload_pb2.Reason.Name(reason)}", "UPLOAD", message, expected)
    bad = [*bad_heads(), *bad_versions(), *bad_lists(), *approved.bad_receipts()]
    for name, granted, outcome, fields, field in bad:
        yield vector(name, granted, receipt(granted, outcome, **fields), malformed(field))
    yield from bad_proofs()
    yield from bad_copies()
    yield from approved.bad_proofs()


def _proves(message: upload_pb2.Receipt) -> str:
    if message.outcome == upload_pb2.OUTCOME_STARTED:
        return "NO_END"
    if message.outcome != upload_pb2.OUTCOME_FAILED:
        return "SUCCESS"
    open_ends = {upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_OUTCOME_UNKNOWN}
    return "NOTHING" if message.reason in open_ends else "FAILURE"


Case = tuple[str, str, str | int, dict[str, Any]]


def _good() -> Iterator[Case]:
    intent = {"intent": bytes(range(32))}
    for granted in ("UPLOAD", "PATCH"):
        yield f"{granted}: UPLOADED", granted, "UPLOADED", DONE | {"prior_version": "1@x"}
        yield f"{granted}: UNCHANGED", granted, "UNCHANGED", DONE
        yield f"{granted}: STARTED", granted, "STARTED", intent | {"prior_version": "1@x"}
    yield "PATCH of what cannot be read: UPLOADED without a hash", "PATCH", "UPLOADED", {"upstream_version": "2@x"}
    yield "COMPARE: EQUAL", "COMPARE", "EQUAL", {"upstream_version": "1@x"}
    kinds = [{"key": f"k{kind}", "kind": kind} for kind in (1, 2, 3)]
    yield "COMPARE: DIFFERENT", "COMPARE", "DIFFERENT", {"upstream_version": "1@x", "differences": kinds}
    most = [{"key": f"k{index:03}", "kind": 1} for index in range(128)]
    yield "COMPARE: DIFFERENT in 128 keys", "COMPARE", "DIFFERENT", {"differences": most}
    yield "DELETE: DELETED", "DELETE", "DELETED", {"prior_version": "1@x"}
    yield "DELETE: STARTED", "DELETE", "STARTED", intent
    restored = {"restored_version": "1@x"}
    for granted in ("UNDELETE", "UNDELETE of a version"):
        yield f"{granted}: UNDELETED", granted, "UNDELETED", DONE | restored
        yield f"{granted}: STARTED", granted, "STARTED", intent | restored
    yield "UNDELETE: UNDELETED, not readable", "UNDELETE", "UNDELETED", restored | {"upstream_version": "2@x"}
    yield "ROLLBACK: ROLLED_BACK", "ROLLBACK", "ROLLED_BACK", DONE | restored | {"prior_version": "2@x"}
    yield "ROLLBACK: STARTED", "ROLLBACK", "STARTED", intent | restored
    yield "GENERATE: UPLOADED", "GENERATE", "UPLOADED", DONE | {"public_values": PUBLIC}
    yield "GENERATE: UPLOADED, found by an heir", "GENERATE", "UPLOADED", {"upstream_version": "2@x"}
    yield "COPY: COPIED", "COPY", "COPIED", copied()
    yield "COPY: COPIED, of a reactor before destination_grant", "COPY", "COPIED", copied(destination_grant=None)
    yield "COPY: COPIED to a store that asks for signatures", "COPY", "COPIED", copied(signed=True)
    yield "COPY of a version: COPIED", "COPY of a version", "COPIED", copied()
    yield "COPY of a key: COPIED", "COPY of a key", "COPIED", copied()
    yield "COPY: STARTED", "COPY", "STARTED", {"intent": bytes(32)}
    checked = {"verified_sha256": bytes(range(32))}
    yield "VERIFY: IN_SYNC", "VERIFY", "IN_SYNC", checked | {"upstream_version": "1@x"}
    yield "VERIFY: IN_SYNC after a deletion", "VERIFY", "IN_SYNC", checked
    yield "VERIFY: DRIFTED", "VERIFY", "DRIFTED", checked | {"upstream_version": "2@x"}
    yield "VERIFY: GONE", "VERIFY", "GONE", checked
    yield "IMPORT: IMPORTED", "IMPORT", "IMPORTED", DONE
    yield "LIST: LISTED", "LIST", "LISTED", {"listed": {"names": ["a", "b/", "b0"], "unaddressable": 2}, "more": True}
    yield "LIST: LISTED, nothing there", "LIST", "LISTED", {"listed": {}}
    yield "LIST after b: LISTED", "LIST after b", "LISTED", {"listed": {"names": ["b/", "c"]}}
    yield "LIST: LISTED, 500 names", "LIST", "LISTED", {"listed": {"names": [f"n{i:03}" for i in range(500)]}}
    yield "signed UPLOAD: UPLOADED", "UPLOAD, signed", "UPLOADED", DONE | SIGNER
    yield "signed UPLOAD: STARTED", "UPLOAD, signed", "STARTED", intent | SIGNER
    yield "signed UPLOAD: FAILED", "UPLOAD, signed", "FAILED", {"reason": 14}
    yield "signed DELETE: DELETED", "DELETE, signed", "DELETED", SIGNER | {"prior_version": "1@x"}
    yield "FAILED with a sentence", "UPLOAD", "FAILED", {"reason": 6, "detail": "~ " * 100}
    yield "FAILED before anything was sealed", "UPLOAD", "FAILED", {"reason": 10, "sealed_sha256": b""}
    yield "FAILED with the version that is there", "UPLOAD", "FAILED", {"reason": 2, "upstream_version": "9@x"}
    yield "KEY_LOST that names its process", "UPLOAD", "FAILED", {"reason": 3, "replica": REPLICA}
    yield "RATE_LIMITED for a day", "UPLOAD", "FAILED", {"reason": 9, "retry_after_s": 86_400}

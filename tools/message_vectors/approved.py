"""Vectors of what takes approvals: messages that name a change, or say that the glass was broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors.parts import Vector, fault, request, shown
from tools.message_vectors.receipt_parts import CHANGE, DONE, SIGNER, WHY, copied, receipt, vector

_BEN = {"principal": "ben@example.org", "key": shown(b"a key of ben")}
_EVA = {"principal": "eva@example.org", "key": shown(b"a key of eva")}
_COPY = {"destination": "local://app/db"}
_OF_CHANGE, _BROKEN, _PLAIN = "UPLOAD of a change, signed", "UPLOAD that breaks the glass, signed", "UPLOAD, signed"
_APPROVED: dict[str, Any] = SIGNER | {"change_sha256": CHANGE, "approvers": [_BEN, _EVA]}
_GLASS: dict[str, Any] = SIGNER | {"break_glass": WHY}
_NOT_REASONS = {"501": "x" * 501, "two lines": "a\nb", "a mark that turns text": "a\u202eb", "DEL": "a\x7f"}

Requests = Iterator[tuple[str, upload_pb2.UploadRequest]]


def good_requests() -> Requests:
    """Yield requests of purposes that write."""
    for purpose, more in (("UPLOAD", {}), ("DELETE", {}), ("ROLLBACK", {"to_version": "1@x"}), ("COPY", _COPY)):
        yield f"{purpose} of a change", request(purpose, **more, change_sha256=CHANGE)
        yield f"{purpose} that breaks the glass", request(purpose, **more, break_glass=WHY)
    yield "the longest reason", request(break_glass="\U0001f511" * 500)
    yield "COPY of a version", request("COPY", **_COPY, source_version="7@x")


def bad_requests() -> Iterator[tuple[str, upload_pb2.UploadRequest, str]]:
    """Yield requests with one fault each, and its field."""
    for size in (1, 31, 33):
        yield f"change's digest of {size} bytes", request(change_sha256=bytes(size)), "change_sha256"
    for purpose in ("COMPARE", "VERIFY", "IMPORT", "LIST"):
        yield f"{purpose} of a change", request(purpose, change_sha256=CHANGE), "change_sha256"
        yield f"{purpose} that breaks the glass", request(purpose, break_glass=WHY), "break_glass"
    yield "a change, and broken glass", request(change_sha256=CHANGE, break_glass=WHY), "break_glass"
    for name, text in _NOT_REASONS.items():
        yield f"broken glass: {name}", request(break_glass=text), "break_glass"
    yield "UPLOAD of a version", request(source_version="7@x"), "source_version"
    for name, version in {"a space": "a b", "257": "x" * 257}.items():
        yield f"COPY of a version with {name}", request("COPY", **_COPY, source_version=version), "source_version"


def good_grants() -> dict[str, Vector]:
    """Return fields of good grants."""
    return {f"{number} approvals": {"signature_required": True, "approvals": number} for number in (1, 8)}


def good_receipts() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield announcements, successes and a failure."""
    intent = {"intent": bytes(range(32))}
    eight = [{"principal": f"p{number}", "key": shown(b"key %d" % number)} for number in range(8)]
    for granted, said_too in ((_OF_CHANGE, _APPROVED), (_BROKEN, _GLASS)):
        yield f"{granted}: STARTED", granted, "STARTED", intent | said_too
        yield f"{granted}: UPLOADED", granted, "UPLOADED", DONE | said_too
        yield f"{granted}: UNCHANGED", granted, "UNCHANGED", DONE | said_too
        yield f"{granted}: FAILED", granted, "FAILED", {"reason": 14}
    yield "a change that nobody approved", _OF_CHANGE, "UPLOADED", DONE | _APPROVED | {"approvers": []}
    yield "a change that eight approved", _OF_CHANGE, "UPLOADED", DONE | _APPROVED | {"approvers": eight}


def bad_receipts() -> Iterator[tuple[str, str, str, dict[str, Any], str]]:
    """Yield receipts with one fault each, and its field."""
    good = DONE | _APPROVED
    nine = [{"principal": f"p{number}", "key": shown(b"key %d" % number)} for number in range(9)]
    yield "change's digest of 31 bytes", _OF_CHANGE, "UPLOADED", good | {"change_sha256": CHANGE[1:]}, "change_sha256"
    yield "FAILED of a change", _OF_CHANGE, "FAILED", {"reason": 6, "change_sha256": CHANGE}, "change_sha256"
    yield "FAILED of broken glass", _BROKEN, "FAILED", {"reason": 6, "break_glass": WHY}, "break_glass"
    unsigned = DONE | {"change_sha256": CHANGE}
    yield "a change that nobody signed", "UPLOAD of a change", "UPLOADED", unsigned, "change_sha256"
    unsigned = DONE | {"break_glass": WHY}
    yield "broken glass that nobody signed", "UPLOAD that breaks the glass", "UPLOADED", unsigned, "break_glass"
    looked = SIGNER | {"upstream_version": "1@x"}
    yield "EQUAL of a change", "COMPARE, signed", "EQUAL", looked | {"change_sha256": CHANGE}, "change_sha256"
    yield "EQUAL of broken glass", "COMPARE, signed", "EQUAL", looked | {"break_glass": WHY}, "break_glass"
    yield "a change with broken glass", _OF_CHANGE, "UPLOADED", good | {"break_glass": WHY}, "break_glass"
    for name, text in _NOT_REASONS.items():
        bad = DONE | _GLASS | {"break_glass": text}
        yield f"receipt of broken glass: {name}", _BROKEN, "UPLOADED", bad, "break_glass"
    for name, approvers in {
        "out of order": [_EVA, _BEN],
        "one twice": [_BEN, _BEN | {"key": _EVA["key"]}],
        "two with one key": [_BEN, _EVA | {"key": _BEN["key"]}],
        "the signer": [{"principal": SIGNER["signer"], "key": _BEN["key"]}],
        "the signer's key": [_BEN | {"key": SIGNER["signer_key"]}],
        "nine": nine,
        "no principal": [_BEN | {"principal": "a b"}],
        "no key": [_BEN | {"key": "SHA256:x"}],
    }.items():
        yield f"approvers: {name}", _OF_CHANGE, "UPLOADED", good | {"approvers": approvers}, "approvers"
    yield "approvers of no change", _PLAIN, "UPLOADED", DONE | SIGNER | {"approvers": [_BEN]}, "approvers"


def bad_proofs() -> Iterator[Vector]:
    """Yield well-formed receipts of another change, or of glass that was not to be broken."""
    other = bytes(reversed(CHANGE))
    for name, granted, fields in (
        ("another change", _OF_CHANGE, _APPROVED | {"change_sha256": other}),
        ("no change", _OF_CHANGE, SIGNER),
        ("broken glass in place of a change", _OF_CHANGE, _GLASS),
        ("a change that was not asked for", _PLAIN, _APPROVED),
        ("glass that was not to be broken", _PLAIN, _GLASS),
        ("glass broken for another reason", _BROKEN, _GLASS | {"break_glass": "an audit"}),
        ("no broken glass", _BROKEN, SIGNER),
    ):
        yield vector(f"receipt of {name}", granted, receipt(granted, "UPLOADED", **DONE, **fields), fault("CHANGE"))
    copies: dict[str, dict[str, Any]] = {
        "grant is for a change": {"signed": True, "asked": {"change_sha256": CHANGE}, "there_change_sha256": CHANGE},
        "grant breaks the glass": {"signed": True, "asked": {"break_glass": WHY}, "there_break_glass": WHY},
        "receipt names a change": {"signed": True, "there_change_sha256": CHANGE},
        "receipt says that the glass was broken": {"signed": True, "there_break_glass": WHY},
    }
    for name, changed in copies.items():
        message = receipt("COPY", "COPIED", **copied(**changed))
        yield vector(f"COPIED: the destination's {name}", "COPY", message, fault("DESTINATION"))

"""Vectors of receipts with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors.parts import (
    GRANT,
    KEY_ID,
    OTHER,
    RECEIPT,
    REPLICA,
    STORE,
    Vector,
    fault,
    malformed,
    serialised,
)
from tools.message_vectors.receipt_parts import (
    DONE,
    HASH,
    NOTHING,
    PEM,
    PUBLIC,
    SIGNER,
    copied,
    receipt,
    vector,
)

BadCase = Iterator[tuple[str, str, str | int, dict[str, Any], str]]


def bad_heads() -> BadCase:
    """Yield receipts with a bad field: outcome, reason, digests, signer and destination."""
    yield "outcome 0", "UPLOAD", 0, {}, "outcome"
    yield "outcome 16", "UPLOAD", 16, {}, "outcome"
    yield "reason 16", "UPLOAD", "FAILED", {"reason": 16}, "reason"
    yield "FAILED without a reason", "UPLOAD", "FAILED", {}, "reason"
    yield "UPLOADED with a reason", "UPLOAD", "UPLOADED", DONE | {"reason": 1}, "reason"
    yield "bad URI", "UPLOAD", "UPLOADED", DONE | {"uri": "vault://"}, "uri"
    for field, size in [("grant_sha256", 31), ("grant_sha256", 0), ("sealed_sha256", 33)]:
        yield f"{field} of {size} bytes", "UPLOAD", "UPLOADED", DONE | {field: bytes(size)}, field
    yield "UPLOADED of nothing sealed", "UPLOAD", "UPLOADED", DONE | {"sealed_sha256": b""}, "sealed_sha256"
    yield "STARTED without an intent", "UPLOAD", "STARTED", {}, "intent"
    yield "UPLOADED with an intent", "UPLOAD", "UPLOADED", DONE | {"intent": bytes(32)}, "intent"
    yield "IN_SYNC that names no receipt", "VERIFY", "IN_SYNC", {}, "verified_sha256"
    yield (
        "EQUAL that names a receipt",
        "COMPARE",
        "EQUAL",
        {"upstream_version": "1", "verified_sha256": bytes(32)},
        "verified_sha256",
    )
    yield "a sentence with UPLOADED", "UPLOAD", "UPLOADED", DONE | {"detail": "x"}, "detail"
    for name, text in {"201 characters": "x" * 201, "a tab": "a\tb", "an umlaut": "\u00e4"}.items():
        yield f"a sentence of {name}", "UPLOAD", "FAILED", {"reason": 6, "detail": text}, "detail"
    yield "a process with CONFLICT", "UPLOAD", "FAILED", {"reason": 2, "replica": REPLICA}, "replica"
    yield "a process of 15 bytes", "UPLOAD", "FAILED", {"reason": 3, "replica": REPLICA[1:]}, "replica"
    yield "a time to come back with CONFLICT", "UPLOAD", "FAILED", {"reason": 2, "retry_after_s": 1}, "retry_after_s"
    yield (
        "a time to come back of more than a day",
        "UPLOAD",
        "FAILED",
        {"reason": 9, "retry_after_s": 86_401},
        "retry_after_s",
    )
    signed = DONE | SIGNER
    yield "a signer without a key", "UPLOAD, signed", "UPLOADED", signed | {"signer_key": ""}, "signer_key"
    yield "a key without a signer", "UPLOAD, signed", "UPLOADED", signed | {"signer": ""}, "signer_key"
    yield "a key that is none", "UPLOAD, signed", "UPLOADED", signed | {"signer_key": "SHA256:x"}, "signer_key"
    yield (
        "a key with padding",
        "UPLOAD, signed",
        "UPLOADED",
        signed | {"signer_key": SIGNER["signer_key"] + "="},
        "signer_key",
    )
    for name in ("@anna", "a b", "a" * 129, "ann\u00e4"):
        yield f"a signer {name!r}", "UPLOAD, signed", "UPLOADED", signed | {"signer": name}, "signer"
    yield "a signer with FAILED", "UPLOAD, signed", "FAILED", SIGNER | {"reason": 6}, "signer"
    yield (
        "COPIED without a destination",
        "COPY",
        "COPIED",
        copied(destination=None, destination_grant=None),
        "destination",
    )
    other = upload_pb2.Signed(content=b"x")
    yield "UPLOADED with a destination", "UPLOAD", "UPLOADED", DONE | {"destination": other}, "destination"
    yield (
        "FAILED with a destination's grant",
        "COPY",
        "FAILED",
        {"reason": 2, "destination_grant": other},
        "destination_grant",
    )


def bad_versions() -> BadCase:
    """Yield receipts with a bad field: versions."""
    for outcome, granted, fields in [
        ("UPLOADED", "UPLOAD", {}),
        ("UNCHANGED", "UPLOAD", DONE),
        ("EQUAL", "COMPARE", {}),
        ("IMPORTED", "IMPORT", DONE),
        ("DRIFTED", "VERIFY", {"verified_sha256": bytes(32)}),
    ]:
        yield f"{outcome} without a version", granted, outcome, fields | {"upstream_version": ""}, "upstream_version"
    yield "a version with a space", "UPLOAD", "UPLOADED", DONE | {"upstream_version": "a b"}, "upstream_version"
    yield "a version of 257", "UPLOAD", "UPLOADED", DONE | {"upstream_version": "x" * 257}, "upstream_version"
    yield (
        "DELETED with a version",
        "DELETE",
        "DELETED",
        {"prior_version": "1", "upstream_version": "1"},
        "upstream_version",
    )
    gone = {"verified_sha256": bytes(32), "upstream_version": "1"}
    yield "GONE with a version", "VERIFY", "GONE", gone, "upstream_version"
    yield "DELETED of nothing", "DELETE", "DELETED", {}, "prior_version"
    yield "UNCHANGED that replaces", "UPLOAD", "UNCHANGED", DONE | {"prior_version": "1"}, "prior_version"
    yield "a replaced version with a space", "UPLOAD", "UPLOADED", DONE | {"prior_version": "a b"}, "prior_version"
    yield "UNDELETED without the version", "UNDELETE", "UNDELETED", DONE, "restored_version"
    yield "UPLOADED that brings back", "UPLOAD", "UPLOADED", DONE | {"restored_version": "1"}, "restored_version"
    yield (
        "a restored version with a space",
        "UNDELETE",
        "UNDELETED",
        DONE | {"restored_version": "a b"},
        "restored_version",
    )


def bad_lists() -> BadCase:
    """Yield receipts with a bad field: hashes, differences, public halves and pages."""

    def values(*keys: str, fingerprint: str = HASH) -> dict[str, Any]:
        return {"values": [{"key": key, "fingerprint": fingerprint} for key in keys]}

    yield "UNCHANGED without a hash", "UPLOAD", "UNCHANGED", {"upstream_version": "1"}, "fingerprint"
    yield "EQUAL with a hash", "COMPARE", "EQUAL", DONE, "fingerprint"
    yield (
        "a hash that is none",
        "UPLOAD",
        "UPLOADED",
        DONE | {"fingerprint": HASH[:-1]} | values("a", fingerprint=HASH),
        "fingerprint",
    )
    yield (
        "a hash in capitals",
        "UPLOAD",
        "UPLOADED",
        DONE | {"fingerprint": HASH[:21] + HASH[21:].upper()},
        "fingerprint",
    )
    yield "a hash without those of values", "UPLOAD", "UPLOADED", DONE | {"values": []}, "values"
    yield "hashes of values alone", "UPLOAD", "UPLOADED", DONE | {"fingerprint": ""}, "values"
    other = HASH.replace(KEY_ID, "0" * 16)
    yield "hashes under two keys", "UPLOAD", "UPLOADED", DONE | values("a", fingerprint=other), "values"
    yield "hashes out of order", "UPLOAD", "UPLOADED", DONE | values("b", "a"), "values"
    yield "a key twice", "UPLOAD", "UPLOADED", DONE | values("a", "a"), "values"
    yield "a bad key", "UPLOAD", "UPLOADED", DONE | values("a b"), "values"
    yield "65 keys", "UPLOAD", "UPLOADED", DONE | values(*(f"k{index:02}" for index in range(65))), "values"
    different: dict[str, list[tuple[str, int]]] = {
        "none": [],
        "unsorted": [("b", 1), ("a", 1)],
        "a key twice": [("a", 1), ("a", 2)],
        "kind 0": [("a", 0)],
        "kind 4": [("a", 4)],
        "129 keys": [(f"k{index:03}", 1) for index in range(129)],
    }
    for name, pairs in different.items():
        found = [{"key": key, "kind": kind} for key, kind in pairs]
        yield f"differences: {name}", "COMPARE", "DIFFERENT", {"differences": found}, "differences"
    equal = {"upstream_version": "1", "differences": [{"key": "a", "kind": 1}]}
    yield "EQUAL with differences", "COMPARE", "EQUAL", equal, "differences"
    for name, pem in {
        "no PEM": "MCow",
        "a private key": PEM.replace("PUBLIC", "PRIVATE"),
        "carriage returns": PEM.replace("\n", "\r\n"),
        "2,049 characters": PEM[:27] + ("A" * 64 + "\n") * 31 + PEM[27:],
    }.items():
        yield (
            f"public half: {name}",
            "GENERATE",
            "UPLOADED",
            DONE | {"public_values": [{"key": "a", "value": pem}]},
            "public_values",
        )
    halves = {"unsorted": ["b", "a"], "a key twice": ["a", "a"], "a bad key": ["a b"]}
    for name, keys in halves.items():
        shown_halves = [{"key": key, "value": PEM} for key in keys]
        yield f"public halves: {name}", "GENERATE", "UPLOADED", DONE | {"public_values": shown_halves}, "public_values"
    started = {"intent": bytes(32), "public_values": PUBLIC}
    yield "STARTED with a public half", "GENERATE", "STARTED", started, "public_values"
    yield "LISTED without a page", "LIST", "LISTED", {}, "listed"
    yield "FAILED with a page", "LIST", "FAILED", {"reason": 6, "listed": {}}, "listed"
    names = {
        "501": [f"n{index:03}" for index in range(501)],
        "unsorted": ["b", "a"],
        "twice": ["a", "a"],
        "a path": ["a/b"],
        "a dot": [".a"],
        "32,769 bytes": [f"{i:03}".ljust(128, "x") for i in range(256)] + ["z"],
    }
    for name, shown_names in names.items():
        yield f"names: {name}", "LIST", "LISTED", {"listed": {"names": shown_names}}, "listed"
    yield (
        "a million and one names that no URI can name",
        "LIST",
        "LISTED",
        {"listed": {"unaddressable": 1_000_001}},
        "listed",
    )
    yield "more after nothing", "LIST", "LISTED", {"listed": {}, "more": True}, "more"


def bad_proofs() -> Iterator[Vector]:
    """Yield well-formed receipts that prove something else than what was asked."""
    good = receipt("UPLOAD", "UPLOADED", **DONE)
    content = serialised(good)
    yield vector("another identity", "UPLOAD", good, fault("IDENTITY"), signed=OTHER.signed(RECEIPT, content))
    yield vector("label of grants", "UPLOAD", good, fault("SIGNATURE"), signed=STORE.signed(GRANT, content))
    yield vector(
        "unknown field", "UPLOAD", good, malformed("content"), signed=STORE.signed(RECEIPT, content + b"\xa2\x06\x00")
    )
    yield vector("another grant", "UPLOAD", receipt("PATCH", "UPLOADED", **DONE), fault("GRANT"))
    yield vector(
        "another secret", "UPLOAD", receipt("UPLOAD", "UPLOADED", **DONE, uri="vault://app/other"), fault("SECRET")
    )
    yield vector(
        "other sealed bytes", "UPLOAD", receipt("UPLOAD", "UPLOADED", **DONE, sealed_sha256=NOTHING), fault("SEALED")
    )
    yield vector(
        "FAILED about other sealed bytes",
        "UPLOAD",
        receipt("UPLOAD", "FAILED", reason=2, sealed_sha256=NOTHING),
        fault("SEALED"),
    )
    for granted, outcome, fields in [
        ("UPLOAD", "EQUAL", {"upstream_version": "1"}),
        ("COMPARE", "UPLOADED", DONE),
        ("COMPARE", "STARTED", {"intent": bytes(32)}),
        ("DELETE", "UPLOADED", DONE),
        ("GENERATE", "UNCHANGED", DONE),
        ("ROLLBACK", "UNCHANGED", DONE),
        ("VERIFY", "EQUAL", {"upstream_version": "1"}),
        ("LIST", "IMPORTED", DONE),
    ]:
        yield vector(f"{granted}: {outcome}", granted, receipt(granted, outcome, **fields), fault("OUTCOME"))
    yield vector(
        "no signer where one must be",
        "UPLOAD, signed",
        receipt("UPLOAD, signed", "UPLOADED", **DONE),
        fault("SIGNER"),
    )
    yield vector(
        "no signer of STARTED",
        "UPLOAD, signed",
        receipt("UPLOAD, signed", "STARTED", intent=bytes(32)),
        fault("SIGNER"),
    )
    yield vector(
        "a signer where none is asked for", "UPLOAD", receipt("UPLOAD", "UPLOADED", **DONE, **SIGNER), fault("SIGNER")
    )
    pem = receipt("GENERATE", "UPLOADED", **DONE, public_values=[{"key": "b", "value": PEM}])
    yield vector("public half of another key", "GENERATE", pem, fault("PUBLIC_VALUES"))
    yield vector(
        "public half of an UPLOAD",
        "UPLOAD",
        receipt("UPLOAD", "UPLOADED", **DONE, public_values=PUBLIC),
        fault("PUBLIC_VALUES"),
    )
    page = receipt("LIST after b", "LISTED", listed={"names": ["b", "c"]})
    yield vector("another page", "LIST after b", page, fault("PAGE"))
    started = {"intent": bytes(32)}
    restored = {"restored_version": "2@x"}
    yield vector(
        "STARTED of an UPLOAD that brings back",
        "UPLOAD",
        receipt("UPLOAD", "STARTED", **started, **restored),
        fault("RESTORED"),
    )
    yield vector(
        "STARTED of an UNDELETE of nothing", "UNDELETE", receipt("UNDELETE", "STARTED", **started), fault("RESTORED")
    )
    undeleted = receipt("UNDELETE of a version", "UNDELETED", **DONE, **restored)
    yield vector("UNDELETED: another version", "UNDELETE of a version", undeleted, fault("RESTORED"))
    rolled = receipt("ROLLBACK", "ROLLED_BACK", **DONE, **restored)
    yield vector("ROLLED_BACK: another version", "ROLLBACK", rolled, fault("RESTORED"))

"""Vectors of receipts: each purpose with each of its outcomes, then one fault each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors.parts import (
    GRANT,
    KEY_ID,
    OTHER,
    RECEIPT,
    REPLICA,
    REQUEST_ID,
    STORE,
    URI,
    Key,
    Vector,
    fault,
    grant,
    malformed,
    request,
    said,
    serialised,
    shown,
)

SEALED = hashlib.sha256(b"sealed bytes").digest()
NOTHING = hashlib.sha256(b"").digest()
THERE = Key(3)
"""The identity of the store `local`, where copies go."""
HASH = f"fp1:{KEY_ID}:{'ab' * 32}"
SIGNER = {"signer": "anna@example.org", "signer_key": shown(b"a key of anna")}
PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
_DONE: dict[str, Any] = {"upstream_version": "2@x", "fingerprint": HASH, "values": [{"key": "a", "fingerprint": HASH}]}
_PUT_ID = hashlib.sha256(b"m8/copy-request/v1\0" + REQUEST_ID).digest()[:16]
_PLACE = "local://app/db"
_RECIPES = [upload_pb2.Recipe(key="a", kind="ed25519"), upload_pb2.Recipe(key="b", kind="hex")]
_PUBLIC = [{"key": "a", "value": PEM}]

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
    "VERIFY": request("VERIFY"),
    "IMPORT": request("IMPORT"),
    "LIST": request("LIST"),
    "LIST after b": request("LIST", list_after="b"),
}
_SEALS = {"UPLOAD", "PATCH", "COMPARE"}


def _granted(name: str) -> upload_pb2.UploadGrant:
    asked = _ASKED[name.removesuffix(", signed")]
    return grant(asked, signature_required=name.endswith(", signed"))


def grants() -> dict[str, str]:
    """Return the grants that receipts answer, by their names."""
    return {name: serialised(_granted(name)).hex() for name in (*_ASKED, "UPLOAD, signed", "DELETE, signed")}


def _receipt(granted: str, outcome: str | int, **fields: Any) -> upload_pb2.Receipt:
    asked = granted.removesuffix(", signed").partition(" ")[0]
    known: dict[str, Any] = {
        "grant_sha256": hashlib.sha256(serialised(_granted(granted))).digest(),
        "sealed_sha256": SEALED if asked in _SEALS else NOTHING,
        "uri": URI,
        "outcome": outcome if isinstance(outcome, int) else upload_pb2.Outcome.Value(f"OUTCOME_{outcome}"),
    }
    return upload_pb2.Receipt(**{**known, **fields})


def _vector(name: str, granted: str, receipt: upload_pb2.Receipt, expected: Vector, **changed: Any) -> Vector:
    sealed = SEALED if granted.removesuffix(", signed").partition(" ")[0] in _SEALS else NOTHING
    known = {"grant": granted, "identity": STORE.shown, "sealed_sha256": sealed.hex()}
    return {"name": name, **known, "signed": STORE.signed(RECEIPT, serialised(receipt)), **changed, "expected": expected}


def receipts() -> Iterator[Vector]:
    """Yield signed receipts: good ones with what they prove, then one fault each."""
    for name, granted, outcome, fields in _good():
        message = _receipt(granted, outcome, **fields)
        yield _vector(name, granted, message, {"proves": _proves(message), "says": said(message)})
    for reason in upload_pb2.Reason.values()[1:]:
        message = _receipt("UPLOAD", "FAILED", reason=reason)
        expected = {"proves": _proves(message), "says": said(message)}
        yield _vector(f"UPLOAD: FAILED with {upload_pb2.Reason.Name(reason)}", "UPLOAD", message, expected)
    for name, granted, outcome, fields, field in [*_bad_heads(), *_bad_versions(), *_bad_lists()]:
        yield _vector(name, granted, _receipt(granted, outcome, **fields), malformed(field))
    yield from _bad_proofs()
    yield from _bad_copies()


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
        yield f"{granted}: UPLOADED", granted, "UPLOADED", _DONE | {"prior_version": "1@x"}
        yield f"{granted}: UNCHANGED", granted, "UNCHANGED", _DONE
        yield f"{granted}: STARTED", granted, "STARTED", intent | {"prior_version": "1@x"}
    yield "PATCH of what cannot be read: UPLOADED without a hash", "PATCH", "UPLOADED", {"upstream_version": "2@x"}
    yield "COMPARE: EQUAL", "COMPARE", "EQUAL", {"upstream_version": "1@x"}
    kinds = [upload_pb2.Difference(key=f"k{kind}", kind=kind) for kind in (1, 2, 3)]
    yield "COMPARE: DIFFERENT", "COMPARE", "DIFFERENT", {"upstream_version": "1@x", "differences": kinds}
    most = [upload_pb2.Difference(key=f"k{index:03}", kind=1) for index in range(128)]
    yield "COMPARE: DIFFERENT in 128 keys", "COMPARE", "DIFFERENT", {"differences": most}
    yield "DELETE: DELETED", "DELETE", "DELETED", {"prior_version": "1@x"}
    yield "DELETE: STARTED", "DELETE", "STARTED", intent
    restored = {"restored_version": "1@x"}
    for granted in ("UNDELETE", "UNDELETE of a version"):
        yield f"{granted}: UNDELETED", granted, "UNDELETED", _DONE | restored
        yield f"{granted}: STARTED", granted, "STARTED", intent | restored
    yield "UNDELETE: UNDELETED, not readable", "UNDELETE", "UNDELETED", restored | {"upstream_version": "2@x"}
    yield "ROLLBACK: ROLLED_BACK", "ROLLBACK", "ROLLED_BACK", _DONE | restored | {"prior_version": "2@x"}
    yield "ROLLBACK: STARTED", "ROLLBACK", "STARTED", intent | restored
    yield "GENERATE: UPLOADED", "GENERATE", "UPLOADED", _DONE | {"public_values": _PUBLIC}
    yield "GENERATE: UPLOADED, found by an heir", "GENERATE", "UPLOADED", {"upstream_version": "2@x"}
    yield "COPY: COPIED", "COPY", "COPIED", _copied()
    yield "COPY: COPIED, of a reactor before destination_grant", "COPY", "COPIED", _copied(destination_grant=None)
    yield "COPY: COPIED to a store that asks for signatures", "COPY", "COPIED", _copied(signed=True)
    yield "COPY: STARTED", "COPY", "STARTED", {"intent": bytes(32)}
    checked = {"verified_sha256": bytes(range(32))}
    yield "VERIFY: IN_SYNC", "VERIFY", "IN_SYNC", checked | {"upstream_version": "1@x"}
    yield "VERIFY: IN_SYNC after a deletion", "VERIFY", "IN_SYNC", checked
    yield "VERIFY: DRIFTED", "VERIFY", "DRIFTED", checked | {"upstream_version": "2@x"}
    yield "VERIFY: GONE", "VERIFY", "GONE", checked
    yield "IMPORT: IMPORTED", "IMPORT", "IMPORTED", _DONE
    yield "LIST: LISTED", "LIST", "LISTED", {"listed": {"names": ["a", "b/", "b0"], "unaddressable": 2}, "more": True}
    yield "LIST: LISTED, nothing there", "LIST", "LISTED", {"listed": {}}
    yield "LIST after b: LISTED", "LIST after b", "LISTED", {"listed": {"names": ["b/", "c"]}}
    yield "LIST: LISTED, 500 names", "LIST", "LISTED", {"listed": {"names": [f"n{i:03}" for i in range(500)]}}
    yield "signed UPLOAD: UPLOADED", "UPLOAD, signed", "UPLOADED", _DONE | SIGNER
    yield "signed UPLOAD: STARTED", "UPLOAD, signed", "STARTED", intent | SIGNER
    yield "signed UPLOAD: FAILED", "UPLOAD, signed", "FAILED", {"reason": 14}
    yield "signed DELETE: DELETED", "DELETE, signed", "DELETED", SIGNER | {"prior_version": "1@x"}
    yield "FAILED with a sentence", "UPLOAD", "FAILED", {"reason": 6, "detail": "~ " * 100}
    yield "FAILED before anything was sealed", "UPLOAD", "FAILED", {"reason": 10, "sealed_sha256": b""}
    yield "FAILED with the version that is there", "UPLOAD", "FAILED", {"reason": 2, "upstream_version": "9@x"}
    yield "KEY_LOST that names its process", "UPLOAD", "FAILED", {"reason": 3, "replica": REPLICA}
    yield "RATE_LIMITED for a day", "UPLOAD", "FAILED", {"reason": 9, "retry_after_s": 86_400}


def _copied(*, signed: bool = False, asked: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """The fields of a COPIED receipt; `asked` changes the put's request, `there_` fields the receipt inside."""
    inner = {key.removeprefix("there_"): value for key, value in fields.items() if key.startswith("there_")}
    put = grant(
        request(**{"request_id": _PUT_ID, "uri": _PLACE, **(asked or {})}), subject="anna", signature_required=signed
    )
    there = upload_pb2.Receipt(
        **{
            "grant_sha256": hashlib.sha256(serialised(put)).digest(),
            "sealed_sha256": SEALED,
            "uri": _PLACE,
            "outcome": upload_pb2.OUTCOME_UPLOADED,
            **_DONE,
            **(SIGNER if signed else {}),
            **inner,
        }
    )
    outer = {key: value for key, value in fields.items() if not key.startswith("there_")}
    known = {
        "destination": THERE.message(RECEIPT, serialised(there)),
        "destination_grant": THERE.message(GRANT, serialised(put)),
    }
    return _DONE | known | outer


BadCase = Iterator[tuple[str, str, str | int, dict[str, Any], str]]


def _bad_heads() -> BadCase:
    yield "outcome 0", "UPLOAD", 0, {}, "outcome"
    yield "outcome 16", "UPLOAD", 16, {}, "outcome"
    yield "reason 16", "UPLOAD", "FAILED", {"reason": 16}, "reason"
    yield "FAILED without a reason", "UPLOAD", "FAILED", {}, "reason"
    yield "UPLOADED with a reason", "UPLOAD", "UPLOADED", _DONE | {"reason": 1}, "reason"
    yield "bad URI", "UPLOAD", "UPLOADED", _DONE | {"uri": "vault://"}, "uri"
    for field, size in [("grant_sha256", 31), ("grant_sha256", 0), ("sealed_sha256", 33)]:
        yield f"{field} of {size} bytes", "UPLOAD", "UPLOADED", _DONE | {field: bytes(size)}, field
    yield "UPLOADED of nothing sealed", "UPLOAD", "UPLOADED", _DONE | {"sealed_sha256": b""}, "sealed_sha256"
    yield "STARTED without an intent", "UPLOAD", "STARTED", {}, "intent"
    yield "UPLOADED with an intent", "UPLOAD", "UPLOADED", _DONE | {"intent": bytes(32)}, "intent"
    yield "IN_SYNC that names no receipt", "VERIFY", "IN_SYNC", {}, "verified_sha256"
    yield "EQUAL that names a receipt", "COMPARE", "EQUAL", {"upstream_version": "1", "verified_sha256": bytes(32)}, "verified_sha256"
    yield "a sentence with UPLOADED", "UPLOAD", "UPLOADED", _DONE | {"detail": "x"}, "detail"
    for name, text in {"201 characters": "x" * 201, "a tab": "a\tb", "an umlaut": "\u00e4"}.items():
        yield f"a sentence of {name}", "UPLOAD", "FAILED", {"reason": 6, "detail": text}, "detail"
    yield "a process with CONFLICT", "UPLOAD", "FAILED", {"reason": 2, "replica": REPLICA}, "replica"
    yield "a process of 15 bytes", "UPLOAD", "FAILED", {"reason": 3, "replica": REPLICA[1:]}, "replica"
    yield "a time to come back with CONFLICT", "UPLOAD", "FAILED", {"reason": 2, "retry_after_s": 1}, "retry_after_s"
    yield "a time to come back of more than a day", "UPLOAD", "FAILED", {"reason": 9, "retry_after_s": 86_401}, "retry_after_s"
    signed = _DONE | SIGNER
    yield "a signer without a key", "UPLOAD, signed", "UPLOADED", signed | {"signer_key": ""}, "signer_key"
    yield "a key without a signer", "UPLOAD, signed", "UPLOADED", signed | {"signer": ""}, "signer_key"
    yield "a key that is none", "UPLOAD, signed", "UPLOADED", signed | {"signer_key": "SHA256:x"}, "signer_key"
    yield "a key with padding", "UPLOAD, signed", "UPLOADED", signed | {"signer_key": SIGNER["signer_key"] + "="}, "signer_key"
    for name in ("@anna", "a b", "a" * 129, "ann\u00e4"):
        yield f"a signer {name!r}", "UPLOAD, signed", "UPLOADED", signed | {"signer": name}, "signer"
    yield "a signer with FAILED", "UPLOAD, signed", "FAILED", SIGNER | {"reason": 6}, "signer"
    yield "COPIED without a destination", "COPY", "COPIED", _copied(destination=None, destination_grant=None), "destination"
    other = upload_pb2.Signed(content=b"x")
    yield "UPLOADED with a destination", "UPLOAD", "UPLOADED", _DONE | {"destination": other}, "destination"
    yield "FAILED with a destination's grant", "COPY", "FAILED", {"reason": 2, "destination_grant": other}, "destination_grant"


def _bad_versions() -> BadCase:
    for outcome, granted, fields in [
        ("UPLOADED", "UPLOAD", {}),
        ("UNCHANGED", "UPLOAD", _DONE),
        ("EQUAL", "COMPARE", {}),
        ("IMPORTED", "IMPORT", _DONE),
        ("DRIFTED", "VERIFY", {"verified_sha256": bytes(32)}),
    ]:
        yield f"{outcome} without a version", granted, outcome, fields | {"upstream_version": ""}, "upstream_version"
    yield "a version with a space", "UPLOAD", "UPLOADED", _DONE | {"upstream_version": "a b"}, "upstream_version"
    yield "a version of 257", "UPLOAD", "UPLOADED", _DONE | {"upstream_version": "x" * 257}, "upstream_version"
    yield "DELETED with a version", "DELETE", "DELETED", {"prior_version": "1", "upstream_version": "1"}, "upstream_version"
    gone = {"verified_sha256": bytes(32), "upstream_version": "1"}
    yield "GONE with a version", "VERIFY", "GONE", gone, "upstream_version"
    yield "DELETED of nothing", "DELETE", "DELETED", {}, "prior_version"
    yield "UNCHANGED that replaces", "UPLOAD", "UNCHANGED", _DONE | {"prior_version": "1"}, "prior_version"
    yield "a replaced version with a space", "UPLOAD", "UPLOADED", _DONE | {"prior_version": "a b"}, "prior_version"
    yield "UNDELETED without the version", "UNDELETE", "UNDELETED", _DONE, "restored_version"
    yield "UPLOADED that brings back", "UPLOAD", "UPLOADED", _DONE | {"restored_version": "1"}, "restored_version"
    yield "a restored version with a space", "UNDELETE", "UNDELETED", _DONE | {"restored_version": "a b"}, "restored_version"


def _bad_lists() -> BadCase:
    def values(*keys: str, fingerprint: str = HASH) -> dict[str, Any]:
        return {"values": [{"key": key, "fingerprint": fingerprint} for key in keys]}

    yield "UNCHANGED without a hash", "UPLOAD", "UNCHANGED", {"upstream_version": "1"}, "fingerprint"
    yield "EQUAL with a hash", "COMPARE", "EQUAL", _DONE, "fingerprint"
    yield "a hash that is none", "UPLOAD", "UPLOADED", _DONE | {"fingerprint": HASH[:-1]} | values("a", fingerprint=HASH), "fingerprint"
    yield "a hash in capitals", "UPLOAD", "UPLOADED", _DONE | {"fingerprint": HASH[:21] + HASH[21:].upper()}, "fingerprint"
    yield "a hash without those of values", "UPLOAD", "UPLOADED", _DONE | {"values": []}, "values"
    yield "hashes of values alone", "UPLOAD", "UPLOADED", _DONE | {"fingerprint": ""}, "values"
    other = HASH.replace(KEY_ID, "0" * 16)
    yield "hashes under two keys", "UPLOAD", "UPLOADED", _DONE | values("a", fingerprint=other), "values"
    yield "hashes out of order", "UPLOAD", "UPLOADED", _DONE | values("b", "a"), "values"
    yield "a key twice", "UPLOAD", "UPLOADED", _DONE | values("a", "a"), "values"
    yield "a bad key", "UPLOAD", "UPLOADED", _DONE | values("a b"), "values"
    yield "65 keys", "UPLOAD", "UPLOADED", _DONE | values(*(f"k{index:02}" for index in range(65))), "values"
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
    for name, pem in {"no PEM": "MCow", "a private key": PEM.replace("PUBLIC", "PRIVATE"), "carriage returns": PEM.replace("\n", "\r\n"), "2,049 characters": PEM[:27] + ("A" * 64 + "\n") * 31 + PEM[27:]}.items():
        yield f"public half: {name}", "GENERATE", "UPLOADED", _DONE | {"public_values": [{"key": "a", "value": pem}]}, "public_values"
    started = {"intent": bytes(32), "public_values": _PUBLIC}
    yield "STARTED with a public half", "GENERATE", "STARTED", started, "public_values"
    yield "LISTED without a page", "LIST", "LISTED", {}, "listed"
    yield "FAILED with a page", "LIST", "FAILED", {"reason": 6, "listed": {}}, "listed"
    names = {"501": [f"n{index:03}" for index in range(501)], "unsorted": ["b", "a"], "twice": ["a", "a"], "a path": ["a/b"], "a dot": [".a"], "32,769 bytes": [f"{i:03}".ljust(128, "x") for i in range(256)] + ["z"]}
    for name, shown_names in names.items():
        yield f"names: {name}", "LIST", "LISTED", {"listed": {"names": shown_names}}, "listed"
    yield "a million and one names that no URI can name", "LIST", "LISTED", {"listed": {"unaddressable": 1_000_001}}, "listed"
    yield "more after nothing", "LIST", "LISTED", {"listed": {}, "more": True}, "more"


def _bad_proofs() -> Iterator[Vector]:
    good = _receipt("UPLOAD", "UPLOADED", **_DONE)
    content = serialised(good)
    yield _vector("another identity", "UPLOAD", good, fault("IDENTITY"), signed=OTHER.signed(RECEIPT, content))
    yield _vector("label of grants", "UPLOAD", good, fault("SIGNATURE"), signed=STORE.signed(GRANT, content))
    yield _vector("unknown field", "UPLOAD", good, malformed("content"), signed=STORE.signed(RECEIPT, content + b"\xa2\x06\x00"))
    yield _vector("another grant", "UPLOAD", _receipt("PATCH", "UPLOADED", **_DONE), fault("GRANT"))
    yield _vector("another secret", "UPLOAD", _receipt("UPLOAD", "UPLOADED", **_DONE, uri="vault://app/other"), fault("SECRET"))
    yield _vector("other sealed bytes", "UPLOAD", _receipt("UPLOAD", "UPLOADED", **_DONE, sealed_sha256=NOTHING), fault("SEALED"))
    yield _vector("FAILED about other sealed bytes", "UPLOAD", _receipt("UPLOAD", "FAILED", reason=2, sealed_sha256=NOTHING), fault("SEALED"))
    for granted, outcome, fields in [
        ("UPLOAD", "EQUAL", {"upstream_version": "1"}),
        ("COMPARE", "UPLOADED", _DONE),
        ("COMPARE", "STARTED", {"intent": bytes(32)}),
        ("DELETE", "UPLOADED", _DONE),
        ("GENERATE", "UNCHANGED", _DONE),
        ("ROLLBACK", "UNCHANGED", _DONE),
        ("VERIFY", "EQUAL", {"upstream_version": "1"}),
        ("LIST", "IMPORTED", _DONE),
    ]:
        yield _vector(f"{granted}: {outcome}", granted, _receipt(granted, outcome, **fields), fault("OUTCOME"))
    yield _vector("no signer where one must be", "UPLOAD, signed", _receipt("UPLOAD, signed", "UPLOADED", **_DONE), fault("SIGNER"))
    yield _vector("no signer of STARTED", "UPLOAD, signed", _receipt("UPLOAD, signed", "STARTED", intent=bytes(32)), fault("SIGNER"))
    yield _vector("a signer where none is asked for", "UPLOAD", _receipt("UPLOAD", "UPLOADED", **_DONE, **SIGNER), fault("SIGNER"))
    pem = _receipt("GENERATE", "UPLOADED", **_DONE, public_values=[{"key": "b", "value": PEM}])
    yield _vector("public half of another key", "GENERATE", pem, fault("PUBLIC_VALUES"))
    yield _vector("public half of an UPLOAD", "UPLOAD", _receipt("UPLOAD", "UPLOADED", **_DONE, public_values=_PUBLIC), fault("PUBLIC_VALUES"))
    page = _receipt("LIST after b", "LISTED", listed={"names": ["b", "c"]})
    yield _vector("another page", "LIST after b", page, fault("PAGE"))
    started = {"intent": bytes(32)}
    restored = {"restored_version": "2@x"}
    yield _vector("STARTED of an UPLOAD that brings back", "UPLOAD", _receipt("UPLOAD", "STARTED", **started, **restored), fault("RESTORED"))
    yield _vector("STARTED of an UNDELETE of nothing", "UNDELETE", _receipt("UNDELETE", "STARTED", **started), fault("RESTORED"))
    undeleted = _receipt("UNDELETE of a version", "UNDELETED", **_DONE, **restored)
    yield _vector("UNDELETED: another version", "UNDELETE of a version", undeleted, fault("RESTORED"))
    rolled = _receipt("ROLLBACK", "ROLLED_BACK", **_DONE, **restored)
    yield _vector("ROLLED_BACK: another version", "ROLLBACK", rolled, fault("RESTORED"))


def _bad_copies() -> Iterator[Vector]:
    expecting = {"expect": upload_pb2.EXPECT_OVERWRITE}
    for name, fields in {
        "receipt is malformed": {"destination": THERE.message(RECEIPT, b"x")},
        "grant is malformed": {"destination_grant": THERE.message(GRANT, b"x")},
        "receipt is about another secret": {"there_uri": "local://app/other"},
        "receipt tells of no write": {"there_outcome": upload_pb2.OUTCOME_IMPORTED},
        "receipt has another hash": {"there_fingerprint": HASH[:-1] + "0"},
        "receipt is for another grant": {"there_grant_sha256": bytes(32)},
        "receipt names a signer of what takes none": {"there_signer": SIGNER["signer"], "there_signer_key": SIGNER["signer_key"]},
        "receipt does not say who signed": {"signed": True, "there_signer": "", "there_signer_key": ""},
        "grant is for another request": {"asked": {"request_id": REQUEST_ID}},
        "grant is for another secret": {"asked": {"uri": "local://app/other"}},
        "grant is for a patch": {"asked": {"purpose": upload_pb2.PURPOSE_PATCH}},
        "grant expects something else": {"asked": expecting},
        "grant keeps labels": {"asked": {"keep_labels": True}},
        "grant gives a day": {"asked": {"expires_on": "2027-01-01"}},
        "grant has options": {"asked": {"other": "{}"}},
    }.items():
        message = _receipt("COPY", "COPIED", **_copied(**fields))
        yield _vector(f"COPIED: the destination's {name}", "COPY", message, fault("DESTINATION"))

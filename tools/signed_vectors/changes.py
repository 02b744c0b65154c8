"""Changes, each good or with one fault, and requests that execute a change or do something else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from tools.signed_vectors.vector import NOW, Vector

_ASK = upload_pb2.UploadRequest
_ID = bytes(range(16))
IDENTITY = hashlib.sha256(b"the identity key of the store").digest()
FINGERPRINT = f"fp1:63e8eb50bcac50aa:{'0' * 64}"
MOST = 8_192
_LAST_SECOND = 253_402_300_799
_AT: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "3@2027-01-01T00:00:00Z"}
_NOTHING: dict[str, Any] = {"expect": upload_pb2.EXPECT_ABSENT}
_ANY: dict[str, Any] = {"expect": upload_pb2.EXPECT_ANY}
_COPY: dict[str, Any] = {"destination": "local://team-a/db", "source_version": "7@2027-01-01T00:00:00Z"}
_RECIPES = {"recipes": [upload_pb2.Recipe(key="a", kind="hex")]}


def asked(word: str, /, **fields: Any) -> upload_pb2.UploadRequest:  # noqa: ANN401 - fields of a message
    """Return what a change asks for: a request without its id, its suites and the change's digest."""
    known = {"purpose": upload_pb2.Purpose.Value(f"PURPOSE_{word}"), "uri": "vault://team-a/db"}
    return _ASK(**{**known, **fields})


def change(request: upload_pb2.UploadRequest | bytes, **fields: Any) -> upload_pb2.Change:  # noqa: ANN401 - fields of a message
    """Return a change, good unless `fields` make it bad. What seals names two keys."""
    content = request if isinstance(request, bytes) else serialised(request)
    known: dict[str, Any] = {
        "change_id": _ID,
        "request": content,
        "requester": "anna@example.org",
        "identity": IDENTITY,
        "not_after": NOW + 3600,
        "keys": ["password", "user"],
    }
    return upload_pb2.Change(**{**known, **fields})


def serialised(message: upload_pb2.Change | upload_pb2.UploadRequest) -> bytes:
    """Return the one serialised form."""
    return message.SerializeToString(deterministic=True)


PUT = asked("UPLOAD", **_AT)
GOOD = change(PUT, reason="the quarter is over")


def changes() -> Iterator[Vector]:
    """Yield good changes, then faults of their fields, of what they ask, and of their bytes."""
    for name, message in _good():
        content = serialised(message)
        digest = hashlib.sha256(content).hexdigest()
        yield _vector(name, content, {"change_sha256": digest, "says": _said(message)})
    for name, field, fields in _bad_fields():
        yield _vector(name, serialised(change(PUT, **fields)), _fault(field))
    for name, field, message in _bad_purposes():
        yield _vector(name, serialised(message), _fault(field))
    for name, content in _bad_bytes():
        yield _vector(name, content, _fault("content"))


def _vector(name: str, content: bytes, expected: Vector) -> Vector:
    return {"name": name, "made_by": "hand", "content": content.hex(), "expected": expected}


def _fault(field: str) -> Vector:
    return {"fault": "MALFORMED", "field": field}


def _said(message: upload_pb2.Change) -> Vector:
    request = _ASK.FromString(message.request)
    return {
        "change_id": message.change_id.hex(),
        "purpose": upload_pb2.Purpose.Name(request.purpose),
        "uri": request.uri,
        "expect_version": request.expect_version,
        "requester": message.requester,
        "identity": message.identity.hex(),
        "not_after": message.not_after,
        "keys": list(message.keys),
        "fingerprint": message.fingerprint,
        "reason": message.reason,
    }


def _good() -> Iterator[tuple[str, upload_pb2.Change]]:
    none: dict[str, Any] = {"keys": []}
    yield "upload", GOOD
    yield "upload-where-nothing-is", change(asked("UPLOAD", **_NOTHING))
    yield "upload-with-all", change(_with_all(), fingerprint=FINGERPRINT, reason="Grüße, \u4f60\u597d: ß" * 20)
    yield "upload-of-64-keys", change(PUT, keys=[f"k{number:02}" for number in range(64)])
    yield "reason-of-500", change(PUT, reason="\U0001f511" * 500)
    yield "the-last-second", change(PUT, not_after=_LAST_SECOND)
    yield "the-first-second", change(PUT, not_after=1)
    yield "principal-of-128", change(PUT, requester="a" * 128)
    yield "as-large-as-can-be", _of_size(MOST)
    yield "patch", change(asked("PATCH", **_AT))
    yield "patch-that-removes-too", change(asked("PATCH", **_AT, remove_keys=["old"]))
    yield "patch-that-only-removes", change(asked("PATCH", **_AT, remove_keys=["old"]), **none)
    yield "generate", change(asked("GENERATE", **_NOTHING, **_RECIPES), **none)
    yield "delete", change(asked("DELETE", **_AT), **none)
    yield "destroy", change(asked("DELETE", **_AT, destroy=True), **none)
    yield "undelete", change(asked("UNDELETE", **_AT), **none)
    yield "rollback", change(asked("ROLLBACK", **_AT, to_version="1@x"), **none)
    yield "rollback-where-nothing-is", change(asked("ROLLBACK", **_NOTHING, to_version="1@x"), **none)
    yield "copy", change(asked("COPY", **_AT, **_COPY), **none)
    yield "copy-of-keys", change(asked("COPY", **_AT, **_COPY, keys=["password", "user"]), **none)
    yield "copy-of-a-fingerprint", change(asked("COPY", **_NOTHING, **_COPY), **none, fingerprint=FINGERPRINT)


def _with_all() -> upload_pb2.UploadRequest:
    labels = [options_pb2.Label(name="owner", value="anna")]
    binary = options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)
    return asked("UPLOAD", **_AT, labels=labels, keep_expires_on=True, vault=binary)


def _of_size(size: int) -> upload_pb2.Change:
    message = change(PUT, keys=[])
    while len(serialised(message)) < size - 260:
        message.keys.append(f"k{len(message.keys):02}{'x' * 240}")
    message.keys.append("l")
    # The length of a key takes two bytes from 128 on.
    message.keys[-1] = "l" * (size - len(serialised(message)))
    return message


def _bad_fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "id-of-15-bytes", "change_id", {"change_id": bytes(15)}
    yield "id-of-17-bytes", "change_id", {"change_id": bytes(17)}
    yield "id-missing", "change_id", {"change_id": b""}
    yield "requester-missing", "requester", {"requester": ""}
    yield "requester-with-a-space", "requester", {"requester": "anna example"}
    yield "requester-a-pattern", "requester", {"requester": "*@example.org"}
    yield "requester-of-129", "requester", {"requester": "a" * 129}
    yield "identity-missing", "identity", {"identity": b""}
    yield "identity-of-31-bytes", "identity", {"identity": IDENTITY[1:]}
    yield "identity-of-33-bytes", "identity", {"identity": IDENTITY + b"\0"}
    yield "without-an-end", "not_after", {"not_after": 0}
    yield "end-after-9999", "not_after", {"not_after": _LAST_SECOND + 1}
    yield "keys-missing", "keys", {"keys": []}
    yield "keys-out-of-order", "keys", {"keys": ["user", "password"]}
    yield "a-key-twice", "keys", {"keys": ["password", "password"]}
    yield "a-key-that-is-none", "keys", {"keys": ["pass word"]}
    yield "a-key-of-two-dots", "keys", {"keys": ["..a"]}
    yield "65-keys", "keys", {"keys": [f"k{number:02}" for number in range(65)]}
    yield "fingerprint-cut", "fingerprint", {"fingerprint": FINGERPRINT[:-1]}
    yield "fingerprint-in-capitals", "fingerprint", {"fingerprint": FINGERPRINT.replace("bcac", "BCAC")}
    yield "fingerprint-of-another-form", "fingerprint", {"fingerprint": FINGERPRINT.replace("fp1", "fp2")}
    yield "reason-of-501", "reason", {"reason": "x" * 501}
    yield "reason-of-two-lines", "reason", {"reason": "two\nlines"}
    yield "reason-with-an-escape", "reason", {"reason": "\x1b[2J"}
    yield "reason-turned", "reason", {"reason": "safe\u202etxt.exe"}
    yield "reason-isolated", "reason", {"reason": "a\u2066b"}
    yield "reason-with-another-space", "reason", {"reason": "a\u00a0b"}


def _bad_purposes() -> Iterator[tuple[str, str, upload_pb2.Change]]:
    none: dict[str, Any] = {"keys": []}
    for word in ("COMPARE", "VERIFY", "IMPORT", "LIST"):
        yield f"{word.lower()}-writes-nothing", "request", change(asked(word), **none)
    for word, more in (("UPLOAD", {}), ("DELETE", none), ("UNDELETE", none)):
        yield f"{word.lower()}-of-anything", "request", change(asked(word, **_ANY), **more)
    yield "overwrite", "request", change(asked("UPLOAD", expect=upload_pb2.EXPECT_OVERWRITE))
    unnamed = {"destination": "local://team-a/db"}
    yield "copy-of-any-version", "request", change(asked("COPY", **_AT, **unnamed), **none)
    yield "glass-broken", "request", change(asked("UPLOAD", **_AT, break_glass="now"))
    yield "request-with-an-id", "request", change(asked("UPLOAD", **_AT, request_id=bytes(16)))
    yield "request-with-suites", "request", change(asked("UPLOAD", **_AT, suites=[1]))
    yield "request-with-a-change", "request", change(asked("UPLOAD", **_AT, change_sha256=bytes(32)))
    yield "delete-of-an-absent-one", "expect", change(asked("DELETE", **_NOTHING), **none)
    yield "version-missing", "expect_version", change(asked("UPLOAD", expect=upload_pb2.EXPECT_VERSION))
    yield "source-version-of-a-put", "source_version", change(asked("UPLOAD", **_AT, source_version="7@x"))
    yield "copied-keys-of-a-put", "keys", change(asked("UPLOAD", **_AT, keys=["user"]))
    yield "keys-of-a-delete", "keys", change(asked("DELETE", **_AT))
    yield "keys-of-a-copy", "keys", change(asked("COPY", **_AT, **_COPY))
    yield "keys-of-a-generate", "keys", change(asked("GENERATE", **_NOTHING, **_RECIPES))
    yield "patch-without-keys", "keys", change(asked("PATCH", **_AT), **none)
    yield "patch-of-what-it-removes", "keys", change(asked("PATCH", **_AT, remove_keys=["user"]))
    yield "fingerprint-of-a-patch", "fingerprint", change(asked("PATCH", **_AT), fingerprint=FINGERPRINT)
    yield "fingerprint-of-a-delete", "fingerprint", change(asked("DELETE", **_AT), **none, fingerprint=FINGERPRINT)


def _bad_bytes() -> Iterator[tuple[str, bytes]]:
    good, inner = serialised(GOOD), serialised(PUT)
    yield "no-bytes-of-a-message", b"\xff\xff"
    yield "cut-short", good[:-1]
    yield "8193-bytes", serialised(_of_size(MOST + 1))
    yield "unknown-field", good + bytes([15 << 3, 1])
    yield "a-default-written", good + bytes([7 << 3 | 2, 0])
    yield "a-field-twice", bytes([1 << 3 | 2, 16]) + _ID + good
    yield "fields-out-of-order", good[18:] + good[:18]
    time = bytes([5 << 3]) + _varint(NOW + 3600)
    assert good.count(time) == 1, "found by its bytes"
    yield "a-number-in-more-bytes", good.replace(time, time[:-1] + bytes([time[-1] | 0x80, 0]))
    text = bytes([3 << 3 | 2, 16]) + b"anna@example.org"
    yield "a-text-that-is-not-utf-8", good.replace(text, text[:-1] + b"\xff")
    for name, changed in (
        ("request-with-an-unknown-field", inner + bytes([15 << 3 | 0, 1]) + b""),
        ("request-cut-short", inner[:-1]),
        ("request-with-a-default", inner + bytes([21 << 3 & 0x7F | 0x80 | 2, 1, 0])),
    ):
        yield name, serialised(change(changed))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def executions() -> Iterator[Vector]:
    """Yield requests as a grant has them, beside a change: whether they execute it."""
    content = serialised(GOOD)
    digest = hashlib.sha256(content).digest()
    other = hashlib.sha256(serialised(change(PUT))).digest()
    attempt: dict[str, Any] = {"request_id": bytes(range(32, 48)), "suites": [1], "change_sha256": digest}
    for name, request, executes in (
        ("it", {}, True),
        ("it-in-another-attempt", {"request_id": bytes(16), "suites": [2, 1]}, True),
        ("it-without-a-name", {"change_sha256": b""}, False),
        ("it-under-the-name-of-another-change", {"change_sha256": other}, False),
        ("another-secret", {"uri": "vault://team-a/dbx"}, False),
        ("another-version", {"expect_version": "4@2027-01-01T00:00:00Z"}, False),
        ("anything", {"expect": upload_pb2.EXPECT_OVERWRITE, "expect_version": ""}, False),
        ("another-purpose", {"purpose": upload_pb2.PURPOSE_PATCH}, False),
        ("with-a-label", {"labels": [options_pb2.Label(name="owner", value="mallory")]}, False),
        ("with-kept-labels", {"keep_labels": True}, False),
        ("with-empty-options", {"vault": options_pb2.VaultOptions()}, False),
        ("breaking-the-glass", {"change_sha256": b"", "break_glass": "now"}, False),
    ):
        asks = serialised(asked("UPLOAD", **{**_AT, **attempt, **request}))
        yield {"name": name, "change": content.hex(), "request": asks.hex(), "expected": {"executes": executes}}

"""One request of a made-up store as its reactor, its user and m8 put it into the log: messages and signatures."""

# ruff: noqa: ANN401 - the fields of messages
from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2, proof_pb2, upload_pb2
from tools.log_vectors.made import b64, ed25519, entries, path, root, sha256, signed

REQUEST_ID = sha256(b"request")[:16]
RECORDED_AT_MS = 1_797_999_999_000
INDEX = 4
SIZE = 7
STORE = "vault"
KEY_ID = "63e8eb50bcac50aa"
HASH = f"fp1:{KEY_ID}:" + "5a" * 32
SEALED = sha256(b"sealed bytes")
ANNA = "anna@example.org"


def shown(name: str) -> str:
    """The identity of that name, as people see it."""
    return "SHA256:" + b64(sha256(public(name))).rstrip("=")


def public(name: str) -> bytes:
    """Return the public key of a store or a person."""
    return ed25519(name).public_key().public_bytes_raw()


def signed_by(name: str, label: bytes, content: bytes) -> upload_pb2.Signed:
    """Return a message with the signature of an identity."""
    signature = ed25519(name).sign(label + b"\0" + content)
    return upload_pb2.Signed(content=content, signature=signature, identity_key=public(name))


def request(**fields: Any) -> bytes:
    """Return a serialised UploadRequest; fields can be others."""
    made = {
        "request_id": REQUEST_ID,
        "purpose": upload_pb2.PURPOSE_UPLOAD,
        "uri": f"{STORE}://team-a/db",
        "expect": upload_pb2.EXPECT_ANY,
        "suites": [1],
    }
    return upload_pb2.UploadRequest(**{**made, **fields}).SerializeToString(deterministic=True)


def grant_bytes(asked: bytes, **fields: Any) -> bytes:
    """Return a serialised UploadGrant."""
    made = {
        "request": asked,
        "subject": "anna",
        "suite": 1,
        "public_key": sha256(b"one-time key") * 38,
        "replica": sha256(b"replica")[:16],
        "lifetime_s": 60,
        "max_plaintext": 65_536,
        "fingerprint_key_id": KEY_ID,
    }
    return upload_pb2.UploadGrant(**{**made, **fields}).SerializeToString(deterministic=True)


def receipt_bytes(grant: bytes, **fields: Any) -> bytes:
    """Return a serialised Receipt."""
    made = {
        "grant_sha256": sha256(grant),
        "sealed_sha256": SEALED,
        "uri": f"{STORE}://team-a/db",
        "outcome": upload_pb2.OUTCOME_UPLOADED,
        "upstream_version": "2@2026-11-26T10:00:00Z",
        "prior_version": "1@2026-11-25T10:00:00Z",
        "fingerprint": HASH,
        "values": [upload_pb2.ValueFingerprint(key="password", fingerprint=HASH)],
    }
    return upload_pb2.Receipt(**{**made, **fields}).SerializeToString(deterministic=True)


FAILED: dict[str, Any] = {
    "outcome": upload_pb2.OUTCOME_FAILED,
    "reason": upload_pb2.REASON_CONFLICT,
    "upstream_version": "",
    "prior_version": "",
    "fingerprint": "",
    "values": [],
}


def receipt(grant: bytes, by: str = "identity", **fields: Any) -> upload_pb2.Signed:
    """Return a signed receipt."""
    return signed_by(by, b"m8/receipt/v1", receipt_bytes(grant, **fields))


def record(event: Any, **fields: Any) -> bytes:
    """The record of an event at its place."""
    made = {
        "position": INDEX + 1,
        "stream": f"upload/{REQUEST_ID.hex()}",
        "version": 5,
        "type": event.DESCRIPTOR.name,
        "recorded_at_ms": RECORDED_AT_MS,
        "actor": f"reactor/{STORE}",
        "data": event.SerializeToString(deterministic=True),
        "previous_hash": sha256(b"the record before"),
        "uri": f"{STORE}://team-a/db",
        "detail": "what it says",
    }
    return event_pb2.Event(**{**made, **fields}).SerializeToString(deterministic=True)


def entry(stored: bytes) -> bytes:
    """The entry of a record: the SHA-256 of its outline, which has the SHA-256 of its data in place of the data."""
    found = event_pb2.Event.FromString(stored)
    outline = event_pb2.Event(data_sha256=sha256(found.data))
    outline.MergeFrom(found)
    outline.ClearField("data")
    outline.DiscardUnknownFields()
    return sha256(outline.SerializeToString(deterministic=True))


def rotation(
    old: str, new: str, *, store: str = STORE, by: str = "", of: Sequence[bytes] = (), previous: bytes = b""
) -> identity_pb2.SignedRotation:
    """A step of the identity; `by` signs in place of the old key. `of` are the log's entries at the rotation."""
    step = identity_pb2.IdentityRotation(
        store=store, old_key=public(old), new_key=public(new), previous_sha256=previous
    )
    if of:
        step.log_size, step.log_root = len(of), root(of)
    content = step.SerializeToString(deterministic=True)
    label = b"m8/identity-rotation/v1\0"
    return identity_pb2.SignedRotation(
        content=content,
        old_signature=ed25519(by or old).sign(label + content),
        new_signature=ed25519(new).sign(label + content),
    )


def key_text(name: str) -> str:
    """A user's key as a receipt shows it."""
    return "SHA256:" + b64(sha256(_wire_key(name))).rstrip("=")


def _wire_key(name: str) -> bytes:
    line = ed25519(name).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def sshsig(name: str, grant: bytes, sealed: bytes = SEALED) -> bytes:
    """The signature of a request (OpenSSH, PROTOCOL.sshsig)."""
    return _sshsig(name, b"m8/signed-request/v1\0" + sha256(grant) + sealed, b"request@monoskope")


def approval(name: str, change: bytes, namespace: bytes = b"approval@monoskope") -> bytes:
    """The signature of a change."""
    return _sshsig(name, b"m8/approval/v1\0" + sha256(change), namespace)


def _sshsig(name: str, statement: bytes, namespace: bytes) -> bytes:
    def string(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    head = string(namespace) + string(b"") + string(b"sha512")
    signature = ed25519(name).sign(b"SSHSIG" + head + string(hashlib.sha512(statement).digest()))
    blob = string(b"ssh-ed25519") + string(signature)
    return b"SSHSIG" + (1).to_bytes(4, "big") + string(_wire_key(name)) + head + string(blob)


class Put:
    """A put and its evidence; each part can be another one than it should be."""

    def __init__(self, *, by: str = "identity", required: bool = False, **request_fields: Any) -> None:
        self.request = request(**request_fields)
        self.grant_bytes = grant_bytes(self.request, signature_required=required)
        self.grant: upload_pb2.Signed | None = signed_by(by, b"m8/upload-grant/v1", self.grant_bytes)
        signer = {"signer": ANNA, "signer_key": key_text("anna")} if required else {}
        self.receipt = receipt(self.grant_bytes, by, **signer)
        self.signature = sshsig("anna", self.grant_bytes) if required else b""
        self.rotations: list[identity_pb2.SignedRotation] = []
        self.change = b""
        self.approvals: list[bytes] = []
        self.before: list[bytes] = []
        self.event: Any = None
        self.record_fields: dict[str, Any] = {}
        self.record = b""
        self.index = INDEX

    def tree(self) -> list[bytes]:
        """The entries of the log, with this record's at its place."""
        found = entries(SIZE)
        found[self.index] = entry(self._record())
        return found

    def _record(self) -> bytes:
        event = self.event if self.event is not None else events_pb2.SecretUploaded(receipt=self.receipt)
        return self.record or record(event, **self.record_fields)

    def extra(self) -> bytes:
        """Return the serialised evidence."""
        return proof_pb2.UploadEvidence(
            record=self._record(),
            grant=self.grant,
            rotations=self.rotations,
            request_signature=self.signature,
            request=self.request,
            change=self.change,
            approvals=self.approvals,
            before_rotation=self.before,
        ).SerializeToString(deterministic=True)

    def text(self) -> str:
        """The checkpoint's three lines."""
        return f"monoskope/0123456789abcdef\n{SIZE}\n{b64(root(self.tree()))}\n"

    def hashes(self) -> list[bytes]:
        """Return the inclusion proof."""
        return path(self.index, self.tree())

    def file(self, *lines: str, note: str = "", extra: bytes | None = None, hashes: list[bytes] | None = None) -> bytes:
        """The proof; each part can be given."""
        return proof(
            self.extra() if extra is None else extra,
            self.index,
            self.hashes() if hashes is None else hashes,
            note or signed(self.text(), *lines),
        )


def proof(extra: bytes, index: int, hashes: list[bytes], note: str) -> bytes:
    """A file of c2sp.org/tlog-proof."""
    head = "c2sp.org/tlog-proof@v1\n" + (f"extra {b64(extra)}\n" if extra else "")
    return (head + f"index {index}\n" + "".join(f"{b64(each)}\n" for each in hashes) + "\n" + note).encode()

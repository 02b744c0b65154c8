"""The grant: a key that exists for one request alone, signed by the reactor that made it."""

from __future__ import annotations

import hashlib
import re

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.lazy import pattern
from monoskope.protocol.identity import UPLOAD_GRANT, ProofError, open_signed
from monoskope.protocol.payload import is_padded_size
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.wire import MalformedError, parse, remembered, serialise
from monoskope.value import Value

SUITE_1 = 1
"""HPKE base mode, MLKEM768-X25519, HKDF-SHA256, ChaCha20-Poly1305 (docs/protocol.md, Suite 1)."""
PUBLIC_KEY_BYTES = 1_216
ENCAPSULATED_KEY_BYTES = 1_120
TAG_BYTES = 16
REPLICA_BYTES = 16
MIN_LIFETIME_S = 30
MAX_LIFETIME_S = 3_600
DEFAULT_LIFETIME_S = 60
MAX_SUBJECT_LENGTH = 256
MAX_APPROVALS = 8
"""Approvals that can be asked for, and carried, for one request at most."""

_NAME = "UploadGrant"
_KEY_ID = pattern(r"[0-9a-f]{16}", re.ASCII)


class Grant(Value, frozen=True):
    """A well-formed grant together with its serialised bytes."""

    hidden = frozenset({"content", "public_key"})

    content: bytes
    request: Request
    subject: str
    suite: int
    public_key: bytes
    replica: bytes
    lifetime_s: int
    max_plaintext: int
    fingerprint_key_id: str
    signature_required: bool = False
    """Whether the reactor does nothing without a signed request (docs/signed-requests.md)."""
    approvals: int = 0
    """How many approvals it asks here of anybody at most. Of this requester it may ask fewer: a hint."""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the serialised grant: what receipts refer to."""
        return hashlib.sha256(self.content).digest()


def is_key_id(text: str) -> bool:
    """Whether `text` is the id of a fingerprint key: 16 lower-case hex digits."""
    return _KEY_ID.fullmatch(text) is not None


def make_grant(
    *,
    request: Request,
    subject: str,
    public_key: bytes,
    replica: bytes,
    lifetime_s: int,
    max_plaintext: int,
    fingerprint_key_id: str,
    signature_required: bool = False,
    approvals: int = 0,
) -> Grant:
    """Return a grant in suite 1, checked like one from the wire. Raises `MalformedError`."""
    message = upload_pb2.UploadGrant(
        request=request.content,
        subject=subject,
        suite=SUITE_1,
        public_key=public_key,
        replica=replica,
        lifetime_s=lifetime_s,
        max_plaintext=max_plaintext,
        fingerprint_key_id=fingerprint_key_id,
        signature_required=signature_required,
        approvals=approvals,
    )
    return parse_grant(serialise(message))


@remembered
def parse_grant(content: bytes) -> Grant:
    """Parse the bytes of an UploadGrant.

    Raises:
        MalformedError: not in the one serialised form, or a field breaks its rule.
    """
    message = parse(upload_pb2.UploadGrant, content)
    request = parse_request(message.request)
    if not 1 <= len(message.subject) <= MAX_SUBJECT_LENGTH:
        raise MalformedError(_NAME, "subject", "must have 1 to 256 characters")
    if message.suite != SUITE_1:
        raise MalformedError(_NAME, "suite", "must be 1")
    if message.suite not in request.suites:
        raise MalformedError(_NAME, "suite", "must be one that the request names")
    if len(message.public_key) != PUBLIC_KEY_BYTES:
        raise MalformedError(_NAME, "public_key", "must have 1,216 bytes")
    if len(message.replica) != REPLICA_BYTES:
        raise MalformedError(_NAME, "replica", "must have 16 bytes")
    if not MIN_LIFETIME_S <= message.lifetime_s <= MAX_LIFETIME_S:
        raise MalformedError(_NAME, "lifetime_s", "must be 30 to 3,600")
    if not is_padded_size(message.max_plaintext):
        raise MalformedError(_NAME, "max_plaintext", "must be 512, 1,024, … 1,048,576")
    if not is_key_id(message.fingerprint_key_id):
        raise MalformedError(_NAME, "fingerprint_key_id", "must be 16 hex digits")
    _check_approvals(message, request)
    return Grant(
        content=content,
        request=request,
        subject=message.subject,
        suite=message.suite,
        public_key=message.public_key,
        replica=message.replica,
        lifetime_s=message.lifetime_s,
        max_plaintext=message.max_plaintext,
        fingerprint_key_id=message.fingerprint_key_id,
        signature_required=message.signature_required,
        approvals=message.approvals,
    )


def _check_approvals(message: upload_pb2.UploadGrant, request: Request) -> None:
    if message.approvals > MAX_APPROVALS:
        raise MalformedError(_NAME, "approvals", f"must be at most {MAX_APPROVALS}")
    if message.approvals and not (message.signature_required and request.rules.writes):
        raise MalformedError(_NAME, "approvals", "must be absent where nothing is signed, or nothing written")


def open_grant(signed: upload_pb2.Signed, *, identity: str, request: bytes, subject: str | None) -> Grant:
    """Verify and parse a signed grant for the serialised `request`.

    Args:
        signed: As it came.
        identity: The store's shown identity.
        request: The request's bytes, as the caller knows them.
        subject: Whom the grant must name, None if the caller does not know.

    Raises:
        ProofError: another identity, a bad signature, or a grant for another request or subject.
        MalformedError: signed, but not well formed.
    """
    grant = parse_grant(open_signed(signed, UPLOAD_GRANT, identity))
    if grant.request.content != request:
        raise ProofError("the grant is for another request")
    if subject is not None and grant.subject != subject:
        raise ProofError("the grant is for another user")
    return grant

"""The receipt: a reactor's signed word on what became of one request.

The file is long because each field stands in it with its rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.grant import MAX_APPROVALS, REPLICA_BYTES, Grant
from monoskope.protocol.identity import WRITE_TAG, is_key_fingerprint, is_principal, labelled
from monoskope.protocol.listing import Listing, message_of, parse_listing
from monoskope.protocol.outcomes import (
    MAY_HAVE_FINGERPRINT,
    NEEDS_FINGERPRINT,
    NEEDS_VERSION,
    OF_WRITES,
    REPLACING,
    RESTORED,
    VERIFIED,
    WITHOUT_VERSION,
    is_detail,
)
from monoskope.protocol.payload import MAX_KEYS
from monoskope.protocol.request import check_keys, is_reason, is_version
from monoskope.protocol.wire import DIGEST_BYTES, MalformedError, parse, remembered, serialise
from monoskope.uri import SecretUri
from monoskope.value import Value

MAX_RETRY_AFTER_S = 86_400
"""A day: no limit counts longer."""
MAX_PUBLIC_LENGTH = 2_048
"""Characters of a public half at most."""

_NAME = "Receipt"
_NESTED = frozenset({"values", "differences", "public_values", "listed"})
"""The fields that are messages of their own."""
_PUBLIC = pattern(r"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END PUBLIC KEY-----\n", re.ASCII)
_FINGERPRINT = pattern(r"fp1:[0-9a-f]{16}:[0-9a-f]{64}", re.ASCII)
_KINDS = frozenset(
    {upload_pb2.DIFFERENCE_KIND_MISSING, upload_pb2.DIFFERENCE_KIND_EXTRA, upload_pb2.DIFFERENCE_KIND_CHANGED}
)


class Receipt(Value, frozen=True):
    """A well-formed receipt together with its serialised bytes."""

    hidden = frozenset({"content", "intent", "destination", "destination_grant"})

    content: bytes
    grant_sha256: bytes
    sealed_sha256: bytes
    uri: SecretUri
    outcome: upload_pb2.Outcome
    reason: upload_pb2.Reason
    upstream_version: str
    prior_version: str
    fingerprint: str
    values: tuple[tuple[str, str], ...]
    differences: tuple[tuple[str, upload_pb2.DifferenceKind], ...]
    intent: bytes
    verified_sha256: bytes = b""
    """Of the receipt that was compared with, after VERIFY."""
    public_values: tuple[tuple[str, str], ...] = ()
    """After GENERATE: key and public half, in key order."""
    destination: upload_pb2.Signed | None = None
    """After COPY: the destination's receipt. Its signature is not verified here."""
    replica: bytes = b""
    """With KEY_LOST: the process that says so, 16 bytes; b"" from a reactor of before this field."""
    destination_grant: upload_pb2.Signed | None = None
    """After COPY: the grant that `destination` answers; None from a reactor of before this field."""
    restored_version: str = ""
    """With UNDELETE and ROLLBACK: the version whose content is there again, or is to be with STARTED."""
    listed: Listing | None = None
    """After LIST: the page."""
    more: bool = False
    """After LIST: whether there are names after the page."""
    detail: str = ""
    """With FAILED: a sentence that says more than the reason, "" for none."""
    retry_after_s: int = 0
    """With RATE_LIMITED: seconds after which it can succeed; 0 if that is not known."""
    signer: str = ""
    """Who signed the request, by the reactor's own list; "" where no signature was required, and with FAILED."""
    signer_key: str = ""
    """With `signer`: the key, `SHA256:…` as OpenSSH shows it."""
    change_sha256: bytes = b""
    """Of the approved change that was executed, b"" for none; with STARTED and every success."""
    approvers: tuple[tuple[str, str], ...] = ()
    """With a change: principal and key of those whose approvals counted, sorted by principal."""
    break_glass: str = ""
    """Why it was done without approvals, "" where nobody broke the glass; with STARTED and every success."""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the serialised receipt: what `verified_sha256` of another refers to."""
        return hashlib.sha256(self.content).digest()


def is_fingerprint(text: str) -> bool:
    """Whether `text` has the form of a fingerprint: `fp1:<16 hex>:<64 hex>`."""
    return _FINGERPRINT.fullmatch(text) is not None


def sealed_digest(encapsulated_key: bytes, ciphertext: bytes) -> bytes:
    """Return the plain SHA-256 of encapsulated key || ciphertext."""
    return hashlib.sha256(encapsulated_key + ciphertext).digest()


def write_tag(grant_sha256: bytes, sealed_sha256: bytes) -> bytes:
    """Return the 32 bytes that name one write (docs/protocol.md, When something breaks)."""
    return hashlib.sha256(labelled(WRITE_TAG, grant_sha256 + sealed_sha256)).digest()


class ReceiptFields(TypedDict, total=False):
    """What a receipt says besides its outcome and who signed and approved, as `make_receipt` takes it."""

    reason: upload_pb2.Reason
    upstream_version: str
    prior_version: str
    fingerprint: str
    values: Sequence[tuple[str, str]]
    differences: Sequence[tuple[str, upload_pb2.DifferenceKind]]
    intent: bytes
    verified_sha256: bytes
    public_values: Sequence[tuple[str, str]]
    destination: upload_pb2.Signed | None
    replica: bytes
    destination_grant: upload_pb2.Signed | None
    restored_version: str
    listed: Listing | None
    more: bool
    detail: str
    retry_after_s: int


def make_receipt(
    *,
    grant: Grant,
    sealed_sha256: bytes,
    outcome: upload_pb2.Outcome,
    signer: str = "",
    signer_key: str = "",
    approvers: Sequence[tuple[str, str]] = (),
    **fields: Unpack[ReceiptFields],
) -> Receipt:
    """Return a receipt for `grant`, checked like one from the wire. Raises `MalformedError`.

    Unless it is FAILED it names the change of the request, or why the glass was broken, by itself.
    """
    listed = fields.get("listed")
    failed = outcome == upload_pb2.OUTCOME_FAILED
    plain: dict[str, Any] = {name: value for name, value in fields.items() if name not in _NESTED}
    message = upload_pb2.Receipt(
        grant_sha256=grant.sha256,
        sealed_sha256=sealed_sha256,
        uri=str(grant.request.uri),
        outcome=outcome,
        values=[upload_pb2.ValueFingerprint(key=key, fingerprint=text) for key, text in fields.get("values", ())],
        differences=[upload_pb2.Difference(key=key, kind=kind) for key, kind in fields.get("differences", ())],
        public_values=[upload_pb2.PublicValue(key=key, value=text) for key, text in fields.get("public_values", ())],
        listed=None if listed is None else message_of(listed),
        signer=signer,
        signer_key=signer_key,
        change_sha256=b"" if failed else grant.request.change_sha256,
        approvers=[upload_pb2.Approver(principal=principal, key=key) for principal, key in approvers],
        break_glass="" if failed else grant.request.break_glass,
        **plain,
    )
    return parse_receipt(serialise(message))


@remembered
def parse_receipt(content: bytes) -> Receipt:
    """Parse the bytes of a Receipt.

    Raises:
        MalformedError: not in the one serialised form, or a field breaks its rule.
    """
    message = parse(upload_pb2.Receipt, content)
    try:
        uri = SecretUri.parse(message.uri)
    except UsageError:
        raise MalformedError(_NAME, "uri", "is not a secret URI") from None
    receipt = Receipt(
        content=content,
        grant_sha256=message.grant_sha256,
        sealed_sha256=message.sealed_sha256,
        uri=uri,
        outcome=message.outcome,
        reason=message.reason,
        upstream_version=message.upstream_version,
        prior_version=message.prior_version,
        fingerprint=message.fingerprint,
        values=tuple((value.key, value.fingerprint) for value in message.values),
        differences=tuple((difference.key, difference.kind) for difference in message.differences),
        intent=message.intent,
        verified_sha256=message.verified_sha256,
        public_values=tuple((value.key, value.value) for value in message.public_values),
        destination=message.destination if message.HasField("destination") else None,
        replica=message.replica,
        destination_grant=message.destination_grant if message.HasField("destination_grant") else None,
        restored_version=message.restored_version,
        listed=parse_listing(message.listed) if message.HasField("listed") else None,
        more=message.more,
        detail=message.detail,
        retry_after_s=message.retry_after_s,
        signer=message.signer,
        signer_key=message.signer_key,
        change_sha256=message.change_sha256,
        approvers=tuple((approver.principal, approver.key) for approver in message.approvers),
        break_glass=message.break_glass,
    )
    _check_outcome(receipt)
    _check_of_reason(receipt)
    _check_signer(receipt)
    _check_approved(receipt)
    _check_approvers(receipt)
    _check_digests(receipt)
    _check_versions(receipt)
    _check_restored_version(receipt)
    _check_fingerprints(receipt)
    _check_differences(receipt)
    _check_public_values(receipt)
    return receipt


def failed_before_sealing(receipt: Receipt) -> bool:
    """Whether it is a failure of a reactor that never saw the sealed bytes."""
    return receipt.outcome == upload_pb2.OUTCOME_FAILED and receipt.sealed_sha256 == b""


def _check_outcome(receipt: Receipt) -> None:
    if (
        receipt.outcome not in upload_pb2.Outcome.DESCRIPTOR.values_by_number
        or receipt.outcome == upload_pb2.OUTCOME_UNSPECIFIED
    ):
        raise MalformedError(_NAME, "outcome", "must be a known outcome")
    if receipt.reason not in upload_pb2.Reason.DESCRIPTOR.values_by_number:
        raise MalformedError(_NAME, "reason", "must be a known reason")
    if (receipt.outcome == upload_pb2.OUTCOME_COPIED) != (receipt.destination is not None):
        raise MalformedError(_NAME, "destination", "must be given with COPIED and never else")
    if receipt.destination_grant is not None and receipt.outcome != upload_pb2.OUTCOME_COPIED:
        raise MalformedError(_NAME, "destination_grant", "must be absent unless COPIED")
    failed = receipt.outcome == upload_pb2.OUTCOME_FAILED
    if failed == (receipt.reason == upload_pb2.REASON_UNSPECIFIED):
        raise MalformedError(_NAME, "reason", "must be given with FAILED and never else")
    if receipt.detail and not (failed and is_detail(receipt.detail)):
        raise MalformedError(_NAME, "detail", "must be absent unless FAILED, and short printable ASCII")
    if (receipt.outcome == upload_pb2.OUTCOME_LISTED) != (receipt.listed is not None):
        raise MalformedError(_NAME, "listed", "must be given with LISTED and never else")
    if receipt.more and not (receipt.listed and receipt.listed.names):
        raise MalformedError(_NAME, "more", "must be absent unless LISTED shows names")


def _check_of_reason(receipt: Receipt) -> None:
    if receipt.replica and receipt.reason != upload_pb2.REASON_KEY_LOST:
        raise MalformedError(_NAME, "replica", "must be absent unless KEY_LOST")
    if len(receipt.replica) not in {0, REPLICA_BYTES}:
        raise MalformedError(_NAME, "replica", "must have 16 bytes")
    if receipt.retry_after_s and receipt.reason != upload_pb2.REASON_RATE_LIMITED:
        raise MalformedError(_NAME, "retry_after_s", "must be absent unless RATE_LIMITED")
    if receipt.retry_after_s > MAX_RETRY_AFTER_S:
        raise MalformedError(_NAME, "retry_after_s", f"must be at most {MAX_RETRY_AFTER_S}")


def _check_signer(receipt: Receipt) -> None:
    """Whether there must be a signer, only the grant tells: `open_receipt` asks it."""
    if bool(receipt.signer) != bool(receipt.signer_key):
        raise MalformedError(_NAME, "signer_key", "must be given with a signer and never else")
    if receipt.signer and receipt.outcome == upload_pb2.OUTCOME_FAILED:
        raise MalformedError(_NAME, "signer", "must be absent with FAILED")
    if receipt.signer and not is_principal(receipt.signer):
        raise MalformedError(_NAME, "signer", "must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first")
    if receipt.signer_key and not is_key_fingerprint(receipt.signer_key):
        raise MalformedError(_NAME, "signer_key", "must be SHA256: and unpadded base64 of 32 bytes")


def _check_approved(receipt: Receipt) -> None:
    """Whether there must be a change, or a broken glass, only the request tells: `open_receipt` asks it."""
    if receipt.change_sha256 and len(receipt.change_sha256) != DIGEST_BYTES:
        raise MalformedError(_NAME, "change_sha256", "must have 32 bytes")
    if receipt.break_glass and receipt.change_sha256:
        raise MalformedError(_NAME, "break_glass", "must be absent with a change")
    if receipt.break_glass and not is_reason(receipt.break_glass):
        raise MalformedError(_NAME, "break_glass", "must be 1 to 500 printable characters")
    if not receipt.signer or receipt.outcome not in OF_WRITES:
        for name, given in (("change_sha256", receipt.change_sha256), ("break_glass", receipt.break_glass)):
            if given:
                raise MalformedError(_NAME, name, "must be absent where nobody signed, or nothing is written")


def _check_approvers(receipt: Receipt) -> None:
    principals = [principal for principal, _ in receipt.approvers]
    keys = [key for _, key in receipt.approvers]
    if receipt.approvers and not receipt.change_sha256:
        raise MalformedError(_NAME, "approvers", "must be absent without a change")
    if len(principals) > MAX_APPROVALS or sorted(set(principals)) != principals:
        raise MalformedError(_NAME, "approvers", "must be at most 8, sorted by principal, each once")
    if not (all(map(is_principal, principals)) and all(map(is_key_fingerprint, keys))):
        raise MalformedError(_NAME, "approvers", "must be principals and SHA256: with unpadded base64 of 32 bytes")
    if len(set(keys)) != len(keys) or receipt.signer in principals or receipt.signer_key in keys:
        raise MalformedError(_NAME, "approvers", "must have keys of their own, and be others than the signer")


def _check_digests(receipt: Receipt) -> None:
    if len(receipt.grant_sha256) != DIGEST_BYTES:
        raise MalformedError(_NAME, "grant_sha256", "must have 32 bytes")
    if len(receipt.sealed_sha256) != DIGEST_BYTES and not failed_before_sealing(receipt):
        raise MalformedError(_NAME, "sealed_sha256", "must have 32 bytes")
    started = receipt.outcome == upload_pb2.OUTCOME_STARTED
    if len(receipt.intent) != (DIGEST_BYTES if started else 0):
        raise MalformedError(_NAME, "intent", "must have 32 bytes with STARTED and none else")
    if len(receipt.verified_sha256) != (DIGEST_BYTES if receipt.outcome in VERIFIED else 0):
        raise MalformedError(_NAME, "verified_sha256", "must have 32 bytes with IN_SYNC, DRIFTED, GONE and none else")


def _check_versions(receipt: Receipt) -> None:
    for name, version in (("upstream_version", receipt.upstream_version), ("prior_version", receipt.prior_version)):
        if version and not is_version(version):
            raise MalformedError(_NAME, name, "must be 1 to 256 printable ASCII characters")
    if receipt.outcome in NEEDS_VERSION and not receipt.upstream_version:
        raise MalformedError(_NAME, "upstream_version", "must be given where something is upstream")
    if receipt.prior_version and receipt.outcome not in REPLACING:
        raise MalformedError(_NAME, "prior_version", "must be absent unless STARTED, UPLOADED, DELETED or ROLLED_BACK")
    if receipt.outcome == upload_pb2.OUTCOME_DELETED and not receipt.prior_version:
        raise MalformedError(_NAME, "prior_version", "must be given with DELETED")
    if receipt.outcome in WITHOUT_VERSION and receipt.upstream_version:
        raise MalformedError(_NAME, "upstream_version", "must be absent with DELETED and GONE")


def _check_restored_version(receipt: Receipt) -> None:
    version, outcome = receipt.restored_version, receipt.outcome
    if outcome in RESTORED and not version:
        raise MalformedError(_NAME, "restored_version", "must be given with UNDELETED and ROLLED_BACK")
    if version and outcome not in RESTORED | {upload_pb2.OUTCOME_STARTED}:
        raise MalformedError(_NAME, "restored_version", "must be absent unless STARTED, UNDELETED or ROLLED_BACK")
    if version and not is_version(version):
        raise MalformedError(_NAME, "restored_version", "must be 1 to 256 printable ASCII characters")


def _check_fingerprints(receipt: Receipt) -> None:
    if receipt.fingerprint and receipt.outcome not in MAY_HAVE_FINGERPRINT:
        raise MalformedError(_NAME, "fingerprint", "must be absent unless the outcome says what is upstream")
    if receipt.outcome in NEEDS_FINGERPRINT and not receipt.fingerprint:
        raise MalformedError(_NAME, "fingerprint", "must be given with UNCHANGED, COPIED and IMPORTED")
    if bool(receipt.fingerprint) != bool(receipt.values):
        raise MalformedError(_NAME, "values", "must be given with a fingerprint and never else")
    for text in (receipt.fingerprint, *(text for _, text in receipt.values)):
        if text and not is_fingerprint(text):
            raise MalformedError(_NAME, "fingerprint", "must be fp1:<16 hex>:<64 hex>")
        if text[:20] != receipt.fingerprint[:20]:
            raise MalformedError(_NAME, "values", "must be fingerprints under one key id")
    check_keys(_NAME, "values", [key for key, _ in receipt.values], MAX_KEYS)


def _check_differences(receipt: Receipt) -> None:
    different = receipt.outcome == upload_pb2.OUTCOME_DIFFERENT
    if different != bool(receipt.differences):
        raise MalformedError(_NAME, "differences", "must be given with DIFFERENT and never else")
    for _, kind in receipt.differences:
        if kind not in _KINDS:
            raise MalformedError(_NAME, "differences", "must be MISSING, EXTRA or CHANGED")
    # Those that are missing and those that are extra.
    check_keys(_NAME, "differences", [key for key, _ in receipt.differences], 2 * MAX_KEYS)


def _check_public_values(receipt: Receipt) -> None:
    if receipt.public_values and receipt.outcome != upload_pb2.OUTCOME_UPLOADED:
        raise MalformedError(_NAME, "public_values", "must be absent unless UPLOADED")
    for _, value in receipt.public_values:
        if len(value) > MAX_PUBLIC_LENGTH or _PUBLIC.fullmatch(value) is None:
            raise MalformedError(_NAME, "public_values", "must be PEM, SubjectPublicKeyInfo")
    check_keys(_NAME, "public_values", [key for key, _ in receipt.public_values], MAX_KEYS)

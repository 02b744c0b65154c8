"""Whether a signed receipt answers a request: step 7 of the walk, which m8 and clients make (docs/protocol.md).

The put that a COPY makes at its destination is bound to the copy by its request's id, so that no other put proves it.
"""

from __future__ import annotations

import hashlib

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.identity import COPY_REQUEST, RECEIPT, ProofError, labelled, open_signed
from monoskope.protocol.outcomes import DESTINATION_OUTCOMES, RESTORED
from monoskope.protocol.receipt import Receipt, failed_before_sealing, parse_receipt
from monoskope.protocol.recipes import pair_keys
from monoskope.protocol.request import REQUEST_ID_BYTES, Request
from monoskope.protocol.wire import MalformedError


def put_request_id(copy_request_id: bytes) -> bytes:
    """Return the id of the request at the destination, from the id of the COPY (docs/protocol.md, COPY)."""
    return hashlib.sha256(labelled(COPY_REQUEST, copy_request_id)).digest()[:REQUEST_ID_BYTES]


def check_copied(copied: Receipt, there: Receipt, put: Grant | None, copy: Request) -> None:
    """Check that what arrived is what left, at the place that was asked for, by the put of this COPY.

    Args:
        copied: The source's receipt.
        there: The destination's receipt inside it.
        put: The destination's grant inside it; None from a reactor of before that field, and then nothing tells by
            which request it arrived. m8 records such an end all the same; the client believes none.
        copy: The COPY's request.

    Raises:
        ProofError: it is about something else.
    """
    if copy.source_version and copied.upstream_version != copy.source_version:
        raise ProofError("the receipt copied another version than was asked")
    if copy.keys and tuple(key for key, _ in copied.values) != copy.keys:
        raise ProofError("the receipt copied other keys than were asked")
    if there.uri != copy.destination or there.outcome not in DESTINATION_OUTCOMES:
        raise ProofError("the destination's receipt is about something else")
    if (there.fingerprint, there.values) != (copied.fingerprint, copied.values):
        raise ProofError("the destination's receipt has another hash, or hashes of other keys")
    if put is None:
        return
    _check_put(put, copy)
    if there.grant_sha256 != put.sha256:
        raise ProofError("the destination's receipt is for another grant")
    if there.change_sha256 or there.break_glass:
        raise ProofError("the destination's receipt is for a change of its own")
    if bool(there.signer) != put.signature_required:
        raise ProofError("the destination's receipt does not say who signed, or names a signer of what takes none")


def _check_put(put: Grant, copy: Request) -> None:
    request = put.request
    if request.request_id != put_request_id(copy.request_id):
        raise ProofError("the destination's grant is for another request than this copy's")
    if request.uri != copy.destination:
        raise ProofError("the destination's grant is for another secret")
    if request.purpose != upload_pb2.PURPOSE_UPLOAD:
        raise ProofError("the destination's grant is not for a put")
    if (request.expect, request.expect_version) != (copy.expect, copy.expect_version):
        raise ProofError("the destination's grant expects something else than the copy")
    if (request.keep_labels, request.keep_expires_on) != (copy.keep_labels, copy.keep_expires_on):
        raise ProofError("the destination's grant keeps other notes than the copy asked for")
    if request.labels or request.expires_on or request.options is not None:
        raise ProofError("the destination's grant has more than the copy asked for")
    if request.change_sha256 or request.break_glass:
        raise ProofError("the destination's grant is for a change of its own")


def open_receipt(signed: upload_pb2.Signed, *, identity: str, grant: Grant, sealed_sha256: bytes | None) -> Receipt:
    """Verify and parse a signed receipt for `grant` and the sealed bytes with that digest.

    Args:
        signed: As it came.
        identity: The store's shown identity.
        grant: The grant that it must be about.
        sealed_sha256: The digest of what was sent; None where nothing was sent yet.

    Raises:
        ProofError: another identity, a bad signature, or a receipt for another grant, other bytes or another purpose.
        MalformedError: signed, but not well formed.
    """
    receipt = parse_receipt(open_signed(signed, RECEIPT, identity))
    if receipt.grant_sha256 != grant.sha256:
        raise ProofError("the receipt is for another grant")
    if receipt.uri != grant.request.uri:
        raise ProofError("the receipt is for another secret")
    if receipt.outcome not in grant.request.rules.outcomes:
        raise ProofError("the receipt's outcome does not fit what was asked")
    if bool(receipt.signer) != (grant.signature_required and receipt.outcome != upload_pb2.OUTCOME_FAILED):
        raise ProofError("the receipt does not say who signed the request, or names a signer of one that takes none")
    _check_approved(receipt, grant.request)
    if receipt.public_values and [key for key, _ in receipt.public_values] != pair_keys(grant.request.recipes):
        raise ProofError("the receipt's public halves are not of what was to be made")
    if receipt.listed is not None and min(receipt.listed.names, default="~") <= grant.request.list_after:
        raise ProofError("the receipt lists another page than the one that was asked for")
    _check_restored(receipt, grant.request)
    if receipt.destination is not None:
        _check_copied(receipt, receipt.destination, grant)
    if receipt.sealed_sha256 != (sealed_sha256 or b"") and not failed_before_sealing(receipt):
        raise ProofError("the receipt is for other sealed bytes")
    return receipt


def _check_approved(receipt: Receipt, request: Request) -> None:
    """Announcement and success name the change that was asked for, or why the glass is broken, and nothing else."""
    if receipt.outcome == upload_pb2.OUTCOME_FAILED:
        return
    if receipt.change_sha256 != request.change_sha256:
        raise ProofError("the receipt is for another change than was asked for")
    if receipt.break_glass != request.break_glass:
        raise ProofError("the receipt does not say that the glass was broken as was asked, or says it of another")


def _check_restored(receipt: Receipt, request: Request) -> None:
    """Announcement and success of UNDELETE and ROLLBACK name the version that is brought back, and no other receipt."""
    if receipt.outcome not in RESTORED | {upload_pb2.OUTCOME_STARTED}:
        return
    if bool(receipt.restored_version) != request.rules.restores:
        raise ProofError("the receipt is not about the version that is to be brought back")
    asked = request.expect_version if request.rules.undeletes else request.to_version
    if asked and receipt.restored_version != asked:
        raise ProofError("the receipt brings back another version than was asked")


def _check_copied(receipt: Receipt, destination: upload_pb2.Signed, grant: Grant) -> None:
    """Who signed the destination's grant and receipt, only its pin tells."""
    shown = receipt.destination_grant
    try:
        there = parse_receipt(destination.content)
        put = None if shown is None else parse_grant(shown.content)
    except MalformedError:
        raise ProofError("the destination's grant or receipt is malformed") from None
    check_copied(receipt, there, put, grant.request)

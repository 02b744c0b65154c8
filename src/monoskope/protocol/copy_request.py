"""The put that a COPY makes at its destination: its request is bound to the copy, so that no other put proves it."""

from __future__ import annotations

import hashlib

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.labels import COPY_REQUEST, labelled
from monoskope.protocol.outcomes import DESTINATION_OUTCOMES
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import REQUEST_ID_BYTES, Request


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
    if there.uri != copy.destination or there.outcome not in DESTINATION_OUTCOMES:
        raise ProofError("the destination's receipt is about something else")
    if there.fingerprint != copied.fingerprint:
        raise ProofError("the destination's receipt has another hash")
    if put is None:
        return
    _check_put(put, copy)
    if there.grant_sha256 != put.sha256:
        raise ProofError("the destination's receipt is for another grant")
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

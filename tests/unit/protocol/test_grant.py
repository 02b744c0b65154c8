"""What vectors-messages.json leaves open of grants; test_message_vectors.py checks all that it says."""

from __future__ import annotations

import hashlib

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import open_grant, parse_grant
from monoskope.protocol.identity import UPLOAD_GRANT, ProofError
from monoskope.protocol.wire import MalformedError, serialise
from tests.support.vectors import Signer, a_grant, a_request

REQUEST = a_request()
GRANT = a_grant(REQUEST)
SIGNER = Signer()


def test_an_unknown_suite_is_refused_even_if_it_was_offered() -> None:
    request = upload_pb2.UploadRequest.FromString(REQUEST.content)
    request.suites.append(2)
    grant = upload_pb2.UploadGrant.FromString(GRANT.content)
    grant.request, grant.suite = serialise(request), 2
    with pytest.raises(MalformedError, match="must be 1"):
        parse_grant(serialise(grant))


def test_a_good_grant_opens_with_its_hash() -> None:
    signed = SIGNER.sign(UPLOAD_GRANT, GRANT.content)
    assert open_grant(signed, identity=SIGNER.shown, request=REQUEST.content, subject="anna") == GRANT
    assert GRANT.sha256 == hashlib.sha256(GRANT.content).digest()


def test_a_grant_under_another_identity_is_refused_with_both_names() -> None:
    other = Signer()
    with pytest.raises(ProofError) as caught:
        open_grant(other.sign(UPLOAD_GRANT, GRANT.content), identity=SIGNER.shown, request=b"", subject=None)
    assert other.shown in str(caught.value)
    assert SIGNER.shown in str(caught.value)

"""What both stores sign for a copy from `vault` to `local`."""

from __future__ import annotations

from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.open_receipt import put_request_id
from monoskope.protocol.wire import serialise
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt
from tests.support.vectors import a_grant, a_request

SOURCE, DESTINATION = "vault://app/db", "local://app/db"
DESTINATION_IDENTITY = Identity()
VALUES = [("password", FINGERPRINT)]
LABELS = {"destination": RECEIPT, "destination_grant": UPLOAD_GRANT}


def copied(attempt: Attempt, **fields: Any) -> upload_pb2.Signed:
    return attempt.receipt(
        upload_pb2.OUTCOME_COPIED,
        upstream_version=VERSION,
        fingerprint=FINGERPRINT,
        **{"values": VALUES, **by(granted(attempt)), **fields},
    )


def granted(attempt: Attempt, **fields: Any) -> Grant:
    """What the destination grants for the put of a copy."""
    copy = attempt.request
    there = {
        "uri": DESTINATION,
        "request_id": put_request_id(copy.request_id),
        "expect": copy.expect,
        "keep_labels": copy.keep_labels,
        "keep_expires_on": copy.keep_expires_on,
    }
    return a_grant(a_request(**{**there, **fields}))


def there(
    grant: Grant,
    *,
    signer: Identity = DESTINATION_IDENTITY,
    uri: str = DESTINATION,
    outcome: upload_pb2.Outcome = upload_pb2.OUTCOME_UPLOADED,
    fingerprint: str = FINGERPRINT,
    key: str = "password",
) -> upload_pb2.Signed:
    message = upload_pb2.Receipt(
        grant_sha256=grant.sha256,
        sealed_sha256=b"s" * 32,
        uri=uri,
        outcome=outcome,
        upstream_version="w1",
        fingerprint=fingerprint,
        values=[upload_pb2.ValueFingerprint(key=key, fingerprint=fingerprint)] if fingerprint else [],
    )
    return signer.sign(RECEIPT, serialise(message))


def by(grant: Grant) -> dict[str, upload_pb2.Signed]:
    """A grant of the destination and the receipt that answers it."""
    return {"destination": there(grant), "destination_grant": DESTINATION_IDENTITY.sign(UPLOAD_GRANT, grant.content)}

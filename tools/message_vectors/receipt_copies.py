"""Vectors of what a COPIED receipt has inside, with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.message_vectors.parts import GRANT, RECEIPT, REQUEST_ID, Vector, fault
from tools.message_vectors.receipt_parts import HASH, SIGNER, THERE, copied, receipt, vector


def bad_copies() -> Iterator[Vector]:
    """Yield receipts of a COPY whose inner grant or receipt proves something else."""
    expecting = {"expect": upload_pb2.EXPECT_OVERWRITE}
    changes: dict[str, dict[str, Any]] = {
        "receipt is malformed": {"destination": THERE.message(RECEIPT, b"x")},
        "grant is malformed": {"destination_grant": THERE.message(GRANT, b"x")},
        "receipt is about another secret": {"there_uri": "local://app/other"},
        "receipt tells of no write": {"there_outcome": upload_pb2.OUTCOME_IMPORTED},
        "receipt has another hash": {"there_fingerprint": HASH[:-1] + "0"},
        "receipt has hashes of another key": {"there_values": [{"key": "b", "fingerprint": HASH}]},
        "receipt has another hash of the key": {"there_values": [{"key": "a", "fingerprint": HASH[:-1] + "0"}]},
        "receipt is for another grant": {"there_grant_sha256": bytes(32)},
        "receipt names a signer of what takes none": {
            "there_signer": SIGNER["signer"],
            "there_signer_key": SIGNER["signer_key"],
        },
        "receipt does not say who signed": {"signed": True, "there_signer": "", "there_signer_key": ""},
        "grant is for another request": {"asked": {"request_id": REQUEST_ID}},
        "grant is for another secret": {"asked": {"uri": "local://app/other"}},
        "grant is for a patch": {"asked": {"purpose": upload_pb2.PURPOSE_PATCH}},
        "grant expects something else": {"asked": expecting},
        "grant keeps labels": {"asked": {"keep_labels": True}},
        "grant gives a day": {"asked": {"expires_on": "2027-01-01"}},
        "grant has options": {"asked": {"other": "{}"}},
    }
    for name, fields in changes.items():
        message = receipt("COPY", "COPIED", **copied(**fields))
        yield vector(f"COPIED: the destination's {name}", "COPY", message, fault("DESTINATION"))
    message = receipt("COPY of a version", "COPIED", **copied(upstream_version="1@x"))
    yield vector("COPIED: another version", "COPY of a version", message, fault("SOURCE"))
    for name, keys in {"another key": "b", "a key more": "ab"}.items():
        values = [{"key": key, "fingerprint": HASH} for key in keys]
        message = receipt("COPY of a key", "COPIED", **copied(values=values, there_values=values))
        yield vector(f"COPIED: {name}", "COPY of a key", message, fault("SOURCE"))

"""Which outcomes answer which purpose, and what each has to say. Tables; `receipt` holds receipts against them."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2

_PUT = frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED})
_LOOKED = frozenset({upload_pb2.OUTCOME_FAILED})
_ANNOUNCED = _LOOKED | {upload_pb2.OUTCOME_STARTED}

WRITTEN = frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_DELETED})
"""What proves that a write which STARTED announced has happened."""

VERIFIED = frozenset({upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE})
"""What verifications find."""

FITTING = {
    upload_pb2.PURPOSE_UPLOAD: _ANNOUNCED | _PUT,
    upload_pb2.PURPOSE_PATCH: _ANNOUNCED | _PUT,
    upload_pb2.PURPOSE_GENERATE: _ANNOUNCED | {upload_pb2.OUTCOME_UPLOADED},
    upload_pb2.PURPOSE_DELETE: _ANNOUNCED | {upload_pb2.OUTCOME_DELETED},
    upload_pb2.PURPOSE_COPY: _ANNOUNCED | {upload_pb2.OUTCOME_COPIED},
    upload_pb2.PURPOSE_COMPARE: _LOOKED | {upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_DIFFERENT},
    upload_pb2.PURPOSE_VERIFY: _LOOKED | VERIFIED,
    upload_pb2.PURPOSE_IMPORT: _LOOKED | {upload_pb2.OUTCOME_IMPORTED},
}
"""The outcomes that answer each purpose: those of what is announced by STARTED, and of what only looks."""

THERE = _PUT
"""What a destination's receipt says after a copy."""

NEEDS_FINGERPRINT = frozenset({upload_pb2.OUTCOME_UNCHANGED, upload_pb2.OUTCOME_IMPORTED, upload_pb2.OUTCOME_COPIED})
MAY_HAVE_FINGERPRINT = NEEDS_FINGERPRINT | {upload_pb2.OUTCOME_UPLOADED}

NEEDS_VERSION = MAY_HAVE_FINGERPRINT | {upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_DRIFTED}
"""Something is upstream."""

WITHOUT_VERSION = frozenset({upload_pb2.OUTCOME_DELETED, upload_pb2.OUTCOME_GONE})
"""Nothing is."""

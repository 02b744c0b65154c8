"""What each outcome says, and what its receipt must hold (`monoskope.protocol.receipt`).

Which outcomes answer which purpose stands in `monoskope.protocol.purposes`.
"""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.purposes import PURPOSES

DESTINATION_OUTCOMES = frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED})
"""What the destination's receipt says after a copy."""

ENDS = frozenset({upload_pb2.OUTCOME_FAILED}).union(*(rules.successes for rules in PURPOSES.values()))
"""Every outcome that ends a request: STARTED does not."""

RESTORED = frozenset({upload_pb2.OUTCOME_UNDELETED, upload_pb2.OUTCOME_ROLLED_BACK})
"""Their receipts name the version whose content is there again."""

WRITTEN = RESTORED | {upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_DELETED}
"""These prove that a write which STARTED announced has happened."""

REPLACING = (WRITTEN | {upload_pb2.OUTCOME_STARTED}) - {upload_pb2.OUTCOME_UNDELETED}
"""Their receipts name the version that is replaced."""

VERIFIED = frozenset({upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE})
"""Their receipts say whether an earlier receipt is still true."""

TELLING = DESTINATION_OUTCOMES | RESTORED | {upload_pb2.OUTCOME_IMPORTED, upload_pb2.OUTCOME_DELETED}
"""Their receipts tell what is at the request's own place from then on."""

NEEDS_FINGERPRINT = frozenset({upload_pb2.OUTCOME_UNCHANGED, upload_pb2.OUTCOME_IMPORTED, upload_pb2.OUTCOME_COPIED})
MAY_HAVE_FINGERPRINT = NEEDS_FINGERPRINT | RESTORED | {upload_pb2.OUTCOME_UPLOADED}

NEEDS_VERSION = MAY_HAVE_FINGERPRINT | {upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_DRIFTED}
"""Something is upstream."""

WITHOUT_VERSION = frozenset({upload_pb2.OUTCOME_DELETED, upload_pb2.OUTCOME_GONE})
"""Nothing is upstream."""

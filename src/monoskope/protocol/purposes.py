"""What a request can ask for: one row a purpose (docs/protocol.md, Messages).

Everything that depends on the purpose alone stands here, for clients, m8 and reactors alike. CONTRIBUTING.md (*A new
purpose, a new event*) names the files that do a purpose's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.value import Value

_NOTHING = frozenset({upload_pb2.EXPECT_UNSPECIFIED})
_CHANGE = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE})
_PUT = _CHANGE | {upload_pb2.EXPECT_ABSENT}
_KEEP = frozenset({"keep_labels", "keep_expires_on"})
_NOTES = _KEEP | {"labels", "expires_on"}


class PurposeRules(Value, frozen=True):
    """One row: the rules of a purpose."""

    right: events_pb2.Right
    """The right that a caller needs for the secret. The destination of a copy needs RIGHT_PUT besides."""
    successes: frozenset[upload_pb2.Outcome]
    """The outcomes of a request that did not fail."""
    expects: frozenset[upload_pb2.Expect] = _NOTHING
    """What the request can expect to be upstream."""
    fields: frozenset[str] = frozenset()
    """The fields of `UploadRequest` that the request can have besides those that every purpose has."""
    seals: bool = False
    """Whether the client seals a secret. With a patch that only removes keys it seals nothing."""
    writes: bool = False
    """Whether something is written to an engine; STARTED announces that."""
    merges: bool = False
    """Whether keys that the request does not name stay as they are upstream."""
    undeletes: bool = False
    """Whether it brings back what was deleted: then `expect` is about the deleted version, and nothing is replaced."""
    needs_reading: bool = False
    """Whether the engine must be readable."""
    needs_receipt: bool = False
    """Whether there must be a receipt for the secret already."""
    needs_listing: bool = False
    """Whether the engine must be able to list names."""
    shown_with: events_pb2.Right = events_pb2.RIGHT_SEE_HASH
    """The right with which others than the caller see its receipt."""
    reveals_hashes: bool = False
    """Whether the receipt has hashes of values that the caller did not supply: to ask then takes RIGHT_SEE_HASH."""

    @property
    def outcomes(self) -> frozenset[upload_pb2.Outcome]:
        """All outcomes that receipts for the request can have."""
        announced = {upload_pb2.OUTCOME_STARTED} if self.writes else set()
        return self.successes | {upload_pb2.OUTCOME_FAILED} | announced

    @property
    def writes_here(self) -> bool:
        """Whether it is the request's own secret that is written: a copy is written at its destination."""
        return self.writes and "destination" not in self.fields

    @property
    def needs_something(self) -> bool:
        """Whether the secret must be upstream before it is written, or the deleted one that comes back."""
        return self.writes and upload_pb2.EXPECT_ABSENT not in self.expects

    @property
    def restores(self) -> bool:
        """Whether content that was upstream before is to be there again: its receipts name that version."""
        return self.undeletes or "to_version" in self.fields

    @property
    def replaces(self) -> bool:
        """Whether what is written does not depend on what was upstream before."""
        return self.writes_here and not self.needs_something

    @property
    def puts_whole(self) -> bool:
        """Whether all that is put is known before it is written: the client seals it, or it is copied."""
        return self.writes and ((self.seals and not self.merges) or "destination" in self.fields)

    @property
    def compares(self) -> bool:
        """Whether content that is upstream already is not written again."""
        return upload_pb2.OUTCOME_UNCHANGED in self.successes

    @property
    def notes(self) -> bool:
        """Whether the request says which labels and which day of expiry its own secret has afterwards."""
        return self.fields >= _NOTES

    @property
    def puts(self) -> bool:
        """Whether it is a put, of which each user may begin only so many in an hour."""
        return self.right == events_pb2.RIGHT_PUT

    @property
    def guesses(self) -> bool:
        """Whether it only tells whether a sealed value is the one upstream."""
        return self.seals and not self.writes


PURPOSES: Mapping[upload_pb2.Purpose, PurposeRules] = MappingProxyType(
    {
        upload_pb2.PURPOSE_UPLOAD: PurposeRules(
            right=events_pb2.RIGHT_PUT,
            successes=frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED}),
            expects=_PUT,
            fields=_NOTES | {"options"},
            seals=True,
            writes=True,
        ),
        upload_pb2.PURPOSE_COMPARE: PurposeRules(
            right=events_pb2.RIGHT_COMPARE,
            successes=frozenset({upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_DIFFERENT}),
            fields=frozenset({"options"}),
            seals=True,
        ),
        upload_pb2.PURPOSE_GENERATE: PurposeRules(
            right=events_pb2.RIGHT_PUT,
            successes=frozenset({upload_pb2.OUTCOME_UPLOADED}),
            expects=_PUT,
            fields=_NOTES | {"options", "recipes"},
            writes=True,
        ),
        upload_pb2.PURPOSE_VERIFY: PurposeRules(
            right=events_pb2.RIGHT_COMPARE,
            successes=frozenset({upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE}),
            needs_receipt=True,
        ),
        upload_pb2.PURPOSE_DELETE: PurposeRules(
            right=events_pb2.RIGHT_DELETE,
            successes=frozenset({upload_pb2.OUTCOME_DELETED}),
            expects=_CHANGE,
            fields=frozenset({"destroy"}),
            writes=True,
        ),
        upload_pb2.PURPOSE_COPY: PurposeRules(
            right=events_pb2.RIGHT_COPY,
            successes=frozenset({upload_pb2.OUTCOME_COPIED}),
            expects=_PUT,
            fields=frozenset({"destination", "source_version", "keys"}) | _KEEP,
            writes=True,
            needs_reading=True,
            reveals_hashes=True,
        ),
        upload_pb2.PURPOSE_PATCH: PurposeRules(
            right=events_pb2.RIGHT_PUT,
            successes=frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED}),
            expects=_CHANGE,
            fields=frozenset({"options", "remove_keys"}),
            seals=True,
            writes=True,
            merges=True,
            reveals_hashes=True,
        ),
        upload_pb2.PURPOSE_IMPORT: PurposeRules(
            right=events_pb2.RIGHT_PUT,
            successes=frozenset({upload_pb2.OUTCOME_IMPORTED}),
            needs_reading=True,
            reveals_hashes=True,
        ),
        upload_pb2.PURPOSE_UNDELETE: PurposeRules(
            right=events_pb2.RIGHT_UNDELETE,
            successes=frozenset({upload_pb2.OUTCOME_UNDELETED}),
            expects=_CHANGE,
            writes=True,
            undeletes=True,
            reveals_hashes=True,
        ),
        upload_pb2.PURPOSE_ROLLBACK: PurposeRules(
            right=events_pb2.RIGHT_ROLLBACK,
            successes=frozenset({upload_pb2.OUTCOME_ROLLED_BACK}),
            expects=_PUT,
            fields=frozenset({"to_version"}),
            writes=True,
            reveals_hashes=True,
        ),
        upload_pb2.PURPOSE_LIST: PurposeRules(
            right=events_pb2.RIGHT_LIST,
            successes=frozenset({upload_pb2.OUTCOME_LISTED}),
            fields=frozenset({"list_after"}),
            needs_listing=True,
            shown_with=events_pb2.RIGHT_LIST,
        ),
    }
)
"""Every purpose that this version knows."""

OWN_FIELDS = frozenset().union(*(rules.fields for rules in PURPOSES.values()))
"""The fields of `UploadRequest` that not every purpose has."""

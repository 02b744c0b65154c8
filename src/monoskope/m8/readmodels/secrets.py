"""Secrets: what receipts tell about each URI. Pure.

Receipts are ordered by what they replaced, `prior_version`, not by their place in the log: a recovered receipt may
come after its successor's. So each version that a receipt made is a document, and so is each "was replaced by"; the
head is where following the replacements ends. Of ends that no receipt connects, the one recorded last is the head.

- A version whose prior version no receipt made has drifted, until such a receipt comes after all.
- UNCHANGED and IMPORTED make nothing, but say what is there: on a version that no receipt made they become the head.
- DELETED makes nothing either: it marks the version that it names. Whatever is put after it replaces nothing, and so
  becomes the head.
- UNDELETED names the version that is there again, in most engines the deleted one: it becomes the head, as it was.
- ROLLED_BACK made a version, as UPLOADED did.
- Labels and day of expiry are those of the last upload, UNCHANGED or not, unless its request keeps them; all other
  receipts keep them, too. What is put after a deletion begins without notes. `notes` applies edits.
- A verification is noted with the head whose receipt it compared with, and forgotten with that receipt. An import
  counts as one that found the secret in sync: its reactor has just read what is upstream.

The head of a secret is the document of its version, and no other collection repeats it. No document holds a receipt:
it is the last event of the request that the document names. Verifications name a receipt by its hash, which is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.upload import Upload
from monoskope.m8.log.documents import Columns
from monoskope.m8.log.event_log import Change, Delete, Lookup, Put, RecordedEvent
from monoskope.protocol.notes import BEGAN, DUE, NEXT, Labels, is_day, labels_of
from monoskope.protocol.outcomes import TELLING, VERIFIED
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request

SECRETS = "secrets"
"""Collection: URI -> the head: SHA-256 of the receipt (32 bytes), then Secret without URI and receipt."""

VERSIONS = "secret-versions"
"""Collection: URI, a line feed, upstream version -> as in `SECRETS`, for the versions that are not the head."""

REPLACEMENTS = "secret-replacements"
"""Collection: URI, a line feed, upstream version -> the version that replaced it, as text."""

DUES = "due-rotations"
"""Collection: URI -> nothing, for what is to be rotated until a day, by its label: that day is its `expires_on`."""

ROUNDS = "rotation-rounds"
"""Collection: URI -> nothing, for what a round of a rotation made: the day on which it began is its `expires_on`."""


_OUT_OF_SYNC = frozenset({upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE})
_DIGEST = hashlib.sha256().digest_size


def project(upload: Upload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about secrets, `upload` being the request after it."""
    receipt, request = upload.receipt, upload.request
    if receipt is None or request is None or upload.outcome not in TELLING | VERIFIED:
        return
    if receipt.outcome in VERIFIED:
        yield from _verified(receipt, str(request.uri), event, lookup)
        return
    told = _Told(receipt, request, upload.subject, _notes(receipt, request, lookup), event)
    match receipt.outcome:
        case upload_pb2.OUTCOME_UPLOADED | upload_pb2.OUTCOME_ROLLED_BACK:
            yield from _uploaded(told, lookup)
        case _:
            yield from _found(told, lookup)


@dataclass(slots=True)
class Kept:
    """A document of this module.

    Attributes:
        secret: The secret as the document's receipt made or found it. Its own receipt is not set.
        receipt_sha256: SHA-256 of that receipt's content.
    """

    secret: views_pb2.Secret
    receipt_sha256: bytes = b""

    @classmethod
    def parse(cls, uri: str, body: bytes) -> Kept:
        """Return the document `body` of the secret at `uri`."""
        secret = views_pb2.Secret.FromString(body[_DIGEST:])
        secret.uri = uri
        return cls(secret, body[:_DIGEST])

    @property
    def body(self) -> bytes:
        """The document: its key has the URI."""
        slim = views_pb2.Secret()
        slim.CopyFrom(self.secret)
        slim.ClearField("uri")
        return self.receipt_sha256 + slim.SerializeToString(deterministic=True)


def tells_of(body: bytes, receipt: upload_pb2.Signed) -> bool:
    """Return whether `receipt` is that of a document of this module."""
    return body[:_DIGEST] == hashlib.sha256(receipt.content).digest()


def head_of(uri: str, lookup: Lookup) -> Kept | None:
    """Return the head of the secret at `uri`, None if no receipt is about it."""
    body = lookup(SECRETS, uri)
    return None if body is None else Kept.parse(uri, body)


def put_head(kept: Kept, before: Kept | None) -> Iterator[Change]:
    """Write the head of a secret, which was `before`, None if there was none; and its days in `DUES` and `ROUNDS`."""
    secret = kept.secret
    yield from _day(DUES, due_day, kept, before)
    yield from _day(ROUNDS, began_day, kept, before)
    columns = Columns(
        subject=secret.subject,
        expires_on=secret.expires_on,
        deleted=secret.deleted,
        drifted=secret.drifted,
        out_of_sync=secret.verified in _OUT_OF_SYNC,
        labels=tuple(f"{name}={value}" for name, value in labels_of(secret.labels)),
    )
    yield Put(SECRETS, secret.uri, kept.body, columns)


def due_day(secret: views_pb2.Secret) -> str:
    """Return the day until which a secret is to be rotated, by its label `due`; "" for none, or what is no day."""
    return _day_of(secret, DUE)


def began_day(secret: views_pb2.Secret) -> str:
    """Return the day on which a round of a rotation made what is there; "" if none did."""
    return _day_of(secret, BEGAN) if secret.uri.endswith(NEXT) else ""


def _day_of(secret: views_pb2.Secret, name: str) -> str:
    """Return the day of a label, which is a day or an instant; "" for neither, and of what was deleted."""
    if secret.deleted:
        return ""
    day = next((label.value.partition("T")[0] for label in secret.labels if label.name == name), "")
    return day if is_day(day) else ""


def _day(
    collection: str, day_of: Callable[[views_pb2.Secret], str], kept: Kept, before: Kept | None
) -> Iterator[Change]:
    day, uri = day_of(kept.secret), kept.secret.uri
    if day != ("" if before is None else day_of(before.secret)):
        yield Put(collection, uri, b"", Columns(expires_on=day)) if day else Delete(collection, uri)


@dataclass(frozen=True, slots=True)
class _Notes:
    labels: Labels
    expires_on: str
    edited_by: str = ""
    """Who edited them last, "" if they are as a put left them."""
    edited_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Told:
    """What a receipt tells, and the request that it ends."""

    receipt: Receipt
    request: Request
    subject: str
    notes: _Notes
    event: RecordedEvent


def _uploaded(told: _Told, lookup: Lookup) -> Iterator[Change]:
    receipt, uri = told.receipt, str(told.request.uri)
    version, prior = receipt.upstream_version, receipt.prior_version
    kept = _version(lookup, uri, version)
    # A recovered receipt may lack the fingerprints that an earlier UNCHANGED of the same version had.
    if kept is None or receipt.fingerprint:
        kept = _tell(kept, told)
    kept.secret.prior_version = prior
    kept.secret.drifted = bool(prior) and _version(lookup, uri, prior) is None
    yield from _put(kept, lookup)
    if prior:
        yield Put(REPLACEMENTS, _key(uri, prior), version.encode())
    yield from _settle_successor(uri, version, lookup)
    yield from _move_head(uri, version, lookup)


def _found(told: _Told, lookup: Lookup) -> Iterator[Change]:
    """Yield what changes by a receipt that replaced no version: UNCHANGED, IMPORTED, DELETED or UNDELETED."""
    receipt, uri = told.receipt, str(told.request.uri)
    deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
    back = receipt.outcome == upload_pb2.OUTCOME_UNDELETED
    version = receipt.prior_version if deleted else receipt.upstream_version
    known = _version(lookup, uri, version)
    kept = _tell(known, told)
    kept.secret.upstream_version, kept.secret.deleted = version, deleted
    yield from _put(kept, lookup)
    if known is None and not deleted:
        yield from _settle_successor(uri, version, lookup)
    yield from _move_head(uri, version if known is None or back else _head_version(lookup, uri), lookup)


def _notes(receipt: Receipt, request: Request, lookup: Lookup) -> _Notes:
    """Return the notes after `request`: its own, or those that were there before where it keeps or brings none."""
    given, brings = _Notes(request.labels, request.expires_on), request.rules.notes
    keeps_labels, keeps_day = request.keep_labels or not brings, request.keep_expires_on or not brings
    if not (keeps_labels or keeps_day):
        return given
    versions = (receipt.upstream_version, receipt.prior_version)
    uri = str(request.uri)
    known = (_version(lookup, uri, version) for version in versions if version)
    kept = next((kept for kept in known if kept is not None), None) or head_of(uri, lookup)
    if kept is None or (brings and kept.secret.deleted):
        return given
    before = kept.secret
    return _Notes(
        labels_of(before.labels) if keeps_labels else given.labels,
        before.expires_on if keeps_day else given.expires_on,
        before.notes_subject,
        before.notes_changed_at_ms,
    )


def _verified(receipt: Receipt, uri: str, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Note what was found, unless there is another receipt for the secret by now."""
    head = head_of(uri, lookup)
    if head is None or head.receipt_sha256 != receipt.verified_sha256:
        return
    head.secret.verified = receipt.outcome
    head.secret.verified_at_ms = event.recorded_at_ms
    yield from put_head(head, head)


def _tell(kept: Kept | None, told: _Told) -> Kept:
    """Return what is known of a version, with what a receipt tells of it now."""
    receipt, request, notes, at_ms = told.receipt, told.request, told.notes, told.event.recorded_at_ms
    before = views_pb2.Secret() if kept is None else kept.secret
    secret = views_pb2.Secret(
        uri=str(request.uri),
        upstream_version=receipt.upstream_version,
        prior_version=before.prior_version,
        drifted=before.drifted,
        fingerprint=receipt.fingerprint,
        values=[upload_pb2.ValueFingerprint(key=key, fingerprint=shown) for key, shown in receipt.values],
        subject=told.subject,
        uploaded_at_ms=at_ms,
        request_id=request.request_id,
        notes_subject=notes.edited_by,
        notes_changed_at_ms=notes.edited_at_ms,
    )
    set_notes(secret, notes.labels, notes.expires_on)
    if receipt.outcome == upload_pb2.OUTCOME_IMPORTED:
        secret.verified, secret.verified_at_ms = upload_pb2.OUTCOME_IN_SYNC, at_ms
    return Kept(secret, receipt.sha256)


def set_notes(secret: views_pb2.Secret, labels: Labels, expires_on: str) -> None:
    """Give `secret` these labels and this day of expiry, instead of those that it has."""
    secret.ClearField("labels")
    for name, value in labels:
        secret.labels.add(name=name, value=value)
    secret.expires_on = expires_on


def _settle_successor(uri: str, version: str, lookup: Lookup) -> Iterator[Change]:
    """What replaced `version` did not drift after all: a receipt made `version`."""
    after = lookup(REPLACEMENTS, _key(uri, version))
    if after is None:
        return
    successor = _version(lookup, uri, after.decode())
    if successor is not None and successor.secret.drifted:
        successor.secret.drifted = False
        yield from _put(successor, lookup)


def _move_head(uri: str, candidate: str, lookup: Lookup) -> Iterator[Change]:
    """Make the end of `candidate`'s replacements the head, unless it is."""
    end = _end(lookup, uri, candidate)
    before = head_of(uri, lookup)
    if before is not None and before.secret.upstream_version == end:
        return
    head = _version(lookup, uri, end)
    assert head is not None, "every end of a chain was made or found by a receipt"
    if before is not None:
        yield Put(VERSIONS, _key(uri, before.secret.upstream_version), before.body)
    yield Delete(VERSIONS, _key(uri, end))
    yield from put_head(head, before)


def _end(lookup: Lookup, uri: str, version: str) -> str:
    seen = {version}
    while (after := lookup(REPLACEMENTS, _key(uri, version))) is not None:
        following = after.decode()
        if following in seen:  # an engine that gives a version twice must not hang m8
            break
        seen.add(following)
        version = following
    return version


def _head_version(lookup: Lookup, uri: str) -> str:
    head = head_of(uri, lookup)
    assert head is not None, "a known version has a head"
    return head.secret.upstream_version


def _version(lookup: Lookup, uri: str, version: str) -> Kept | None:
    head = head_of(uri, lookup)
    if head is not None and head.secret.upstream_version == version:
        return head
    body = lookup(VERSIONS, _key(uri, version))
    return None if body is None else Kept.parse(uri, body)


def _put(kept: Kept, lookup: Lookup) -> Iterator[Change]:
    """Write the document of a version where it stands: as the head, or beside it."""
    uri, version = kept.secret.uri, kept.secret.upstream_version
    head = head_of(uri, lookup)
    if head is not None and head.secret.upstream_version == version:
        yield from put_head(kept, head)
        return
    yield Put(VERSIONS, _key(uri, version), kept.body)


def _key(uri: str, version: str) -> str:
    return f"{uri}\n{version}"

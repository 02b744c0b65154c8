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
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import ended_by
from monoskope.protocol.notes import Labels, labels_of
from monoskope.protocol.outcomes import TELLING, VERIFIED
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt, parse_receipt

SECRETS = "secrets"
"""Collection: URI -> Secret, the head."""

VERSIONS = "secret-versions"
"""Collection: URI, a line feed, upstream version -> Secret, as a receipt made or found it."""

REPLACEMENTS = "secret-replacements"
"""Collection: URI, a line feed, upstream version -> the version that replaced it, as text."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about secrets. Must come after `uploads.project`."""
    upload = ended_by(event, lookup, TELLING | VERIFIED)
    if upload is None:
        return
    receipt = parse_receipt(upload.receipt.content)
    if receipt.outcome in VERIFIED:
        yield from _verified(receipt, upload, event, lookup)
        return
    told = _Told(receipt, upload, _notes(receipt, upload, lookup), event)
    match receipt.outcome:
        case upload_pb2.OUTCOME_UPLOADED | upload_pb2.OUTCOME_ROLLED_BACK:
            yield from _uploaded(told, lookup)
        case _:
            yield from _found(told, lookup)


def put_head(secret: views_pb2.Secret) -> Iterator[Change]:
    """Write the head of a secret, whose version stays the same."""
    yield _put(secret)
    yield Put(SECRETS, secret.uri, secret.SerializeToString(deterministic=True))


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
    upload: views_pb2.SecretUpload
    notes: _Notes
    event: RecordedEvent


def _uploaded(told: _Told, lookup: Lookup) -> Iterator[Change]:
    receipt, uri = told.receipt, told.upload.uri
    version, prior = receipt.upstream_version, receipt.prior_version
    secret = _version(lookup, uri, version) or views_pb2.Secret()
    # A recovered receipt may lack the fingerprints that an earlier UNCHANGED of the same version had.
    if receipt.fingerprint or not secret.uri:
        _tell(secret, told)
    secret.prior_version = prior
    secret.drifted = bool(prior) and lookup(VERSIONS, _key(uri, prior)) is None
    yield _put(secret)
    if prior:
        yield Put(REPLACEMENTS, _key(uri, prior), version.encode())
    yield from _settle_successor(uri, version, lookup)
    yield from _put_head(uri, version, lookup)


def _found(told: _Told, lookup: Lookup) -> Iterator[Change]:
    """Yield what changes by a receipt that replaced no version: UNCHANGED, IMPORTED, DELETED or UNDELETED."""
    receipt, uri = told.receipt, told.upload.uri
    deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
    back = receipt.outcome == upload_pb2.OUTCOME_UNDELETED
    version = receipt.prior_version if deleted else receipt.upstream_version
    known = _version(lookup, uri, version)
    secret = known or views_pb2.Secret()
    _tell(secret, told)
    secret.upstream_version, secret.deleted = version, deleted
    yield _put(secret)
    if known is None and not deleted:
        yield from _settle_successor(uri, version, lookup)
    yield from _put_head(uri, version if known is None or back else _head(lookup, uri), lookup)


def _notes(receipt: Receipt, upload: views_pb2.SecretUpload, lookup: Lookup) -> _Notes:
    """Return the notes after `upload`: its own, or those that were there before where it keeps or brings none."""
    given, brings = _Notes(labels_of(upload.labels), upload.expires_on), PURPOSES[upload.purpose].notes
    keeps_labels, keeps_day = upload.keep_labels or not brings, upload.keep_expires_on or not brings
    if not (keeps_labels or keeps_day):
        return given
    versions = (receipt.upstream_version, receipt.prior_version)
    known = (_version(lookup, upload.uri, version) for version in versions if version)
    before = next((secret for secret in known if secret is not None), None) or _head_document(lookup, upload.uri)
    if before is None or (brings and before.deleted):
        return given
    return _Notes(
        labels_of(before.labels) if keeps_labels else given.labels,
        before.expires_on if keeps_day else given.expires_on,
        before.notes_subject,
        before.notes_changed_at_ms,
    )


def _verified(
    receipt: Receipt, upload: views_pb2.SecretUpload, event: RecordedEvent, lookup: Lookup
) -> Iterator[Change]:
    """Note what was found, unless there is another receipt for the secret by now."""
    secret = _head_document(lookup, upload.uri)
    if secret is None or hashlib.sha256(secret.receipt.content).digest() != receipt.verified_sha256:
        return
    secret.verified = receipt.outcome
    secret.verified_at_ms = event.recorded_at_ms
    yield from put_head(secret)


def _tell(secret: views_pb2.Secret, told: _Told) -> None:
    receipt, upload, event = told.receipt, told.upload, told.event
    secret.uri = upload.uri
    secret.deleted = False
    secret.ClearField("verified")
    secret.ClearField("verified_at_ms")
    secret.upstream_version = receipt.upstream_version
    secret.fingerprint = receipt.fingerprint
    secret.ClearField("values")
    for key, fingerprint in receipt.values:
        secret.values.add(key=key, fingerprint=fingerprint)
    secret.subject = upload.subject
    secret.uploaded_at_ms = event.recorded_at_ms
    secret.request_id = upload.request_id
    secret.receipt.CopyFrom(upload.receipt)
    set_notes(secret, told.notes.labels, told.notes.expires_on)
    secret.notes_subject, secret.notes_changed_at_ms = told.notes.edited_by, told.notes.edited_at_ms
    if receipt.outcome == upload_pb2.OUTCOME_IMPORTED:
        secret.verified, secret.verified_at_ms = upload_pb2.OUTCOME_IN_SYNC, event.recorded_at_ms


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
    if successor is not None and successor.drifted:
        successor.drifted = False
        yield _put(successor)


def _put_head(uri: str, candidate: str, lookup: Lookup) -> Iterator[Change]:
    """Make the end of `candidate`'s replacements the head; its document may have changed, so it is written anew."""
    end = _end(lookup, uri, candidate)
    head = _version(lookup, uri, end)
    assert head is not None, "every end of a chain was made or found by a receipt"
    yield Put(SECRETS, uri, head.SerializeToString(deterministic=True))


def _end(lookup: Lookup, uri: str, version: str) -> str:
    seen = {version}
    while (after := lookup(REPLACEMENTS, _key(uri, version))) is not None:
        following = after.decode()
        if following in seen:  # an engine that gives a version twice must not hang m8
            break
        seen.add(following)
        version = following
    return version


def _head(lookup: Lookup, uri: str) -> str:
    head = _head_document(lookup, uri)
    assert head is not None, "a known version has a head"
    return head.upstream_version


def _head_document(lookup: Lookup, uri: str) -> views_pb2.Secret | None:
    body = lookup(SECRETS, uri)
    return None if body is None else views_pb2.Secret.FromString(body)


def _version(lookup: Lookup, uri: str, version: str) -> views_pb2.Secret | None:
    body = lookup(VERSIONS, _key(uri, version))
    return None if body is None else views_pb2.Secret.FromString(body)


def _put(secret: views_pb2.Secret) -> Put:
    return Put(VERSIONS, _key(secret.uri, secret.upstream_version), secret.SerializeToString(deterministic=True))


def _key(uri: str, version: str) -> str:
    return f"{uri}\n{version}"

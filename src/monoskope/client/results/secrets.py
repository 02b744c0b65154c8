"""What m8 knows of secrets and of requests."""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results import day, moment, name
from monoskope.client.walk import reasons
from monoskope.client.walk.receipts import Checked
from monoskope.client.walk.results import Approver
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value


class _Signed(Value, frozen=True, kw_only=True):
    """Who signed a request and who approved it."""

    signer: str = ""
    """Who signed the request, by the receipt that proves it; "" where none does, or the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""
    change_sha256: str = ""
    """The approved change that it executed, by the same receipt; "" for none."""
    approvers: tuple[Approver, ...] = ()
    """Those whose approvals counted."""
    break_glass: str = ""
    """Why it was done without the approvals that it takes; "" where nobody broke the glass."""

    @staticmethod
    def by(checked: Checked) -> dict[str, Any]:
        """Return these fields, as far as a receipt proves them."""
        receipt = checked.receipt if checked.proven else None
        if receipt is None:
            return {}
        return {
            "signer": receipt.signer,
            "signer_key": receipt.signer_key,
            "change_sha256": receipt.change_sha256.hex(),
            "approvers": tuple(Approver(*each) for each in receipt.approvers),
            "break_glass": receipt.break_glass,
        }


class Secret(_Signed, frozen=True):
    """What m8 knows of one secret. Never a value."""

    hidden = frozenset({"receipt"})

    uri: str
    hash: str
    """The whole secret's fingerprint, `fp1:…`; "" without the right to see it, or after a deletion."""
    values: dict[str, str]
    """Each key's fingerprint, in key order; {} without the right to see them."""
    upstream_version: str
    """The version upstream after the last change; what `expect` can name."""
    prior_version: str
    """The version that the last change replaced, "" for nothing."""
    subject: str
    """Who changed it last."""
    changed_at: dt.datetime | None
    """When."""
    request_id: str
    """The request of the last change, 32 hex digits."""
    labels: dict[str, str]
    expires_on: dt.date | None
    """The day of expiry that the user noted."""
    deleted: bool
    drifted: bool
    """Whether the last change replaced something that no receipt names."""
    sync: str
    """What the last verification found: "IN_SYNC", "DRIFTED" or "GONE"; "" if there was none."""
    verified_at: dt.datetime | None
    """When that was."""
    proven: bool
    """Whether a receipt of the pinned identity proves hash, values, versions and `deleted`."""
    why_not_proven: str
    """Why not; "" if it does."""
    notes_edited_by: str = ""
    """Who last edited `labels` or `expires_on` without a put; "" if nobody did. No receipt proves an edit."""
    notes_edited_at: dt.datetime | None = None
    """When."""
    receipt: upload_pb2.Signed | None = None
    """The receipt itself; None without the right to see hashes."""

    @classmethod
    def of(cls, view: views_pb2.Secret, checked: Checked) -> Self:
        """Return what a view says."""
        return cls(
            uri=view.uri,
            hash=view.fingerprint,
            values={value.key: value.fingerprint for value in view.values},
            upstream_version=view.upstream_version,
            prior_version=view.prior_version,
            subject=view.subject,
            changed_at=moment(view.uploaded_at_ms),
            request_id=view.request_id.hex(),
            labels={label.name: label.value for label in view.labels},
            expires_on=day(view.expires_on),
            deleted=view.deleted,
            drifted=view.drifted,
            sync=name(spelled(upload_pb2.Outcome, view.verified)),
            verified_at=moment(view.verified_at_ms),
            proven=checked.proven,
            why_not_proven=checked.why_not,
            notes_edited_by=view.notes_subject,
            notes_edited_at=moment(view.notes_changed_at_ms),
            receipt=view.receipt if view.HasField("receipt") else None,
            **cls.by(checked),
        )


class SecretVersion(_Signed, frozen=True):
    """What one receipt says about a secret."""

    uri: str
    purpose: str
    """What was asked for, e.g. "UPLOAD"."""
    outcome: str
    """"UPLOADED", "UNCHANGED", "IMPORTED", "DELETED" and so on."""
    hash: str
    """The whole secret's fingerprint, "" without the right to see it."""
    upstream_version: str
    """The version upstream at that time, "" after a deletion."""
    prior_version: str
    """The version that was replaced or deleted, "" for nothing."""
    subject: str
    """Who asked for it."""
    changed_at: dt.datetime | None
    """When it was recorded."""
    request_id: str
    """32 hex digits."""
    proven: bool
    """Whether the receipt of that request proves it."""
    why_not_proven: str

    @classmethod
    def of(cls, view: views_pb2.SecretVersion, checked: Checked) -> Self:
        """Return what a view says."""
        return cls(
            uri=view.uri,
            purpose=spelled(upload_pb2.Purpose, view.purpose),
            outcome=spelled(upload_pb2.Outcome, view.outcome),
            hash=view.fingerprint,
            upstream_version=view.upstream_version,
            prior_version=view.prior_version,
            subject=view.subject,
            changed_at=moment(view.recorded_at_ms),
            request_id=view.request_id.hex(),
            proven=checked.proven,
            why_not_proven=checked.why_not,
            **cls.by(checked),
        )


class Upload(_Signed, frozen=True):
    """One request, of any purpose."""

    hidden = frozenset({"receipt"})

    request_id: str
    """32 hex digits."""
    uri: str
    destination: str
    """With a copy: the URI of the destination."""
    purpose: str
    state: str
    """"REQUESTED", "GRANTED", "UPLOADING", "WRITING" or "ENDED"."""
    outcome: str
    """What its receipt says, "" without one that counts."""
    reason: str
    """Why it failed, by its receipt."""
    hash: str
    """The whole secret's fingerprint, by its receipt."""
    upstream_version: str
    """The version upstream then, by its receipt."""
    m8_says: str
    """What m8 says of the end, which may be without proof: "UPLOADED", or "FAILED: CONFLICT"."""
    subject: str
    requested_at: dt.datetime | None
    changed_at: dt.datetime | None
    proven: bool
    """Whether a receipt of the pinned identity proves the end."""
    why_not_proven: str
    receipt: upload_pb2.Signed | None = None

    @classmethod
    def of(cls, view: views_pb2.SecretUpload, checked: Checked) -> Self:
        """Return what a view says, and what its receipt proves."""
        receipt = checked.receipt
        said = spelled(upload_pb2.Outcome, view.outcome) if view.outcome else ""
        why = reasons.name(view.reason) if view.reason else ""
        return cls(
            request_id=view.request_id.hex(),
            uri=view.uri,
            destination=view.destination,
            purpose=spelled(upload_pb2.Purpose, view.purpose),
            state=spelled(views_pb2.UploadState, view.state),
            outcome="" if receipt is None else spelled(upload_pb2.Outcome, receipt.outcome),
            reason="" if receipt is None or not receipt.reason else reasons.name(receipt.reason),
            hash="" if receipt is None else receipt.fingerprint,
            upstream_version="" if receipt is None else receipt.upstream_version,
            m8_says=": ".join(filter(None, (said, why))),
            subject=view.subject,
            requested_at=moment(view.requested_at_ms),
            changed_at=moment(view.changed_at_ms),
            proven=checked.proven,
            why_not_proven=checked.why_not,
            receipt=view.receipt if view.HasField("receipt") else None,
            **cls.by(checked),
        )

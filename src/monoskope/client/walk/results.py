"""How a request ends: one type for what a receipt proves of each purpose, and what is told of an end without proof."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.task import Result, Task

IN_SYNC = "IN_SYNC"


class Approver(Value, frozen=True):
    """Who approved a change, as the store's receipt says."""

    principal: str
    key: str
    """`SHA256:…`."""


class Proven(Value, frozen=True, kw_only=True):
    """What a receipt proves of one request: what all results have in common."""

    hidden = frozenset({"receipt"})

    uri: str
    outcome: str
    """What was done, by its name of docs/protocol.md, e.g. "UPLOADED"."""
    upstream_version: str
    """The version that is upstream now, "" for nothing; what `expect` can name."""
    request_id: str
    """32 hex digits."""
    signer: str = ""
    """Who signed the request, as the store's own list says; "" where the store takes unsigned ones."""
    signer_key: str = ""
    """The key that signed it, `SHA256:…`."""
    change_sha256: str = ""
    """The approved change that was executed, 64 hex digits, "" for none."""
    approvers: tuple[Approver, ...] = ()
    """Those whose approvals of it counted."""
    break_glass: str = ""
    """Why it was done without the approvals that it takes; "" where nobody broke the glass."""
    receipt: upload_pb2.Signed | None = None
    """The receipt itself, to be shown to others who pin the store."""

    @classmethod
    def of(cls, task: Task, result: Result, **more: Any) -> Self:  # noqa: ANN401 - the fields of the type
        """Return what the receipt of a task says, and with `more` what it does not say."""
        receipt = result.receipt
        said: dict[str, Any] = {
            "uri": str(task.uri),
            "outcome": spelled(upload_pb2.Outcome, receipt.outcome),
            "upstream_version": receipt.upstream_version,
            "request_id": result.request_id.hex(),
            "signer": receipt.signer,
            "signer_key": receipt.signer_key,
            "change_sha256": receipt.change_sha256.hex(),
            "approvers": tuple(Approver(principal, key) for principal, key in receipt.approvers),
            "break_glass": receipt.break_glass,
            "receipt": result.signed,
            "hash": receipt.fingerprint,
            "values": dict(receipt.values),
            "public_values": dict(receipt.public_values),
            "prior_version": receipt.prior_version,
            "deleted_version": receipt.prior_version,
            "restored_version": receipt.restored_version,
            "equal": receipt.outcome == upload_pb2.OUTCOME_EQUAL,
            "differences": {key: spelled(upload_pb2.DifferenceKind, kind) for key, kind in receipt.differences},
        } | more
        return cls(**{name: said[name] for name in cls.__struct_fields__})


class _Content(Proven, frozen=True, kw_only=True):
    """What a receipt proves where content is upstream afterwards."""

    hash: str
    """The whole secret's fingerprint, `fp1:…`.

    It is "" if a lost write was found again in an engine that cannot be read, and after a patch or an undeletion of
    what the reactor neither can read nor knows from a receipt.
    """
    values: dict[str, str]
    """Each key's fingerprint, in key order."""


class Import(_Content, frozen=True, kw_only=True):
    """An import: the content was there already."""


class PutResult(_Content, frozen=True, kw_only=True):
    """A put or a patch. Its outcome is "UPLOADED", or "UNCHANGED" if the same content was there."""


class Generated(_Content, frozen=True, kw_only=True):
    """A generated secret."""

    public_values: dict[str, str]
    """Each key pair's public half under its key, PEM, in key order; {} if a lost write was found and not read."""


class Copy(_Content, frozen=True, kw_only=True):
    """A copy that receipts of both stores prove. The outcome is the destination's; `upstream_version` was read."""

    destination: str
    destination_version: str
    """The version that is at the destination now."""


class Comparison(Proven, frozen=True, kw_only=True):
    """A comparison with `upstream_version`."""

    equal: bool
    differences: dict[str, str]
    """Key to "MISSING" (upstream lacks it), "EXTRA" (only upstream has it) or "CHANGED", in key order."""


class Verification(Proven, frozen=True, kw_only=True):
    """A verification. Its outcome is "IN_SYNC", "DRIFTED" (something else is upstream) or "GONE" (nothing is)."""

    newest: bool | None
    """Whether the reactor compared with the newest receipt that m8 shows; None without the right to see receipts."""

    @property
    def in_sync(self) -> bool:
        """Whether upstream holds what the receipt says."""
        return self.outcome == IN_SYNC


class Deletion(Proven, frozen=True, kw_only=True):
    """A deletion."""

    deleted_version: str
    """The upstream version that was there."""
    destroyed: bool
    """Whether it was to be erased for good."""


class Undeletion(_Content, frozen=True, kw_only=True):
    """An undeletion. `upstream_version` is in most engines the one that was deleted, in some a new one."""

    restored_version: str
    """The version whose content is there again."""


class Rollback(_Content, frozen=True, kw_only=True):
    """A rollback. `upstream_version` is a new one."""

    restored_version: str
    """The version whose content is there again."""
    prior_version: str
    """The version that was replaced, "" for nothing."""


RESULTS: Mapping[upload_pb2.Purpose, type[Proven]] = MappingProxyType(
    {
        upload_pb2.PURPOSE_UPLOAD: PutResult,
        upload_pb2.PURPOSE_PATCH: PutResult,
        upload_pb2.PURPOSE_DELETE: Deletion,
        upload_pb2.PURPOSE_UNDELETE: Undeletion,
        upload_pb2.PURPOSE_ROLLBACK: Rollback,
        upload_pb2.PURPOSE_GENERATE: Generated,
    }
)
"""Of each purpose that writes, what its receipt proves. A copy's is of two stores, and `purposes.copy` makes it."""


class Doubt(Value, frozen=True):
    """What a user is told of a request whose end is not proven."""

    message: str
    """What is not known. `{request}` stands for the request's id."""
    fix: str
    """What to do. `{request_id}` stands for the request's id."""
    done: str = "written"
    """What the request does, if it writes."""


_ASK = "Ask with `monoctl get upload {request_id}`"

DOUBTS: Mapping[upload_pb2.Purpose, Doubt] = MappingProxyType(
    {
        upload_pb2.PURPOSE_UPLOAD: Doubt(
            "it may or may not have been written {request}.",
            fix=f"{_ASK}, or `monoctl compare secret`, before you put it again.",
        ),
        upload_pb2.PURPOSE_PATCH: Doubt(
            "it may or may not have been patched {request}.", fix=f"{_ASK} before you patch it again.", done="patched"
        ),
        upload_pb2.PURPOSE_GENERATE: Doubt(
            "it may or may not have been generated {request}.",
            fix=f"{_ASK} before you generate it again.",
            done="generated",
        ),
        upload_pb2.PURPOSE_COPY: Doubt(
            "it may or may not have been copied {request}.",
            fix=f"{_ASK}, and look at the destination with `monoctl get secret`, before you copy it again.",
        ),
        upload_pb2.PURPOSE_DELETE: Doubt(
            "it may or may not have been deleted {request}.", fix=f"{_ASK} before you delete it again.", done="deleted"
        ),
        upload_pb2.PURPOSE_UNDELETE: Doubt(
            "it may or may not have been undeleted {request}.",
            fix=f"{_ASK} before you undelete it again.",
            done="undeleted",
        ),
        upload_pb2.PURPOSE_ROLLBACK: Doubt(
            "it may or may not have been rolled back {request}.",
            fix=f"{_ASK} before you roll it back again.",
            done="restored",
        ),
        upload_pb2.PURPOSE_COMPARE: Doubt(
            "whether it is equal is not known {request}. Nothing was written.", fix="Compare again."
        ),
        upload_pb2.PURPOSE_VERIFY: Doubt(
            "whether it is in sync is not known {request}. Nothing was written.", fix="Verify again."
        ),
        upload_pb2.PURPOSE_IMPORT: Doubt(
            "whether it was imported is not known {request}. Nothing was written upstream.", fix="Import it again."
        ),
        upload_pb2.PURPOSE_LIST: Doubt(
            "which names are there is not known {request}. Nothing was written upstream.", fix="List again."
        ),
    }
)
"""By purpose."""

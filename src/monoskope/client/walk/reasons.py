"""What each reason of a failed request means to its user: one table (docs/protocol.md, When something breaks).

The file is long because each reason stands in it with what to do.
"""

from __future__ import annotations

import math

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.http.retry import LONGEST_PAUSE_S
from monoskope.errors import (
    ConflictError,
    Error,
    NotAuthorizedError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    TimedOutError,
    UnavailableError,
    docs_page,
)
from monoskope.protocol.outcomes import is_detail, spelled
from monoskope.text import counted
from monoskope.value import Value

_CHANGED_BY_OTHERS = "upstream holds content that was not put there through m8; nothing was written."
_CHECK_PATH = "Check the path in the engine."
_ASK_OPERATOR = "Ask the store's operator: the reactor's audit log names the cause.{signed}"


class Meaning(Value, frozen=True):
    """How one reason is explained to its user."""

    error: type[Error]
    message: str
    """After "URI: "."""
    fix: str


MEANINGS: dict[upload_pb2.Reason, Meaning] = {
    upload_pb2.REASON_BAD_PAYLOAD: Meaning(
        RefusedError,
        "the reactor could not open what was sent, or it is not in the one accepted form.",
        "Use an unmodified client of a supported version; if it is one, somebody changed the bytes on their way.",
    ),
    upload_pb2.REASON_CONFLICT: Meaning(
        ConflictError,
        "what is upstream is not what `expect` names, or changed after the key was asked for; nothing was written.",
        "Look at the version that `monoctl get secret` shows, then try again.",
    ),
    upload_pb2.REASON_KEY_LOST: Meaning(
        UnavailableError,
        "the reactor lost the key of this request, as when it restarts.",
        "Try again; if it stays so, ask the store's operator.",
    ),
    upload_pb2.REASON_OUTCOME_UNKNOWN: Meaning(
        OutcomeUnknownError,
        "the reactor could not find out whether its engine wrote the secret.",
        "Run `monoctl compare secret` before you put it again.",
    ),
    upload_pb2.REASON_UPSTREAM_UNAVAILABLE: Meaning(
        UnavailableError,
        "the engine behind the store does not answer; nothing was written.",
        "Try again later; if it stays so, ask the store's operator.",
    ),
    upload_pb2.REASON_UPSTREAM_REFUSED: Meaning(
        RefusedError,
        "the store's reactor or its engine does not allow this; nothing was written.",
        "Check path, key names and options (text only? then with `binary` base64), or ask the store's operator.",
    ),
    upload_pb2.REASON_CANNOT_READ: Meaning(
        RefusedError,
        "what is upstream cannot be read, so nothing can be said about it.",
        "Ask the store's operator for read access of its reactor, or put the secret again.",
    ),
    upload_pb2.REASON_UNSUPPORTED: Meaning(
        RefusedError, "the store cannot do this.", "See `monoctl describe secret-store` for what it can do."
    ),
    upload_pb2.REASON_RATE_LIMITED: Meaning(
        RateLimitedError,
        "the store's reactor takes no more requests of yours now; nothing was written.",
        "Try again {when}. {longer}",
    ),
    upload_pb2.REASON_EXPIRED: Meaning(
        TimedOutError, "the key's lifetime ended before the secret arrived; nothing was written.", "Try again."
    ),
    upload_pb2.REASON_NO_REACTOR: Meaning(
        UnavailableError,
        "no reactor of the store could take it in time; nothing was written.",
        "See `monoctl describe secret-store` for when it sent its last heartbeat, or ask the store's operator.",
    ),
    upload_pb2.REASON_STORE_INACTIVE: Meaning(
        RefusedError, "the store is deactivated.", "Use another store, or ask an administrator to activate it."
    ),
    upload_pb2.REASON_UPSTREAM_CHANGED: Meaning(
        ConflictError, _CHANGED_BY_OTHERS, "Look at it in the engine; to replace it, put again with `overwrite`."
    ),
    upload_pb2.REASON_NOT_FOUND: Meaning(
        NotFoundError, "nothing is upstream at this place; nothing was written.", _CHECK_PATH
    ),
    upload_pb2.REASON_NOT_AUTHORIZED: Meaning(
        NotAuthorizedError,
        "the store's own list does not let your signing key do this here; the reactor did nothing.",
        _ASK_OPERATOR,
    ),
}
"""Every reason but UNSPECIFIED."""

_NOTHING_TO_IMPORT = "nothing is upstream, so there is nothing to import."
_AS_VERSIONS_SHOW = (
    "Look at the versions that `monoctl get secret --versions` shows. What was erased comes back by a new put alone."
)
_FOR_PURPOSE: dict[tuple[upload_pb2.Purpose, upload_pb2.Reason], Meaning] = {
    (upload_pb2.PURPOSE_COMPARE, upload_pb2.REASON_RATE_LIMITED): Meaning(
        RateLimitedError,
        "the store's reactor allows no more comparisons now; they are limited by the hour.",
        "Try again {when}.",
    ),
    (upload_pb2.PURPOSE_PATCH, upload_pb2.REASON_CONFLICT): Meaning(
        ConflictError,
        "nothing is upstream, or not what `expect` names, or it lacks a key to remove; nothing was written.",
        "Look at the version and the keys that `monoctl get secret` shows, then try again.",
    ),
    (upload_pb2.PURPOSE_PATCH, upload_pb2.REASON_UPSTREAM_CHANGED): Meaning(
        ConflictError,
        _CHANGED_BY_OTHERS,
        "Look at it in the engine; to change it all the same, patch again with `overwrite`.",
    ),
    (upload_pb2.PURPOSE_PATCH, upload_pb2.REASON_UPSTREAM_REFUSED): Meaning(
        RefusedError,
        "the store's reactor or its engine does not allow this, as when no key would be left; nothing was written.",
        "Check keys and options (text only? then with `binary` base64), or ask the store's operator.",
    ),
    (upload_pb2.PURPOSE_PATCH, upload_pb2.REASON_NOT_FOUND): Meaning(
        NotFoundError,
        "nothing is upstream, so there is nothing to patch; nothing was written.",
        "Check the path, or put the whole secret.",
    ),
    (upload_pb2.PURPOSE_DELETE, upload_pb2.REASON_NOT_FOUND): Meaning(
        NotFoundError, "nothing is upstream, so there is nothing to delete.", _CHECK_PATH
    ),
    (upload_pb2.PURPOSE_COPY, upload_pb2.REASON_NOT_FOUND): Meaning(
        NotFoundError,
        "nothing is there to be copied; nothing was written.",
        "Check the path of the source in its engine.",
    ),
    (upload_pb2.PURPOSE_IMPORT, upload_pb2.REASON_NOT_FOUND): Meaning(NotFoundError, _NOTHING_TO_IMPORT, _CHECK_PATH),
    (upload_pb2.PURPOSE_IMPORT, upload_pb2.REASON_CONFLICT): Meaning(ConflictError, _NOTHING_TO_IMPORT, _CHECK_PATH),
    (upload_pb2.PURPOSE_LIST, upload_pb2.REASON_UPSTREAM_REFUSED): Meaning(
        RefusedError,
        "the store's reactor or its engine does not allow to list this.",
        "Name a URI at or below the prefixes that the reactor serves, or ask the store's operator.",
    ),
    (upload_pb2.PURPOSE_LIST, upload_pb2.REASON_UNSUPPORTED): Meaning(
        RefusedError,
        "the store does not list names.",
        "Ask the store's operator whether its driver can, and to set `listable = true`.",
    ),
    (upload_pb2.PURPOSE_VERIFY, upload_pb2.REASON_CONFLICT): Meaning(
        ConflictError,
        "the store was shown no receipt of its own for it.",
        "Put or import it first; after the store's identity was replaced, too.",
    ),
    (upload_pb2.PURPOSE_COPY, upload_pb2.REASON_CONFLICT): Meaning(
        ConflictError,
        "nothing is there to be copied, or not every key that was named, or the destination holds what `expect` does"
        " not name, or what was not put there through m8, or the request took longer than 10 s to reach the reactor;"
        " nothing was written.",
        "Look at both with `monoctl get secret`, then copy again; to replace what is there, with `overwrite`.",
    ),
    (upload_pb2.PURPOSE_COPY, upload_pb2.REASON_UNSUPPORTED): Meaning(
        RefusedError,
        "the store's reactor is not set up to copy to that store.",
        "See `copies_to` in `monoctl describe secret-store`; its operator adds a [[copy]] table to reactor.toml.",
    ),
    (upload_pb2.PURPOSE_COPY, upload_pb2.REASON_NOT_AUTHORIZED): Meaning(
        NotAuthorizedError,
        "the source's own list does not let your signing key do this here, or the destination's own list does not let"
        " the source's copy key; nothing was written.",
        _ASK_OPERATOR,
    ),
    (upload_pb2.PURPOSE_COPY, upload_pb2.REASON_UPSTREAM_REFUSED): Meaning(
        RefusedError,
        "the store's reactor may not copy from here to there, or one of the stores does not allow it; nothing was"
        " written.",
        "Ask the operator for the paths in its [[copy]] table and for the identity that it names.",
    ),
    (upload_pb2.PURPOSE_DELETE, upload_pb2.REASON_CONFLICT): Meaning(
        ConflictError,
        "nothing is upstream, or not what `expect` names; what is there was not deleted.",
        "Look at the version that `monoctl get secret` shows, then try again with that one.",
    ),
    (upload_pb2.PURPOSE_DELETE, upload_pb2.REASON_UPSTREAM_CHANGED): Meaning(
        ConflictError,
        "upstream holds content that was not put there through m8; it was not deleted.",
        "Look at it in the engine; to delete it all the same, delete again with `overwrite`.",
    ),
    (upload_pb2.PURPOSE_UNDELETE, upload_pb2.REASON_NOT_FOUND): Meaning(
        NotFoundError,
        "nothing can be brought back: nothing was deleted there, it was erased, or something is there again; what"
        " is there was not changed.",
        _AS_VERSIONS_SHOW,
    ),
    (upload_pb2.PURPOSE_UNDELETE, upload_pb2.REASON_CONFLICT): Meaning(
        ConflictError,
        "another version than `expect` names was deleted last, or something came in between; what is there was not"
        " changed.",
        _AS_VERSIONS_SHOW,
    ),
    (upload_pb2.PURPOSE_UNDELETE, upload_pb2.REASON_UPSTREAM_CHANGED): Meaning(
        ConflictError,
        "what was deleted last was not put there through m8; nothing was changed.",
        "Look at it in the engine; to bring it back all the same, undelete with `overwrite`.",
    ),
    (upload_pb2.PURPOSE_ROLLBACK, upload_pb2.REASON_CANNOT_READ): Meaning(
        RefusedError,
        "the engine does not keep that version, never had it there, or it cannot be read back; nothing was written.",
        "Choose another one that `monoctl get secret --versions` shows: engines keep only some versions.",
    ),
    (upload_pb2.PURPOSE_ROLLBACK, upload_pb2.REASON_UPSTREAM_CHANGED): Meaning(
        ConflictError,
        _CHANGED_BY_OTHERS,
        "Look at it in the engine; to replace it all the same, roll back with `overwrite`.",
    ),
}
"""Reasons that mean something else for purposes other than UPLOAD."""

RETRIED = frozenset({upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_UPSTREAM_UNAVAILABLE})
"""On these a new attempt is made before anything was sent; after that, a receipt decides (`walk.walk`)."""

NOT_WHICH = "; it does not name the process that says so"
"""Added to KEY_LOST without `replica`."""

_UNKNOWN = Meaning(Error, "the request failed for a reason that this client does not know.", "Use a newer client.")


def name(reason: int) -> str:
    """Return the reason's protocol name, e.g. "CONFLICT"; "reason 99" for one that this client does not know."""
    text = spelled(upload_pb2.Reason, reason)
    return f"reason {text}" if text.isdecimal() else text


DETAIL = ": {detail}"
"""How the reactor's sentence stands behind the reason."""
UNSIGNED = "m8 says: {message}. No store signed that; nothing was sent."
"""How a reason is explained that came without a receipt, before anything was sent."""
ASKS = " The store asks for up to {approvals} here, and {were} sent."
"""Added to NOT_AUTHORIZED where the grant asks for approvals."""
THERE = " Version {version} is there now."
"""Added to a failure whose signed receipt says which version is upstream."""
_UNSIGNED_CONFLICT_FIX = "Look in the engine itself before you change anything on m8's word."


def error_for(
    reason: upload_pb2.Reason,
    uri: str,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    *,
    said_by_m8: bool = False,
    upstream_version: str = "",
    retry_after_s: int = 0,
    detail: str = "",
    signed: str = "",
    approvals: int = 0,
    sent: int | None = None,
) -> Error:
    """Return the error to raise for a request of `purpose` on `uri` that failed for `reason`.

    Args:
        reason: Why.
        uri: Of the secret.
        purpose: What was asked.
        said_by_m8: Whether m8 alone says so, without a receipt, before anything was sent. Then the message says that,
            and no fix leads to overwriting something on m8's word.
        upstream_version: What is upstream now, as the signed receipt says; "" if it does not.
        retry_after_s: With RATE_LIMITED, seconds after which it can succeed; 0 if that is not known.
        detail: The reactor's sentence beside the reason: signed in a receipt, or as m8 says.
        signed: What the store's operator needs to find a signed request: its id and its key (`signed_as`).
        approvals: How many approvals the grant asks for, of anybody at most.
        sent: How many were sent with a change; None without a change.
    """
    meaning = _FOR_PURPOSE.get((purpose, reason)) or MEANINGS.get(reason, _UNKNOWN)
    more = DETAIL.format(detail=detail.removesuffix(".")) if detail and is_detail(detail) else ""
    message = f"{meaning.message} ({name(reason)}{more})"
    fix = meaning.fix.replace("{when}", _when(retry_after_s)).replace("{signed}", signed)
    fix = fix.replace("{longer}", _WAITED_FOR if retry_after_s <= LONGEST_PAUSE_S else _NOT_WAITED_FOR)
    if said_by_m8:
        message = UNSIGNED.format(message=f"{meaning.message.removesuffix('.')} ({name(reason)}{more})")
        fix = _UNSIGNED_CONFLICT_FIX if issubclass(meaning.error, ConflictError) else fix
    elif upstream_version:
        message += THERE.format(version=upstream_version)
    asks = issubclass(meaning.error, NotAuthorizedError) and approvals > 0
    if asks:
        were = f"{sent} {'was' if sent == 1 else 'were'}" if sent else "none was"
        message += ASKS.format(approvals=counted(approvals, "approval"), were=were)
    if asks and sent is None:
        fix = f"Propose it, so that others can approve it ({docs_page('approvals.md')}). {fix}"
    error = meaning.error(f"{uri}: {message}", fix=fix, reason_name=name(reason), retry_after_s=float(retry_after_s))
    if isinstance(error, NotAuthorizedError) and sent is None:
        error.approvals = approvals
    return error


def signed_as(request_id: bytes, signer_key: str) -> str:
    """Return the sentence by which an operator finds a request in the audit log; "" if it was not signed."""
    return f" Name the request {request_id.hex()} and the key {signer_key}." if signer_key else ""


_WAITED_FOR = "A longer timeout lets the client wait for it."
_NOT_WAITED_FOR = "No client waits so long; for a bulk import ask m8's and the store's operators for a higher limit."


def _when(seconds: int) -> str:
    if not seconds:
        return "later"
    return f"in {seconds} s" if seconds <= 120 else f"in {math.ceil(seconds / 60)} min"

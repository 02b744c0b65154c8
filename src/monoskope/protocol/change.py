"""The change: one request for one secret, as it is proposed; and which request executes it.

Its requester makes it, approvers sign its SHA-256 (`approval_statement`, in a namespace of its own), and the request
that executes it names that SHA-256. Nothing here counts approvals: the store's reactor does (docs/protocol.md,
Approvals).
"""

from __future__ import annotations

import base64
import hashlib

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.identity import check_shown, is_principal, shown_digest
from monoskope.protocol.payload import MAX_KEYS
from monoskope.protocol.receipt import is_fingerprint
from monoskope.protocol.request import REQUEST_ID_BYTES, Request, check_keys, is_reason, parse_request
from monoskope.protocol.wire import DIGEST_BYTES, MalformedError, parse, remembered, serialise
from monoskope.value import Value

CHANGE_ID_BYTES = 16
MAX_CHANGE = 8_192
"""Bytes of a serialised change at most."""
MAX_NOT_AFTER = 253_402_300_799
"""The last second of the year 9999."""

_NAME = "Change"
_OF_EACH_ATTEMPT = ("request_id", "suites", "change_sha256")
"""The fields that each request for the change has for itself, and the change has not."""
_CHECKED = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})


class Change(Value, frozen=True):
    """A well-formed change together with its serialised bytes."""

    hidden = frozenset({"content"})

    content: bytes
    change_id: bytes
    request: Request
    """What is asked, as a request with an id of zeros, suite 1 and no change: see `request_of`."""
    requester: str
    """The principal whose signature the request will bear."""
    identity: str
    """The store's identity as the requester pinned it, as shown."""
    not_after: int
    """The last second in which it can be executed, since 1970, by the reactor's clock."""
    keys: tuple[str, ...] = ()
    """Where a secret is sealed: its keys, all of them and no others."""
    fingerprint: str = ""
    """Of what is put, "" where nobody is held to one."""
    reason: str = ""
    """Why, "" if the requester does not say."""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the serialised change: what approvers sign and requests and receipts name."""
        return hashlib.sha256(self.content).digest()


def make_change(
    *,
    change_id: bytes,
    request: Request,
    requester: str,
    identity: str,
    not_after: int,
    keys: tuple[str, ...] = (),
    fingerprint: str = "",
    reason: str = "",
) -> Change:
    """Return a change, checked like one from the wire.

    Args:
        change_id: 16 random bytes.
        request: What is asked. Its id, its suites and the change that it names do not count.
        requester: The principal who will sign the request.
        identity: The store's pinned identity, as shown.
        not_after: The last second in which it can be executed, since 1970.
        keys: Where a secret is sealed: its keys, sorted.
        fingerprint: Of what is put, or "".
        reason: Why, or "".

    Raises:
        MalformedError: a field breaks its rule.
        UsageError: it has more than 8,192 bytes; or the identity is not well formed.
    """
    message = upload_pb2.Change(
        change_id=change_id,
        request=_asked(request),
        requester=requester,
        identity=base64.b64decode(check_shown(identity).removeprefix("SHA256:") + "="),
        not_after=not_after,
        keys=keys,
        fingerprint=fingerprint,
        reason=reason,
    )
    content = serialise(message)
    if len(content) > MAX_CHANGE:
        raise UsageError(
            f"the change has {len(content):,} bytes, and may have {MAX_CHANGE:,}.",
            fix="Change fewer keys at once, or shorten the reason, the labels or the options.",
        )
    return parse_change(content)


def request_of(change: Change, *, request_id: bytes, suites: tuple[int, ...]) -> Request:
    """Return the request that executes `change`. Raises `MalformedError` if id or suites break a rule."""
    message = upload_pb2.UploadRequest.FromString(change.request.content)
    message.request_id = request_id
    message.suites[:] = suites
    message.change_sha256 = change.sha256
    return parse_request(serialise(message))


def executes(request: Request, change: Change) -> bool:
    """Whether `request` names `change` and asks, byte for byte, what it says."""
    return request.change_sha256 == change.sha256 and _asked(request) == _asked(change.request)


def _asked(request: Request) -> bytes:
    """Return the bytes of a request without the fields that each attempt has for itself."""
    message = upload_pb2.UploadRequest.FromString(request.content)
    for field in _OF_EACH_ATTEMPT:
        message.ClearField(field)
    return serialise(message)


@remembered
def parse_change(content: bytes) -> Change:
    """Parse the bytes of a Change.

    Raises:
        MalformedError: not in the one serialised form, more than 8,192 bytes, or a field breaks its rule.
    """
    if len(content) > MAX_CHANGE:
        raise MalformedError(_NAME, "content", f"must have at most {MAX_CHANGE:,} bytes")
    message = parse(upload_pb2.Change, content)
    if len(message.change_id) != CHANGE_ID_BYTES:
        raise MalformedError(_NAME, "change_id", "must have 16 bytes")
    request = _request(message.request)
    if not is_principal(message.requester):
        raise MalformedError(_NAME, "requester", "must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first")
    if len(message.identity) != DIGEST_BYTES:
        raise MalformedError(_NAME, "identity", "must have 32 bytes")
    if not 1 <= message.not_after <= MAX_NOT_AFTER:
        raise MalformedError(_NAME, "not_after", "must be a time after 1970 and before the year 10000, in seconds")
    _check_keys(message, request)
    if message.fingerprint and not (request.rules.puts_whole and is_fingerprint(message.fingerprint)):
        raise MalformedError(_NAME, "fingerprint", "must be fp1:<16 hex>:<64 hex>, and absent unless UPLOAD or COPY")
    if message.reason and not is_reason(message.reason):
        raise MalformedError(_NAME, "reason", "must be at most 500 printable characters")
    return Change(
        content=content,
        change_id=message.change_id,
        request=request,
        requester=message.requester,
        identity=shown_digest(message.identity),
        not_after=message.not_after,
        keys=tuple(message.keys),
        fingerprint=message.fingerprint,
        reason=message.reason,
    )


def _request(content: bytes) -> Request:
    """Return what is asked. It expects exactly what the approvers see: a version, or nothing."""
    message = parse(upload_pb2.UploadRequest, content)
    if any(field.name in _OF_EACH_ATTEMPT for field, _ in message.ListFields()):
        raise MalformedError(_NAME, "request", "must have no request_id, suites and change_sha256")
    message.request_id = bytes(REQUEST_ID_BYTES)
    message.suites[:] = [SUITE_1]
    request = parse_request(serialise(message))
    if request.expect not in _CHECKED:
        # Nor does a purpose that writes nothing.
        raise MalformedError(_NAME, "request", "must have a purpose that writes, and expect ABSENT or VERSION")
    if request.break_glass:
        raise MalformedError(_NAME, "request", "must not break the glass")
    if "source_version" in request.rules.fields and not request.source_version:
        raise MalformedError(_NAME, "request", "must name the version that is copied")
    return request


def _check_keys(message: upload_pb2.Change, request: Request) -> None:
    """Who approves what is sealed approves its keys. A patch that removes keys may seal nothing."""
    check_keys(_NAME, "keys", message.keys, MAX_KEYS)
    if message.keys and not request.rules.seals:
        raise MalformedError(_NAME, "keys", "must be absent where nothing is sealed")
    if request.rules.seals and not message.keys and not request.remove_keys:
        raise MalformedError(_NAME, "keys", "must name the keys that are sealed")
    if set(message.keys) & set(request.remove_keys):
        raise MalformedError(_NAME, "keys", "must have none that is removed")

"""The reactor's own record of what it was asked and did: one JSON object a line, independent of m8.

In it a store's owner sees what a hostile m8 wrote or guessed through this reactor. It has allow-listed fields only: no
value, no fingerprint of a value, no secret key, no text of an engine.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.settings import open_to_append

FILE = "audit.jsonl"
GRANTED = "GRANTED"
AUTHORIZED = "AUTHORIZED"
REFUSED = "REFUSED"
RESUMED = "RESUMED"
"""Written once the log can be written again: requests before this line may have been refused without one."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line."""

    request_id: str
    uri: str
    subject: str
    """As m8 says; nothing proves it."""
    purpose: str
    outcome: str
    """GRANTED; AUTHORIZED or REFUSED for the signature; a receipt's outcome; or RESUMED, without a request."""
    reason: str = ""
    upstream_version: str = ""
    destination: str = ""
    """Where a COPY is to go."""
    detail: str = ""
    """With FAILED: the sentence that users are told beside the reason. With REFUSED: one that users are not told. With
    AUTHORIZED: a word about each approval that did not count."""
    signer: str = ""
    """Who signed the request, by this reactor's own list; "" where no signature is required, and with FAILED."""
    signer_key: str = ""
    """With `signer`: the key, `SHA256:…`."""
    certificate: str = ""
    """With AUTHORIZED by a certificate: its CA and its serial number or key id, as the list of revocations has them."""
    signers_sha256: str = ""
    """Where a signature was looked at: SHA-256 of the list, in hex."""
    revoked_sha256: str = ""
    """The same of the list of what is revoked; "" if it cannot be read."""
    approvers_sha256: str = ""
    """The same of the list of approvers; "" also where there is none."""
    rules_sha256: str = ""
    """SHA-256 over these and the entries of `[signers]`, as m8 is told it, too: replicas must have the same."""
    change_sha256: str = ""
    """SHA-256 of the change that the request names, in hex."""
    approvers: tuple[str, ...] = ()
    """With it: whose approvals counted, each as principal, a space and key."""
    break_glass: str = ""
    """Why it is done without approvals."""


_FIELDS = tuple(field.name for field in fields(AuditEntry))


class Audit(Protocol):
    """Where entries go."""

    def write(self, entry: AuditEntry) -> None:
        """Record `entry`; what cannot be recorded is not done, so this raises `OSError`."""


class AuditFile:
    """Appends to one file of mode 0600; several processes may share it, for each line is one write."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises `RefusedError` if others than its owner can reach it."""
        self._descriptor = open_to_append(path)
        self._torn = False
        self._failed = False

    def write(self, entry: AuditEntry) -> None:
        """See `Audit.write`."""
        self._failed = True
        self._write(entry)
        self._failed = False

    def failure(self) -> OSError | None:
        """Return why the file cannot be written now, None if it can; after a failure a line is tried until one fits."""
        if self._failed:
            try:
                self.write(AuditEntry("", "", "", "", RESUMED))
            except OSError as error:
                return error
        return None

    def _write(self, entry: AuditEntry) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now} | {name: getattr(entry, name) for name in _FIELDS}
        text = b"\n" * self._torn + json.dumps(line).encode("ascii") + b"\n"
        # A disk that fills up takes a part of the line: the number of bytes written shows it.
        self._torn = os.write(self._descriptor, text) != len(text)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file; later entries raise `OSError`. Safe to call twice."""
        if self._descriptor >= 0:
            # The number may soon belong to another file.
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def of_request(
    request: Request, subject: str, outcome: str, reason: upload_pb2.Reason | None = None, detail: str = ""
) -> AuditEntry:
    """Return the entry for a request without a receipt: it got a grant, or was refused one."""
    return AuditEntry(
        request_id=request.request_id.hex(),
        uri=str(request.uri),
        subject=subject,
        purpose=spelled(upload_pb2.Purpose, request.purpose),
        outcome=outcome,
        reason="" if reason is None else spelled(upload_pb2.Reason, reason),
        destination="" if request.destination is None else str(request.destination),
        detail=detail,
        change_sha256=request.change_sha256.hex(),
        break_glass=request.break_glass,
    )


def shown(approvers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return approvers as an entry has them."""
    return tuple(f"{principal} {key}" for principal, key in approvers)


def of_receipt(grant: Grant, receipt: Receipt) -> AuditEntry:
    """Return the entry for a receipt."""
    reason = receipt.reason or None
    return replace(
        of_request(grant.request, grant.subject, spelled(upload_pb2.Outcome, receipt.outcome), reason, receipt.detail),
        upstream_version=receipt.upstream_version,
        signer=receipt.signer,
        signer_key=receipt.signer_key,
        approvers=shown(receipt.approvers),
    )

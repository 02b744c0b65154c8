"""What the client trusts: only what a pinned identity has signed (docs/protocol.md, steps 3 and 7)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.client.known.stores import KnownStores
from monoskope.errors import UsageError
from monoskope.protocol.grant import Grant, open_grant
from monoskope.protocol.identity import Namespace, ProofError, follow, open_rotation, shown
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import ENDS
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request

Rotations = Sequence[identity_pb2.SignedRotation]


def subject_of(token: str) -> str | None:
    """Return the `sub` of a JWT without verifying it, None if it names none: what a grant must name in step 3."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) and subject else None


class Trust:
    """One store's pin, and how it follows signed rotations.

    Args:
        known: Where the pin is stored.
        server: The server that is dialled, as it was named.
        store: The store.
        pin: The identity that is pinned.
        notify: Called with a sentence when the pin changes.
    """

    def __init__(
        self, known: KnownStores, server: str, store: str, *, pin: str, notify: Callable[[str], None] | None
    ) -> None:
        self._known = known
        self._server = server
        self._store = store
        self.pin = pin
        self._notify = notify

    def follow(self, rotations: Rotations) -> None:
        """Follow up to 64 steps from the pin, pin the last, and say so. Without a step from the pin nothing changes.

        Raises:
            ProofError: a step does not verify or is malformed, there are more than 64, or one leads back.
            IdentityChangedError: another process pinned something else meanwhile.
        """
        steps_on = chain(self.pin, rotations, store=self._store)
        if not steps_on:
            return
        self._known.pin(self._server, self._store, steps_on[-1], replaces=self.pin, explicit=True)
        if self._notify is not None:
            steps = "a step" if len(steps_on) == 1 else f"{len(steps_on)} steps"
            self._notify(
                f"store {self._store!r} of {self._server} changed its identity in {steps} signed by old and new key:"
                f" {self.pin} is followed by {steps_on[-1]}, which is pinned now."
            )
        self.pin = steps_on[-1]

    def open_grant(
        self, signed: upload_pb2.Signed, rotations: Rotations, request: Request, subject: str | None
    ) -> Grant:
        """Follow the rotations, then make every check of step 3. Raises `ProofError`: nothing may be sent."""
        self.follow(rotations)
        try:
            return open_grant(signed, identity=self.pin, request=request.content, subject=subject)
        except UsageError as error:
            raise ProofError(f"the grant is signed but malformed: {error.message.removesuffix('.')}") from None

    def open_receipt(
        self,
        signed: upload_pb2.Signed,
        grant: Grant,
        sealed_sha256: bytes,
        signer_key: str = "",
        *,
        approvals: Sequence[bytes] = (),
    ) -> Receipt:
        """Make every check of step 7. Raises `ProofError`: this receipt proves nothing.

        Args:
            signed: As it came.
            grant: That was answered.
            sealed_sha256: Of what was sent.
            signer_key: The key that signed the request, `SHA256:…`; "" where the grant asks for no signature.
            approvals: Those that were sent: the receipt names nobody else.
        """
        try:
            receipt = open_receipt(signed, identity=self.pin, grant=grant, sealed_sha256=sealed_sha256)
        except UsageError as error:
            raise ProofError(f"the receipt is signed but malformed: {error.message.removesuffix('.')}") from None
        if receipt.outcome not in ENDS:
            raise ProofError("the receipt says that writing began, not how it ended")
        if receipt.signer_key not in {"", signer_key}:
            raise ProofError(f"the receipt names {receipt.signer_key} as the key that signed, and not yours")
        _check_approvers(receipt, approvals)
        return receipt

    def is_signed_by_pin(self, signed: upload_pb2.Signed) -> bool:
        """Return whether a message claims the pinned identity. It decides only whether to ask for rotations."""
        return shown(signed.identity_key) == self.pin


def _check_approvers(receipt: Receipt, approvals: Sequence[bytes]) -> None:
    """Whose keys they are, the reactor's list says; a certificate says it, too."""
    if not receipt.approvers:
        return
    from monoskope.protocol.sshsig import parse  # noqa: PLC0415 - few requests have approvals

    sent: dict[str, str] = {}
    for approval in approvals:
        found = parse(approval, Namespace.APPROVAL)
        sent[found.key.fingerprint] = "" if found.certificate is None else found.certificate.principal
    for principal, key in receipt.approvers:
        if key not in sent or sent[key] not in {"", principal}:
            raise ProofError(f"the receipt names {principal} with {key} as an approver, and no such approval was sent")


def chain(pin: str, rotations: Rotations, *, store: str) -> list[str]:
    """Return the identities to which signed steps lead from `pin`, in order. Raises `ProofError` as `Trust.follow`."""
    try:
        earlier, rest = _split(rotations, pin)
        found = follow(pin, rest, store=store)
        before = {open_rotation(step, store=store).old for step in earlier}
    except ProofError:
        raise
    except UsageError:
        raise ProofError("an identity rotation is malformed") from None
    if before & set(found):
        raise ProofError("an identity rotation leads back to an earlier identity")
    return found


def _split(rotations: Rotations, pin: str) -> tuple[Rotations, Rotations]:
    """Split before the first step that claims to start at `pin`; all are earlier if none does. Verifies nothing."""
    for index, signed in enumerate(rotations):
        try:
            step = identity_pb2.IdentityRotation.FromString(signed.content)
        except DecodeError:
            raise ProofError("an identity rotation is malformed") from None
        if shown(step.old_key) == pin:
            return rotations[:index], rotations[index:]
    return rotations, ()

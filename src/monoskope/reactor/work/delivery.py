"""What m8 delivered for a request that this process granted, how it is opened, and the ends that it can come to.

It is opened once, with the request's own key. There is one type for each end (docs/protocol.md, step 6).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Self, Unpack

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.payload import BadPayloadError, Payload
from monoskope.protocol.receipt import Receipt, ReceiptFields, make_receipt, sealed_digest
from monoskope.reactor.keys import GrantedKey, OneTimeKeys
from monoskope.reactor.reasons import Failure
from monoskope.reactor.signers import Authorized
from monoskope.reactor.signers.approvals import NOT_APPROVED, NOTHING_PRESENTED, Approved, Presented
from monoskope.reactor.upstream.first_look import FirstLook
from monoskope.reactor.work.lookup import WriteAttempt, failed


@dataclass(frozen=True, slots=True)
class DeliveredRequest:
    """A request of ours, with what m8 delivered for it."""

    grant: Grant
    """Our own copy, never m8's."""
    encapsulated_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
    sha256: bytes
    """Of what was delivered; empty if the log names another digest: then receipts say that nothing was received."""
    version: int
    """The stream's version."""
    born: float
    """Monotonic seconds when the key was made."""
    first_look: FirstLook | None = field(repr=False)
    """What was upstream when the key was made; None for a request that writes nothing here."""
    signature: bytes = field(default=b"", repr=False)
    """The user's signature as it came, b"" for none."""
    presented: Presented = field(default=NOTHING_PRESENTED, repr=False)
    """The change and the approvals as they came."""
    signer: str = ""
    """Who signed, once that is verified; "" where no signature is required."""
    signer_key: str = ""
    """With `signer`: the key that signed, `SHA256:…`."""
    approved: Approved = NOT_APPROVED
    """What was approved and by whom, once that is verified."""
    newest: Receipt | None = None
    """The newest receipt for the secret that m8 delivered, verified; None if it is not ours."""
    traceparent: str = ""
    """Of the call that sent it, "" for none."""

    @classmethod
    def from_bytes(
        cls,
        key: GrantedKey,
        delivered: bytes,
        announced_sha256: bytes,
        version: int,
        *,
        signature: bytes = b"",
        presented: Presented = NOTHING_PRESENTED,
        newest: Receipt | None = None,
        traceparent: str = "",
    ) -> Self:
        """Take apart encapsulated key || ciphertext, delivered for the grant of `key`."""
        encapsulated, ciphertext = delivered[:ENCAPSULATED_KEY_BYTES], delivered[ENCAPSULATED_KEY_BYTES:]
        digest = sealed_digest(encapsulated, ciphertext)
        return cls(
            key.grant,
            encapsulated,
            ciphertext,
            digest if digest == announced_sha256 else b"",
            version,
            key.born,
            key.first_look,
            signature,
            presented,
            newest=newest,
            traceparent=traceparent,
        )

    def signed_by(self, authorized: Authorized | None) -> Self:
        """Return the same, known to be signed by `authorized`; None where no signature is required."""
        if authorized is None:
            return self
        return replace(self, signer=authorized.signer, signer_key=authorized.signer_key, approved=authorized.approved)

    def receipt(self, outcome: upload_pb2.Outcome, **fields: Unpack[ReceiptFields]) -> Receipt:
        """Return a receipt for the request, which says who signed and who approved it."""
        return make_receipt(
            grant=self.grant,
            sealed_sha256=self.sha256,
            outcome=outcome,
            signer=self.signer,
            signer_key=self.signer_key,
            approvers=self.approved.approvers,
            **fields,
        )

    def failed(self, failure: Failure) -> Receipt:
        """Return a FAILED receipt; with KEY_LOST the process that its grant names says so."""
        return failed(self.grant, self.sha256, failure, replica=self.grant.replica)

    @property
    def seals_nothing(self) -> bool:
        """Whether nothing may be sealed here: by the purpose, or because a patch that drops keys seals none."""
        request = self.grant.request
        return not request.rules.seals or bool(
            request.remove_keys and not self.encapsulated_key and not self.ciphertext
        )


def open_delivered(keys: OneTimeKeys, delivered: DeliveredRequest) -> Payload | None:
    """Take the request's key out of its table and return what was sealed for it; None where nothing may be sealed.

    Raises:
        FailedError: KEY_LOST without a key, EXPIRED after its lifetime.
        BadPayloadError: anything else is wrong with what was delivered; no detail.
    """
    request_id = delivered.grant.request.request_id
    sealed = delivered.encapsulated_key or delivered.ciphertext
    if not delivered.sha256 or (delivered.seals_nothing and sealed):
        keys.forget(request_id)
        raise BadPayloadError
    if delivered.seals_nothing:
        keys.discard(request_id)
        return None
    failpoint("reactor.before-open")
    payload = keys.open(request_id, delivered.encapsulated_key, delivered.ciphertext)
    failpoint("reactor.after-open")
    return payload


@dataclass(frozen=True, slots=True)
class Announced:
    """m8 recorded STARTED: the work may begin."""

    version: int
    """The stream's version, STARTED included."""


@dataclass(frozen=True, slots=True)
class Refused:
    """m8 refused STARTED: nothing is written, and this process sends no receipt."""


@dataclass(frozen=True, slots=True)
class TooLate:
    """m8 has not answered STARTED in time: nothing is written. m8 may still record it."""

    starting: asyncio.Task[int]
    """Returns the stream's version once m8 recorded STARTED; raises `AppendRefusedError` if m8 refused it."""


@dataclass(frozen=True, slots=True)
class Receipted:
    """The request ends with a receipt."""

    receipt: Receipt
    version: int
    """The version of the stream on which the receipt is appended."""


HandlingEnd = Receipted | Refused | TooLate
"""How the handling of a request ends."""


@dataclass(frozen=True, slots=True)
class Written:
    """The engine confirmed the write."""

    attempt: WriteAttempt
    version: str
    """The new upstream version, `NOTHING` after a deletion."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The engine may or may not have written: what it holds has to be looked up."""

    attempt: WriteAttempt


WriteEnd = Written | Failure | Unknown
"""How a write ends. With a failure it did not happen, for certain."""

"""Whether a request must be signed, and whether it is: by this reactor's own list alone (docs/signed-requests.md).

m8 delivers the signature and is not asked what it is worth. The decision stands in the audit log, with the SHA-256 of
the lists that it was made by; users and m8 learn NOT_AUTHORIZED and nothing more.
"""

from __future__ import annotations

from dataclasses import replace

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.reactor.memory.forget import forget
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AUTHORIZED, REFUSED, Audit, of_request
from monoskope.reactor.resources import NO_DESCRIPTORS, out_of_descriptors
from monoskope.reactor.signers import Authorized, ListDigests, NotAuthorizedError, Signers

_NONE_REQUIRED = "it has a signature, and none is required for this purpose."
_OTHER_BYTES = "the sealed bytes are not those that m8's event names."
_DEFECT = "it could not be verified: see the operating log."


class SignatureGate:
    """Lets requests pass that nobody needs to sign, and those that somebody of the list signed.

    Args:
        signers: The lists and rules of `[signers]`; None if the settings have no such table.
        audit: Where each decision is recorded.
    """

    def __init__(self, signers: Signers | None = None, audit: Audit | None = None) -> None:
        self._signers = signers
        self._audit = audit
        self._logged: tuple[str, ...] = ()

    @property
    def has_lists(self) -> bool:
        """Whether the settings have `[signers]`."""
        return self._signers is not None

    def troubles(self) -> tuple[str, ...]:
        """Return a sentence for each list that cannot be used as it is now; none if all is well. Log what is new."""
        troubles = () if self._signers is None else self._signers.state().troubles
        for sentence in troubles:
            if sentence not in self._logged:
                operating_log.get().error("signers", message=sentence)
        if self._logged and not troubles:
            operating_log.get().info("signers", message="all lists can be used again.")
        self._logged = troubles
        return troubles

    def requires(self, purpose: upload_pb2.Purpose) -> bool:
        """Whether requests of `purpose` need a signature. It is the same as long as the process runs."""
        return self._signers is not None and self._signers.requires(purpose)

    def authorize(self, grant: Grant, sealed_sha256: bytes, signature: bytes) -> Authorized | None:
        """Return who signed the request; None if its grant requires no signature, and it has none.

        Args:
            grant: This process' own copy.
            sealed_sha256: Of the sealed bytes that were delivered; b"" if m8's event names other ones.
            signature: As m8 delivered it.

        Raises:
            FailedError: NOT_AUTHORIZED, without a detail: it stands in the audit log. KEY_LOST, no file descriptor was
                left to read the lists with.
            OSError: the audit log cannot be written; what cannot be recorded is not done.
        """
        if not grant.signature_required:
            if signature:
                raise self._refused(grant, _NONE_REQUIRED)
            return None
        if not sealed_sha256:
            raise self._refused(grant, _OTHER_BYTES)
        return self._verified(grant, sealed_sha256, signature)

    def _verified(self, grant: Grant, sealed_sha256: bytes, signature: bytes) -> Authorized:
        assert self._signers is not None, "the grant of a process without [signers] requires no signature"
        try:
            authorized = self._signers.authorize(grant, sealed_sha256, signature)
        except NotAuthorizedError as error:
            if out_of_descriptors() is not None:
                # The lists could not be read: that says nothing of the signer, who is told to try again.
                raise FailedError(upload_pb2.REASON_KEY_LOST, detail=NO_DESCRIPTORS) from None
            raise self._refused(grant, error.why, error.lists) from None
        except Exception as error:  # noqa: BLE001 - whatever a library makes of foreign bytes authorizes nobody
            operating_log.error("unforeseen", error, request_id=grant.request.request_id.hex())
            forget(error)
            raise self._refused(grant, _DEFECT) from None
        self._record(grant, authorized.lists, authorized)
        return authorized

    def _refused(self, grant: Grant, why: str, lists: ListDigests | None = None) -> FailedError:
        if lists is None and self._signers is not None:
            lists = self._signers.state().lists
        self._record(grant, lists, why)
        return FailedError(upload_pb2.REASON_NOT_AUTHORIZED)

    def _record(self, grant: Grant, lists: ListDigests | None, decision: Authorized | str) -> None:
        """Write the decision into the audit log: who may have this done, or why it is refused."""
        if self._audit is None:
            return
        if isinstance(decision, str):
            reason = upload_pb2.REASON_NOT_AUTHORIZED
            entry = of_request(grant.request, grant.subject, REFUSED, reason, decision)
        else:
            entry = replace(
                of_request(grant.request, grant.subject, AUTHORIZED),
                signer=decision.signer,
                signer_key=decision.signer_key,
                certificate=decision.certificate,
            )
        if lists is not None:
            entry = replace(entry, signers_sha256=lists.file, revoked_sha256=lists.revoked)
        self._audit.write(entry)

"""Step 2 of docs/protocol.md: what a reactor checks before it makes a key, a required signature included.

The reactor's own lists decide about signature and approvals (docs/signed-requests.md), never m8. The decision stands in
the audit log, with the SHA-256 of the lists that it was made by; users and m8 learn NOT_AUTHORIZED and nothing more.
Nothing here does I/O.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import SUITE_1, Grant
from monoskope.protocol.notes import are_for
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.request import Request
from monoskope.reactor.health import NO_DESCRIPTORS, out_of_descriptors
from monoskope.reactor.limits import Rates
from monoskope.reactor.memory import forget
from monoskope.reactor.reasons import FailedError, failed_by
from monoskope.reactor.report.audit_log import AUTHORIZED, REFUSED, Audit, of_request, shown
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.settings import ReactorSettings
from monoskope.reactor.signers import Authorized, ListDigests, NotAuthorizedError, Signers
from monoskope.reactor.signers.approvals import NOTHING_PRESENTED, Presented
from monoskope.stores.driver import DriverError, StoreDriver
from monoskope.uri import SecretUri

_NONE_REQUIRED = "it has a signature or approvals, and none are required for this purpose."
_OTHER_BYTES = "the sealed bytes are not those that m8's event names."
_DEFECT = "it could not be verified: see the operating log."
_TOO_OFTEN = "the glass was broken as often in an hour as the store's reactor lets it."
GLASS_AN_HOUR = 10
"""How often the glass may be broken in an hour, whoever does it: an hour without approvals is no emergency."""
_HOUR = 3_600.0


@dataclass(slots=True)
class SignatureGate:
    """Lets requests pass that need no signature, and those that a key of the list signed."""

    signers: Signers | None = None
    """The lists and rules of `[signers]`; None if the settings have no such table."""
    audit: Audit | None = None
    """Where each decision is recorded."""
    now: Callable[[], float] = time.monotonic
    _logged: tuple[str, ...] = ()
    _broken: list[float] = field(default_factory=list)
    """When the glass was broken in the last hour."""

    def troubles(self) -> tuple[str, ...]:
        """Return a sentence for each list that cannot be used as it is now; none if all is well. Log what is new."""
        troubles = () if self.signers is None else self.signers.state().troubles
        for sentence in troubles:
            if sentence not in self._logged:
                operating_log.get().error("signers", message=sentence)
        if self._logged and not troubles:
            operating_log.get().info("signers", message="all lists can be used again.")
        self._logged = troubles
        return troubles

    def requires(self, purpose: upload_pb2.Purpose) -> bool:
        """Whether requests of `purpose` need a signature. It is the same as long as the process runs."""
        return self.signers is not None and self.signers.requires(purpose)

    def asks(self, request: Request) -> int:
        """Return how many approvals `request` takes at most, whoever signs it. It is the same as long as this runs."""
        return 0 if self.signers is None else self.signers.asks(request)

    def authorize(
        self, grant: Grant, sealed_sha256: bytes, signature: bytes, presented: Presented = NOTHING_PRESENTED
    ) -> Authorized | None:
        """Return who signed and approved the request; None if its grant requires no signature, and it has none.

        Args:
            grant: This process' own copy.
            sealed_sha256: Of the sealed bytes that were delivered; b"" if m8's event names other ones.
            signature: As m8 delivered it.
            presented: The change and the approvals, as m8 delivered them.

        Raises:
            FailedError: NOT_AUTHORIZED, without a detail: it stands in the audit log. KEY_LOST, no file descriptor was
                left to read the lists with. RATE_LIMITED, the glass was broken too often.
            OSError: the audit log cannot be written; what cannot be recorded is not done.
        """
        if not grant.signature_required:
            if signature or presented != NOTHING_PRESENTED:
                raise self._refused(grant, _NONE_REQUIRED)
            return None
        if not sealed_sha256:
            raise self._refused(grant, _OTHER_BYTES)
        authorized = self._verified(grant, sealed_sha256, signature, presented)
        if grant.request.break_glass:
            self._check_glass()
        self._record(grant, authorized.lists, authorized)
        if grant.request.break_glass:
            self._alert(grant, authorized)
        return authorized

    def _verified(self, grant: Grant, sealed_sha256: bytes, signature: bytes, presented: Presented) -> Authorized:
        assert self.signers is not None, "the grant of a process without [signers] requires no signature"
        try:
            return self.signers.authorize(grant, sealed_sha256, signature, presented)
        except NotAuthorizedError as error:
            if out_of_descriptors() is not None:
                # The lists could not be read: that says nothing of the signer, who is told to try again.
                raise FailedError(upload_pb2.REASON_KEY_LOST, detail=NO_DESCRIPTORS) from None
            raise self._refused(grant, error.why, error.lists) from None
        except Exception as error:  # noqa: BLE001 - whatever a library makes of foreign bytes authorizes nothing
            operating_log.error("unforeseen", error, request_id=grant.request.request_id.hex())
            forget(error)
            raise self._refused(grant, _DEFECT) from None

    def _check_glass(self) -> None:
        """Count that the glass is broken. Raises `FailedError` (RATE_LIMITED) if it was too often in an hour."""
        now = self.now()
        self._broken = [at for at in self._broken if at > now - _HOUR]
        if len(self._broken) >= GLASS_AN_HOUR:
            wait_s = math.ceil(self._broken[0] + _HOUR - now)
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, detail=_TOO_OFTEN, retry_after_s=wait_s)
        self._broken.append(now)

    def _alert(self, grant: Grant, authorized: Authorized) -> None:
        """Say in the operating log that the glass is broken: m8 can hide the receipt from everybody."""
        request = grant.request
        operating_log.get().error(
            "break glass",
            request_id=request.request_id.hex(),
            uri=str(request.uri),
            purpose=spelled(upload_pb2.Purpose, request.purpose),
            message=f"{authorized.signer} ({authorized.signer_key}) does this without approvals: {request.break_glass}",
        )

    def _refused(self, grant: Grant, why: str, lists: ListDigests | None = None) -> FailedError:
        if lists is None and self.signers is not None:
            lists = self.signers.state().lists
        self._record(grant, lists, why)
        return FailedError(upload_pb2.REASON_NOT_AUTHORIZED)

    def _record(self, grant: Grant, lists: ListDigests | None, decision: Authorized | str) -> None:
        """Write the decision into the audit log: who may have this done, or why it is refused."""
        if self.audit is None:
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
                detail="; ".join(decision.approved.passed_over),
                approvers=shown(decision.approved.approvers),
            )
        if lists is not None:
            entry = replace(
                entry,
                signers_sha256=lists.file,
                revoked_sha256=lists.revoked,
                approvers_sha256=lists.approvers,
                rules_sha256=lists.rules,
            )
        self.audit.write(entry)


OUTSIDE_PREFIXES = "the path lies outside what the store's reactor serves."
OUTSIDE_KEY_RULE = "a key is outside the rule of this engine (key_rule)."
NO_ROOM = "the reactor has more new receipts to remember than it has room for."
NOT_LISTABLE = "this store is not configured to list names."
_FOR_GOOD_ONLY = "this store cannot delete so that it can be brought back."
_NOT_FOR_GOOD = "this store cannot delete for good."

_NEEDS_CHECK_AND_SET = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})


@dataclass(slots=True)
class Admission:
    """Decides which requests get a key."""

    settings: ReactorSettings
    driver: StoreDriver
    rates: Rates
    gate: SignatureGate = field(default_factory=SignatureGate)
    known: KnownReceipts | None = None
    approvals_come: bool = False
    """Whether the m8 of the session delivers changes and approvals; an older one cannot."""

    def admit(self, request: Request, subject: str) -> None:
        """Return if the `request` of `subject` may get a key, and count it against the rates.

        Raises:
            FailedError: UPSTREAM_REFUSED for another store or a path outside the configured prefixes, UNSUPPORTED for
                what the engine or this version cannot do, CANNOT_READ, the driver's own reason, RATE_LIMITED.
        """
        if not self.settings.allows(request.uri):
            raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED, detail=OUTSIDE_PREFIXES)
        self._check_approvals(request)
        if SUITE_1 not in request.suites:
            raise _cannot("none of the suites that were asked for is known here.")
        here = request.destination is None
        if here and request.expect in _NEEDS_CHECK_AND_SET and not self.driver.capabilities.check_and_set:
            raise _cannot("this engine cannot replace exactly one version.")
        self._check_purpose(request)
        try:
            self.driver.check(request.uri.path, driver_options(self.driver, request))
        except DriverError as error:
            raise failed_by(error) from None
        self._check_memory()
        self.rates.take(request, subject, must_be_signed=self.gate.requires(request.purpose))

    def _check_approvals(self, request: Request) -> None:
        """Raise `FailedError` (UNSUPPORTED) for what takes approvals that cannot come, or is approved by nobody."""
        named = request.change_sha256 or request.break_glass
        if named and not self.gate.requires(request.purpose):
            raise _cannot("this store's reactor asks for no signature here, so nothing can be approved.")
        asked = request.change_sha256 or (self.gate.asks(request) and not request.break_glass)
        if asked and not self.approvals_come:
            raise _cannot("this store's reactor asks for approvals, and the m8 that it is attached to carries none.")

    def _check_memory(self) -> None:
        """Raise `FailedError` (RATE_LIMITED) while this process has forgotten receipts younger than a key may become.

        A key that is given now could outlive what the reactor remembers of its secret, and would write nothing then.
        """
        wait_s = 0.0 if self.known is None else self.known.full_for
        if wait_s:
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, detail=NO_ROOM, retry_after_s=math.ceil(wait_s))

    def _check_purpose(self, request: Request) -> None:
        can = self.driver.capabilities
        if request.rules.merges:
            fits = can.key_rule is None or all(can.key_rule.fullmatch(key) for key in request.remove_keys)
            if not (can.patchable and fits):
                raise _cannot(OUTSIDE_KEY_RULE if can.patchable else "this store cannot patch.")
        if request.purpose == upload_pb2.PURPOSE_DELETE and not (can.deletable if request.destroy else can.soft_delete):
            raise _cannot(_NOT_FOR_GOOD if request.destroy else _FOR_GOOD_ONLY)
        if request.purpose == upload_pb2.PURPOSE_UNDELETE and not can.undeletable:
            raise _cannot("this store cannot bring back what was deleted.")
        if request.purpose == upload_pb2.PURPOSE_ROLLBACK and not can.rollbackable:
            raise _cannot("this store cannot bring back an earlier version.")
        if request.rules.needs_listing and not can.listable:
            raise _cannot(NOT_LISTABLE)
        if request.rules.needs_reading and not can.readable:
            raise FailedError(upload_pb2.REASON_CANNOT_READ, detail="this store is write-only.")
        if request.source_version and not can.versions:
            raise _cannot("this engine has no versions: a copy cannot name one.")
        if request.destination is not None:
            self._check_copy(request.uri, request.destination)

    def _check_copy(self, source: SecretUri, destination: SecretUri) -> None:
        """Raise `FailedError` unless this reactor's own settings allow the copy: UNSUPPORTED or UPSTREAM_REFUSED."""
        rule = self.settings.copies_to(destination.store)
        if rule is None:
            raise _cannot("no [[copy]] table of this store's reactor names the destination's store.")
        if not rule.allows(source, destination):
            raise FailedError(
                upload_pb2.REASON_UPSTREAM_REFUSED,
                detail="no pair of paths in the reactor's [[copy]] table leads from here to there.",
            )


def _cannot(detail: str) -> FailedError:
    return FailedError(upload_pb2.REASON_UNSUPPORTED, detail=detail)


def driver_options(driver: StoreDriver, request: Request) -> object | None:
    """Return the request's options as `driver` takes them: typed, a `dict` for a third party's, or None.

    Raises:
        FailedError: UNSUPPORTED, they are another provider's.
    """
    options = request.options
    if options is None:
        return None
    if isinstance(options, str):
        if not driver.capabilities.options_schema:
            raise _cannot("this store takes no options of a third party's driver.")
        parsed: dict[str, Any] = json.loads(options)
        return parsed
    if not are_for(options, driver.kind):
        raise _cannot("these options are for another kind of store.")
    return options

"""Step 2 of docs/protocol.md: what a reactor checks before it makes a key. Nothing here does I/O."""

from __future__ import annotations

import json
import math
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.options import are_for
from monoskope.protocol.request import Request
from monoskope.reactor.admission.signature_gate import SignatureGate
from monoskope.reactor.limits.rates import Rates
from monoskope.reactor.reasons import FailedError, failed_by
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.settings import ReactorSettings
from monoskope.stores.driver import DriverError, StoreDriver
from monoskope.uri import SecretUri

OUTSIDE_PREFIXES = "the path lies outside what the store's reactor serves."
OUTSIDE_KEY_RULE = "a key is outside the rule of this engine (key_rule)."
NO_ROOM = "the reactor has more new receipts to remember than it has room for."
NOT_LISTABLE = "this store is not configured to list names."
_FOR_GOOD_ONLY = "this store cannot delete so that it can be brought back."
_NOT_FOR_GOOD = "this store cannot delete for good."

_NEEDS_CHECK_AND_SET = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})


class Admission:
    """Decides which requests get a key."""

    def __init__(
        self,
        settings: ReactorSettings,
        driver: StoreDriver,
        rates: Rates,
        gate: SignatureGate | None = None,
        known: KnownReceipts | None = None,
    ) -> None:
        self._settings = settings
        self._driver = driver
        self._rates = rates
        self._gate = gate or SignatureGate()
        self._known = known

    def admit(self, request: Request, subject: str) -> None:
        """Return if the `request` of `subject` may get a key, and count it against the rates.

        Raises:
            FailedError: UPSTREAM_REFUSED for another store or a path outside the configured prefixes, UNSUPPORTED for
                what the engine or this version cannot do, CANNOT_READ, the driver's own reason, RATE_LIMITED.
        """
        if not self._settings.allows(request.uri):
            raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED, detail=OUTSIDE_PREFIXES)
        if SUITE_1 not in request.suites:
            raise FailedError(
                upload_pb2.REASON_UNSUPPORTED, detail="none of the suites that were asked for is known here."
            )
        here = request.destination is None
        if here and request.expect in _NEEDS_CHECK_AND_SET and not self._driver.capabilities.check_and_set:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail="this engine cannot replace exactly one version.")
        self._check_purpose(request)
        options = driver_options(self._driver, request)
        try:
            self._driver.check(request.uri.path, options)
        except DriverError as error:
            raise failed_by(error) from None
        self._check_memory()
        self._rates.take(request, subject, must_be_signed=self._gate.requires(request.purpose))

    def _check_memory(self) -> None:
        """Raise `FailedError` (RATE_LIMITED) while this process has forgotten receipts younger than a key may become.

        A key that is given now could outlive what the reactor remembers of its secret, and would write nothing then.
        """
        wait_s = 0.0 if self._known is None else self._known.full_for
        if wait_s:
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, detail=NO_ROOM, retry_after_s=math.ceil(wait_s))

    def _check_purpose(self, request: Request) -> None:
        can = self._driver.capabilities
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
        if request.destination is not None:
            self._check_copy(request.uri, request.destination)

    def _check_copy(self, source: SecretUri, destination: SecretUri) -> None:
        """Raise `FailedError` unless this reactor's own settings allow the copy: UNSUPPORTED or UPSTREAM_REFUSED."""
        rule = self._settings.copies_to(destination.store)
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

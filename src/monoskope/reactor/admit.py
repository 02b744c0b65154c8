"""Step 2 of the walk: what a reactor checks before it makes a key. No I/O but what the driver's `check` does: none.

Rates are sliding windows: a window of an hour never holds more than its limit, wherever it begins. The window of
COMPARE for the whole process bounds the memory of those for single uris: they share its entries.

A write that was announced by STARTED and then not made tells m8 what a comparison does: that the content is another
one. m8 alone decides whether STARTED is refused or late, so such writes are counted: as comparisons against COMPARE,
and against UPLOAD by limits of the same size, which no user's comparisons use up.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.request import Request
from monoskope.reactor.reasons import FailedError, reason_of
from monoskope.reactor.settings import Limits, Settings
from monoskope.stores.driver import DriverError, StoreDriver
from monoskope.uri import SecretUri

_SECOND = 1.0
_HOUR = 3_600.0
_NEEDS_READING = frozenset({upload_pb2.PURPOSE_IMPORT, upload_pb2.PURPOSE_COPY})
_NEEDS_CHECK_AND_SET = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})
_TESTS_NO_GUESS = frozenset({upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT, upload_pb2.PURPOSE_COPY})
"""None is given a value that the answer could be about (docs/threat-model.md)."""
_TYPED: dict[str, type] = {
    "vault": options_pb2.VaultOptions,
    "aws-secretsmanager": options_pb2.AwsOptions,
    "aws-ssm": options_pb2.AwsOptions,
    "kubernetes": options_pb2.KubernetesOptions,
}
"""The options that each kind of driver in the core understands."""


class Rates:
    """How often this process serves, by monotonic clock."""

    def __init__(self, limits: Limits, *, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._uploads: deque[float] = deque()
        self._compares: deque[tuple[float, str]] = deque()
        self._unwritten: deque[tuple[float, str]] = deque()

    def take(self, request: Request) -> None:
        """Count `request`, or raise `FailedError` (RATE_LIMITED) and count nothing."""
        if request.purpose == upload_pb2.PURPOSE_COMPARE:
            self._take_compare(str(request.uri))
        elif request.purpose in _TESTS_NO_GUESS:
            self._take_upload()
        else:
            self.check_unwritten(request.uri)
            self._take_upload()

    def count_unwritten(self, uri: SecretUri) -> None:
        """Count a write to `uri` that was announced and not made."""
        self._unwritten.append((self._now(), str(uri)))

    def check_unwritten(self, uri: SecretUri) -> None:
        """Raise `FailedError` (RATE_LIMITED) if too many writes to `uri`, or in all, were announced and not made."""
        self._check_hour(str(uri), self._unwritten)

    def _take_upload(self) -> None:
        now = self._now()
        while self._uploads and now - self._uploads[0] >= _SECOND:
            self._uploads.popleft()
        if len(self._uploads) >= self._limits.uploads_per_second:
            raise FailedError(upload_pb2.REASON_RATE_LIMITED)
        self._uploads.append(now)

    def _take_compare(self, uri: str) -> None:
        self._check_hour(uri, self._compares, self._unwritten)
        self._compares.append((self._now(), uri))

    def _check_hour(self, uri: str, *windows: deque[tuple[float, str]]) -> None:
        now = self._now()
        for window in windows:
            while window and now - window[0][0] >= _HOUR:
                window.popleft()
        in_all = sum(map(len, windows))
        of_this = sum(other == uri for window in windows for _, other in window)
        if in_all >= self._limits.compares_per_hour or of_this >= self._limits.compares_per_hour_per_uri:
            raise FailedError(upload_pb2.REASON_RATE_LIMITED)


class Admission:
    """Decides which requests get a key."""

    def __init__(self, settings: Settings, driver: StoreDriver, rates: Rates) -> None:
        self._settings = settings
        self._driver = driver
        self._rates = rates

    def admit(self, request: Request) -> None:
        """Return if `request` may get a key, and count it against the rates.

        Raises:
            FailedError: UPSTREAM_REFUSED for another store or a path outside the configured prefixes, UNSUPPORTED for
                what the engine or this version cannot do, CANNOT_READ, the driver's own reason, RATE_LIMITED.
        """
        if not self._settings.allows(request.uri):
            raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED)
        if SUITE_1 not in request.suites:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        here = request.destination is None
        if here and request.expect in _NEEDS_CHECK_AND_SET and not self._driver.capabilities.check_and_set:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        self._check_purpose(request)
        options = driver_options(self._driver, request)
        try:
            self._driver.check(request.uri.path, options)
        except DriverError as error:
            raise FailedError(reason_of(error)) from None
        self._rates.take(request)

    def _check_purpose(self, request: Request) -> None:
        can = self._driver.capabilities
        if request.purpose == upload_pb2.PURPOSE_PATCH:
            fits = can.key_rule is None or all(can.key_rule.fullmatch(key) for key in request.remove_keys)
            if not (can.patchable and fits):
                raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        if request.purpose == upload_pb2.PURPOSE_DELETE and not (can.deletable if request.destroy else can.soft_delete):
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        if request.purpose in _NEEDS_READING and not can.readable:
            raise FailedError(upload_pb2.REASON_CANNOT_READ)
        if request.destination is not None:
            self._check_copy(request.uri, request.destination)

    def _check_copy(self, source: SecretUri, destination: SecretUri) -> None:
        """Where to copy to, this reactor's own settings say alone."""
        rule = self._settings.copies_to(destination.store)
        if rule is None:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        if not rule.allows(source, destination):
            raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED)


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
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        parsed: dict[str, Any] = json.loads(options)
        return parsed
    if type(options) is not _TYPED.get(driver.kind):
        raise FailedError(upload_pb2.REASON_UNSUPPORTED)
    return options

"""What upstream holds, as far as it is known, and whether a request's expectation is met by it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.fingerprint import FingerprintKey, Fingerprints
from monoskope.reactor.known import KnownReceipts
from monoskope.reactor.reasons import FailedError
from monoskope.stores.driver import NOTHING, CannotReadError, StoreDriver
from monoskope.uri import SecretUri

TRIES = 3
"""How often a secret that changes while it is looked at is looked at again."""

_NEEDS_SOMETHING = frozenset({upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_PATCH})
_ABSENT = Fingerprints("", ())
_LOOK_AGAIN = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE, upload_pb2.EXPECT_UNSPECIFIED})


class _MovedError(Exception):
    """The version changed between two looks."""


@dataclass(frozen=True, slots=True)
class Content:
    """A version upstream, and its fingerprints; None if the content is not known."""

    version: str
    fingerprints: Fingerprints | None

    def equals(self, other: Fingerprints) -> bool:
        """Whether the content is known and is that of `other`."""
        return self.fingerprints is not None and hmac.compare_digest(self.fingerprints.whole, other.whole)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Looks at the engine through the driver, and at receipts of ours where values cannot be read."""

    driver: StoreDriver
    fingerprint_key: FingerprintKey
    known: KnownReceipts

    async def expected(self, request: Request) -> Content:
        """Return what is at the request's place, its expectation met.

        Raises:
            FailedError: CONFLICT, or UPSTREAM_CHANGED for ANY on content that no receipt of ours names.
            DriverError: the engine cannot be asked.
        """
        if not self.driver.capabilities.versions:
            content = await self.recognised(request.uri, self.known.newest(request.uri))
            self.check(request, content.version)
            return content
        tries = TRIES if request.expect in _LOOK_AGAIN else 1
        for _ in range(tries):
            version = await self.driver.read_version(request.uri.path)
            self.check(request, version)
            try:
                return Content(version, await self._fingerprints(request.uri, version))
            except _MovedError:
                continue
        raise FailedError(upload_pb2.REASON_CONFLICT)

    async def expected_version(self, request: Request) -> str:
        """Return the version at the request's place, its expectation met. Raises as `expected`."""
        if not self.driver.capabilities.versions:
            return (await self.expected(request)).version
        version = await self.driver.read_version(request.uri.path)
        self.check(request, version)
        return version

    async def read(self, uri: SecretUri) -> Content | None:
        """Return what is there as it is read now, None for nothing. Raises `DriverError`: `CannotReadError` too."""
        snapshot = await self.driver.read(uri.path)
        return None if snapshot is None else Content(snapshot.version, self.fingerprint_key.of(snapshot.payload))

    def check(self, request: Request, version: str) -> None:
        """Raise `FailedError` if `version` is not what the request expects to be there; COMPARE expects nothing."""
        reason: upload_pb2.Reason | None = None
        if request.purpose in _NEEDS_SOMETHING and version == NOTHING:
            raise FailedError(upload_pb2.REASON_CONFLICT)
        match request.expect:
            case upload_pb2.EXPECT_ABSENT if version != NOTHING:
                reason = upload_pb2.REASON_CONFLICT
            case upload_pb2.EXPECT_VERSION if version != request.expect_version:
                reason = upload_pb2.REASON_CONFLICT
            case upload_pb2.EXPECT_ANY if version != NOTHING and self.known.naming(request.uri, version) is None:
                reason = upload_pb2.REASON_UPSTREAM_CHANGED
            case _:
                pass
        if reason is not None:
            raise FailedError(reason, upstream_version=version)

    async def recognised(self, uri: SecretUri, newest: Receipt | None) -> Content:
        """Return what is there in an engine without versions, under the version of `newest` if that names its content.

        Else under one that was never given (docs/adr/0014-kv-v1.md).
        """
        try:
            content = await self.read(uri) if self.driver.capabilities.readable else Content("", None)
        except CannotReadError:
            content = Content("", None)
        if content is None:
            return Content(NOTHING, _ABSENT)
        if content.fingerprints is None:
            version = await self.driver.read_version(uri.path)
            return Content(version, _ABSENT if version == NOTHING else None)
        ours = newest is not None and hmac.compare_digest(content.fingerprints.whole, newest.fingerprint)
        return Content(newest.upstream_version, content.fingerprints) if newest and ours else content

    async def _fingerprints(self, uri: SecretUri, version: str) -> Fingerprints | None:
        """Return the fingerprints of what is there under `version`: as read now, else as a receipt of ours says."""
        if version == NOTHING:
            return _ABSENT
        if self.driver.capabilities.readable:
            try:
                snapshot = await self.driver.read(uri.path)
            except CannotReadError:
                return self._from_receipt(uri, version)
            if snapshot is None or snapshot.version != version:
                raise _MovedError
            return self.fingerprint_key.of(snapshot.payload)
        return self._from_receipt(uri, version)

    def _from_receipt(self, uri: SecretUri, version: str) -> Fingerprints | None:
        receipt = self.known.naming(uri, version)
        if receipt is None or not receipt.fingerprint.startswith(f"fp1:{self.fingerprint_key.key_id}:"):
            return None
        return Fingerprints(receipt.fingerprint, receipt.values)


def differences(sent: Fingerprints, there: Fingerprints) -> list[tuple[str, upload_pb2.DifferenceKind]]:
    """Return in key order where what is upstream differs from what was sent; [] if nowhere."""
    ours, theirs = dict(sent.values), dict(there.values)
    found: list[tuple[str, upload_pb2.DifferenceKind]] = []
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in theirs:
            found.append((key, upload_pb2.DIFFERENCE_KIND_MISSING))
        elif key not in ours:
            found.append((key, upload_pb2.DIFFERENCE_KIND_EXTRA))
        elif not hmac.compare_digest(ours[key], theirs[key]):
            found.append((key, upload_pb2.DIFFERENCE_KIND_CHANGED))
    return found

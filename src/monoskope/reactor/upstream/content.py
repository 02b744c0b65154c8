"""What upstream holds, as far as it is known, and whether it is what a request expects."""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import FingerprintKey, Fingerprints, decided
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.upstream.first_look import Age, Content
from monoskope.stores.driver import NOTHING, CannotReadError, Snapshot, StoreDriver
from monoskope.uri import SecretUri

TRIES = 16
"""How often to look again at a secret that changes meanwhile, and to try a write that lost to another one."""
RECEIPT_S = 5.0
"""Seconds to wait for the receipt of another replica's write whose version is upstream already."""

_ABSENT = Fingerprints("", ())
_MAY_MOVE = frozenset({upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE})


@dataclass(frozen=True, slots=True)
class Upstream:
    """Looks at the engine through the driver and, where values cannot be read, at receipts of ours."""

    driver: StoreDriver
    fingerprint_key: FingerprintKey
    known: KnownReceipts
    peer_writes: Callable[[SecretUri], bool] = lambda _: False
    """Whether another replica has an unfinished request for a secret, as m8 says."""

    async def compared(self, request: Request) -> Content:
        """Return what is at the request's place now, with its fingerprints where they are known.

        Raises:
            DriverError: the engine cannot be asked.
        """
        if not self.driver.capabilities.versions:
            return await self.recognised(request.uri, self.known.newest(request.uri))
        return await self._there(request.uri)

    async def present(self, request: Request) -> Content:
        """Return what is at the request's place, whatever it expects; the content only in an engine without versions.

        For a request that undeletes it is what would come back.

        Raises:
            DriverError: the engine cannot be asked.
        """
        if request.rules.undeletes:
            deleted = await self.driver.deleted_version(request.uri.path)
            return Content(NOTHING if deleted is None else deleted.version, None, deleted=deleted)
        if self.driver.capabilities.versions:
            return Content(await self.driver.read_version(request.uri.path), None)
        return await self.recognised(request.uri, self.known.newest(request.uri))

    async def replaced(
        self, request: Request, first: Content, age: Age, *, compare: bool, looks: bool = False
    ) -> Content:
        """Return what a write is to replace: what `first` found when the key was made, if the request expects it.

        Under a young key, where ANY or OVERWRITE is expected, it may also be what came after that: such a write was
        concurrent.

        Args:
            request: One that writes here.
            first: What was there when the key was made.
            age: Of the key.
            compare: Whether the content is needed, to find out whether it is the same already.
            looks: Whether to ask the engine in any case. Without it `first` is believed where that is safe.

        Raises:
            FailedError: CONFLICT, also for what came after an older key; UPSTREAM_CHANGED for ANY on content that no
                receipt of ours names.
            DriverError: the engine cannot be asked.
        """
        if request.rules.undeletes or not self.driver.capabilities.versions:
            return await self._seen_again(request, first, age)
        needs_content = request.rules.merges or (compare and request.rules.compares)
        content = None if looks else self._believed(request, first, age, needs_content=needs_content)
        version = first.version
        for _ in range(TRIES):
            content = content or await self._looked_at(request, needs_content=needs_content)
            version = content.version
            if version != first.version and not self._may_move(request, age):
                break
            if await self._is_expected(request, version):
                found_again = version == first.version and not self._is_newer(request, first, age)
                # Asked once more: the key may have become old while the engine was asked.
                if found_again or self._may_move(request, age):
                    return content
                break
            content = None
        raise FailedError(upload_pb2.REASON_CONFLICT, upstream_version=version)

    def _believed(self, request: Request, first: Content, age: Age, *, needs_content: bool) -> Content | None:
        """Return what the first look found, None where the engine has to be asked again.

        If something else is there by now, check-and-set finds out, and a young key then decides again. But a write that
        has one try begins with a look, and so does one that nothing stops. Where news of the secret came since the key
        was made, the try would be lost. What a receipt of ours tells is only ever taken for what is replaced, not for
        UNCHANGED (`Content.is_current`).
        """
        tries_again = request.rules.replaces and self.driver.capabilities.check_and_set
        if not tries_again or self.known.learnt_after(request.uri, age.born):
            return None
        if not needs_content:
            return Content(first.version, None)
        if first.version == NOTHING:
            return Content(NOTHING, _ABSENT)
        known = self.from_receipt(request.uri, first.version)
        if self.driver.capabilities.readable and not (known and self._may_move(request, age)):
            return None
        return Content(first.version, known)

    def _may_move(self, request: Request, age: Age) -> bool:
        return age.is_young and request.expect in _MAY_MOVE

    def _is_newer(self, request: Request, first: Content, age: Age) -> bool:
        """Whether what is there may be newer than the key, although it looks like what `first` found.

        Where nothing is there, or nothing has a version, what was written and deleted since shows only in our receipts.
        So does that a version was deleted and came back.
        """
        if age.is_young:
            return False
        if age.late_look:
            return True
        versions = self.driver.capabilities.versions
        if first.version == NOTHING or not versions or request.rules.undeletes:
            return self.known.learnt_after(request.uri, age.born)
        return self.known.undeleted_after(request.uri, age.born)

    async def _is_expected(self, request: Request, version: str) -> bool:
        """Check as `check` does. Before UPSTREAM_CHANGED look again, and return False if the version is not there.

        Another replica's write may be there before m8 delivers its receipt.
        """
        try:
            self.check(request, version)
        except FailedError as error:
            if error.reason != upload_pb2.REASON_UPSTREAM_CHANGED:
                raise
            if await self.driver.read_version(request.uri.path) != version:
                return False
            if not await self._was_named(request.uri, version):
                raise
        return True

    async def _was_named(self, uri: SecretUri, version: str) -> bool:
        """Whether a receipt of ours names `version` by now, or does so soon because another replica is at work."""
        if self.known.naming(uri, version) is not None:
            return True
        return self.peer_writes(uri) and await self.known.named(uri, version, within=RECEIPT_S)

    async def _looked_at(self, request: Request, *, needs_content: bool) -> Content:
        if needs_content:
            return await self._there(request.uri)
        return Content(await self.driver.read_version(request.uri.path), None, is_current=True)

    async def _seen_again(self, request: Request, first: Content, age: Age) -> Content:
        content = await self.present(request)
        same = self.is_same(first, content) and not self._is_newer(request, first, age)
        if not same and not self._may_move(request, age):
            raise FailedError(upload_pb2.REASON_CONFLICT, upstream_version=_there(request, content.version))
        self.check(request, content.version)
        return content

    def is_same(self, first: Content, now: Content) -> bool:
        """Whether two looks at one place saw the same; False where neither version nor content shows it."""
        if self.driver.capabilities.versions:
            return first.version == now.version and first.deleted == now.deleted
        return first.fingerprints is not None and now.equals(first.fingerprints)

    async def snapshot(self, uri: SecretUri, receipt: Receipt | None = None) -> Snapshot | None:
        """Read what is there, None for nothing.

        Args:
            uri: The secret.
            receipt: A receipt of ours for it that decides between two readings of a value; None for the one that names
                the version.

        Raises:
            UndecidedError: a value has two readings, and the receipt names neither.
            DriverError: the engine cannot be asked, or what is there cannot be read.
        """
        found = await self.driver.read_either(uri.path)
        if found is None:
            return None
        receipt = receipt or self.known.naming(uri, found.version)
        return decided(found, self.fingerprint_key, dict(receipt.values if receipt is not None else ()))

    async def read(self, uri: SecretUri, receipt: Receipt | None = None) -> Content | None:
        """Read what is there and return its fingerprints, None for nothing. Raises as `snapshot`."""
        snapshot = await self.snapshot(uri, receipt)
        if snapshot is None:
            return None
        return Content(snapshot.version, self.fingerprint_key.fingerprints(snapshot.payload), is_current=True)

    def check(self, request: Request, version: str) -> None:
        """Raise `FailedError` if `version` is not what the request expects: NOT_FOUND where something must be there."""
        reason: upload_pb2.Reason | None = None
        if request.rules.needs_something and version == NOTHING:
            raise FailedError(upload_pb2.REASON_NOT_FOUND)
        match request.expect:
            case upload_pb2.EXPECT_ABSENT if version != NOTHING:
                reason = upload_pb2.REASON_CONFLICT
            case upload_pb2.EXPECT_VERSION if version != request.expect_version:
                reason = upload_pb2.REASON_CONFLICT
            case upload_pb2.EXPECT_ANY if version != NOTHING and not self._is_ours(request, version):
                reason = upload_pb2.REASON_UPSTREAM_CHANGED
            case _:
                pass
        if reason is not None:
            raise FailedError(reason, upstream_version=_there(request, version))

    def _is_ours(self, request: Request, version: str) -> bool:
        """Whether a receipt of ours names `version`; for a request that undeletes also as the one that was deleted."""
        if self.known.naming(request.uri, version) is not None:
            return True
        deleted = self.known.naming(request.uri, NOTHING) if request.rules.undeletes else None
        return deleted is not None and deleted.prior_version == version

    async def recognised(self, uri: SecretUri, newest: Receipt | None) -> Content:
        """Return what is there in an engine without versions.

        It has the version of the receipt `newest` if that names its content, else a new one (docs/adr/0014-kv-v1.md).
        """
        try:
            content = await self.read(uri) if self.driver.capabilities.readable else Content("", None)
        except CannotReadError:
            content = Content("", None)
        if content is None:
            return Content(NOTHING, _ABSENT, is_current=True)
        if content.fingerprints is None:
            version = await self.driver.read_version(uri.path)
            return Content(version, _ABSENT if version == NOTHING else None)
        if newest is None or not hmac.compare_digest(content.fingerprints.whole, newest.fingerprint):
            return content
        return dataclasses.replace(content, version=newest.upstream_version)

    async def matched(self, uri: SecretUri, base: Content, payload: Payload) -> Content:
        """Return `base` with the fingerprints of `payload` if only the engine can say that it is this, and says so.

        Raises:
            DriverError: the engine cannot be asked.
        """
        if not self.driver.capabilities.matches or base.fingerprints is not None:
            return base
        try:
            version, is_same = await self.driver.matches(uri.path, payload)
        except CannotReadError:
            return base
        if not is_same or (self.driver.capabilities.versions and version != base.version):
            return base
        there, newest = self.fingerprint_key.fingerprints(payload), self.known.newest(uri)
        if newest is not None and hmac.compare_digest(there.whole, newest.fingerprint):
            version = newest.upstream_version
        return Content(version, there, is_current=True)

    async def _there(self, uri: SecretUri) -> Content:
        """Return what is there now, in an engine with versions: as it is read, or as a receipt of ours says."""
        if self.driver.capabilities.readable:
            with contextlib.suppress(CannotReadError):
                return await self.read(uri) or Content(NOTHING, _ABSENT, is_current=True)
        version = await self.driver.read_version(uri.path)
        known = _ABSENT if version == NOTHING else self.from_receipt(uri, version)
        return Content(version, known, is_current=True)

    def from_receipt(self, uri: SecretUri, version: str) -> Fingerprints | None:
        """Return the fingerprints of `version` as a receipt of ours has them, None if none has them under our key."""
        receipt = self.known.naming(uri, version)
        return None if receipt is None else self.fingerprints_in(receipt)

    def fingerprints_in(self, receipt: Receipt) -> Fingerprints | None:
        """Return the fingerprints in a receipt, None if it has none under the key of now."""
        ours = receipt.fingerprint.startswith(f"fp1:{self.fingerprint_key.key_id}:")
        return Fingerprints(receipt.fingerprint, receipt.values) if ours else None


def _there(request: Request, version: str) -> str:
    """Return what a failure says is upstream: what is deleted is not."""
    return NOTHING if request.rules.undeletes else version

"""Look up how a write ended, for the issuer and its heir (docs/protocol.md, When something breaks)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.outcomes import WRITTEN
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.identity.fingerprint import FingerprintKey, Fingerprints, readings
from monoskope.reactor.reasons import Failure
from monoskope.reactor.timings import Timings
from monoskope.reactor.work.new_values import public_halves
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DeletedVersion,
    DriverError,
    Snapshot,
    StoreDriver,
    StoreUnavailableError,
)

PublicValues = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WriteAttempt:
    """An announced write, as far as this process knows it."""

    grant: Grant
    started: Receipt
    """The STARTED receipt, verified."""
    prior: str
    """The version that it was to replace last: STARTED's, or a later one that the issuer read after a conflict."""
    fingerprints: Fingerprints | None = None
    """Of what was to be written, if this process knows them."""
    public_values: PublicValues = ()
    """Of what was generated, if this process knows them."""

    @property
    def tag(self) -> bytes:
        """The write tag: what the engine stores beside the version, where it can."""
        return write_tag(self.started.grant_sha256, self.started.sealed_sha256)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks the engine what became of a write that STARTED announced."""

    driver: StoreDriver
    fingerprint_key: FingerprintKey
    timings: Timings
    replica: bytes
    """The id of this process."""

    async def written(self, attempt: WriteAttempt) -> Receipt | None:
        """Return the receipt of success if the engine shows that the write happened, else None.

        If this process does not know the fingerprints of what was to be written, the receipt has fingerprints only if
        the value can be read. Its `prior_version` is the attempt's. An heir knows STARTED's alone: if the issuer lost a
        check-and-set, tried again on a later version, wrote and died, the heir's UPLOADED names a version that was no
        longer there. The write and its new version are true all the same; readers that order receipts by
        `prior_version` see drift between them.

        Raises:
            DriverError: the engine cannot be asked, and no tag has shown the write.
        """
        path = attempt.grant.request.uri.path
        if attempt.grant.request.purpose == upload_pb2.PURPOSE_DELETE:
            gone = await self.driver.read_version(path) == NOTHING
            return succeeded(attempt, NOTHING, None, ()) if gone else None
        if attempt.grant.request.purpose == upload_pb2.PURPOSE_UNDELETE:
            return await self._undeleted(attempt)
        found = await self.driver.find(path, attempt.tag.hex()) if self.driver.capabilities.write_tag else None
        if found == attempt.prior:
            found = None
        fingerprints, public = attempt.fingerprints, attempt.public_values
        try:
            snapshot = await self._fitting(attempt)
        except DriverError:
            if found is None:
                raise
            snapshot = None
        if snapshot is not None and found in {None, snapshot.version}:
            found, fingerprints = snapshot.version, self.fingerprint_key.fingerprints(snapshot.payload)
            public = public_halves(attempt.grant.request.recipes, snapshot.payload)
        return None if found is None else succeeded(attempt, found, fingerprints, public)

    async def finished(self, attempt: WriteAttempt, version: str) -> Receipt:
        """Return the receipt of a write that happened, and made or brought back `version`.

        Only now it is known what an UNDELETE brought back. If it cannot be read, a receipt of ours may still name it.
        """
        fingerprints = attempt.fingerprints
        if attempt.grant.request.rules.undeletes:
            fingerprints = await self._read(attempt, version) or fingerprints
        return succeeded(attempt, version, fingerprints, attempt.public_values)

    async def _undeleted(self, attempt: WriteAttempt) -> Receipt | None:
        """Return the UNDELETED receipt if there is a version with the tag, or the deleted version is there again."""
        path = attempt.grant.request.uri.path
        found = await self.driver.find(path, attempt.tag.hex()) if self.driver.capabilities.write_tag else None
        if found is None:
            now = await self.driver.read_version(path)
            found = now if now == attempt.started.restored_version else None
        return None if found is None else await self.finished(attempt, found)

    async def _read(self, attempt: WriteAttempt, version: str) -> Fingerprints | None:
        """Return the fingerprints of `version`, None if it cannot be read or is not there any more."""
        if not self.driver.capabilities.readable:
            return None
        try:
            snapshot = await self.driver.read(attempt.grant.request.uri.path)
        except DriverError:
            return None
        if snapshot is None or snapshot.version != version:
            return None
        return self.fingerprint_key.fingerprints(snapshot.payload)

    async def settled(self, attempt: WriteAttempt) -> Receipt:
        """Return the last word on a write that can no longer be on its way: success, KEY_LOST or OUTCOME_UNKNOWN."""
        grant = attempt.grant
        if grant.request.purpose == upload_pb2.PURPOSE_COPY:
            # The put is a request of its own, mostly in another store: only the issuer was told how it ended.
            return self._failed(attempt, Failure(upload_pb2.REASON_OUTCOME_UNKNOWN))
        for number in range(self.timings.lookup_tries):
            if number:
                await asyncio.sleep(self.timings.lookup_retry)
            try:
                receipt = await self.written(attempt)
                if receipt is not None:
                    return receipt
                still = await self._is_as_before(attempt)
            except StoreUnavailableError:
                continue
            except DriverError:
                break
            if still:
                return self._failed(attempt, Failure(upload_pb2.REASON_KEY_LOST, attempt.prior))
            break
        return self._failed(attempt, Failure(upload_pb2.REASON_OUTCOME_UNKNOWN))

    async def _is_as_before(self, attempt: WriteAttempt) -> bool:
        """Whether what was to be replaced is there still; or, for an UNDELETE, whether it is deleted as it was.

        A version that came back and was deleted again may have come back by this very attempt. Raises `DriverError`.
        """
        path = attempt.grant.request.uri.path
        if not attempt.grant.request.rules.undeletes:
            return await self.driver.read_version(path) == attempt.prior
        deleted = await self.driver.deleted_version(path)
        if deleted is None:
            return False
        intent = self.fingerprint_key.intent(attempt.tag, deletion_digest(deleted))
        return hmac.compare_digest(intent, attempt.started.intent)

    def _failed(self, attempt: WriteAttempt, failure: Failure) -> Receipt:
        return failed(attempt.grant, attempt.started.sealed_sha256, failure, replica=self.replica)

    async def _fitting(self, attempt: WriteAttempt) -> Snapshot | None:
        """Return what is there if it is a newer version whose content matches the intent."""
        if not self.driver.capabilities.readable:
            return None
        try:
            snapshot = await self.driver.read_either(attempt.grant.request.uri.path)
        except CannotReadError:
            return None
        if snapshot is None or snapshot.version == attempt.prior:
            return None
        for payload in readings(snapshot):
            intent = self.fingerprint_key.intent(attempt.tag, self.fingerprint_key.whole(payload))
            if hmac.compare_digest(intent, attempt.started.intent):
                return Snapshot(snapshot.version, payload)
        return None


def deletion_digest(deleted: DeletedVersion) -> bytes:
    """Return the 32 bytes that STARTED of an UNDELETE binds instead of a content: they name one deletion."""
    return hashlib.sha256(f"{deleted.version}\n{deleted.deletion}".encode()).digest()


def succeeded(
    attempt: WriteAttempt, version: str, fingerprints: Fingerprints | None, public_values: PublicValues
) -> Receipt:
    """Return the receipt of a write that happened; `version` is `NOTHING` after a deletion.

    Who signed the request, and who approved it, STARTED names, for an heir, too.
    """
    (outcome,) = attempt.grant.request.rules.successes & WRITTEN
    return make_receipt(
        grant=attempt.grant,
        sealed_sha256=attempt.started.sealed_sha256,
        signer=attempt.started.signer,
        signer_key=attempt.started.signer_key,
        approvers=attempt.started.approvers,
        outcome=outcome,
        upstream_version=version,
        prior_version=attempt.prior,
        fingerprint=fingerprints.whole if fingerprints else "",
        values=fingerprints.values if fingerprints else (),
        public_values=public_values,
        restored_version=attempt.started.restored_version,
    )


def failed(grant: Grant, sealed_sha256: bytes, failure: Failure, *, replica: bytes) -> Receipt:
    """Return a FAILED receipt; with KEY_LOST it names `replica`, the process that says so."""
    return make_receipt(
        grant=grant,
        sealed_sha256=sealed_sha256,
        outcome=upload_pb2.OUTCOME_FAILED,
        replica=replica if failure.reason == upload_pb2.REASON_KEY_LOST else b"",
        **failure._asdict(),
    )

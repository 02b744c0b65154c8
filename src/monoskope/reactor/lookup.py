"""How a write came out whose end is unknown, for the issuer and its heir (docs/protocol.md, When something breaks)."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.fingerprint import FingerprintKey, Fingerprints
from monoskope.reactor.timings import Timings
from monoskope.stores.driver import CannotReadError, DriverError, Snapshot, StoreDriver, StoreUnavailableError


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks the engine what became of a write that STARTED announced."""

    driver: StoreDriver
    fingerprint_key: FingerprintKey
    timings: Timings

    async def written(self, grant: Grant, started: Receipt, *, ours: Fingerprints | None = None) -> Receipt | None:
        """Return the UPLOADED receipt if the engine shows that the write happened, else None.

        Args:
            grant: The grant of the request.
            started: Its STARTED receipt, verified.
            ours: The fingerprints of what was to be written, if this process knows them; without them the receipt
                has fingerprints only if the value can be read.

        Raises:
            DriverError: the engine cannot be asked.
        """
        path, tag = grant.request.uri.path, write_tag(started.grant_sha256, started.sealed_sha256)
        found = await self.driver.find(path, tag.hex()) if self.driver.capabilities.write_tag else None
        if found == started.prior_version:
            found = None
        snapshot = await self._fitting(path, started, tag)
        if snapshot is not None and found in {None, snapshot.version}:
            found, ours = snapshot.version, self.fingerprint_key.of(snapshot.payload)
        if found is None:
            return None
        return uploaded(grant, started, version=found, fingerprints=ours)

    async def settled(self, grant: Grant, started: Receipt, *, ours: Fingerprints | None = None) -> Receipt:
        """Return the last word on a write that can no longer be on its way: UPLOADED, KEY_LOST or OUTCOME_UNKNOWN."""
        for attempt in range(self.timings.lookup_tries):
            if attempt:
                await asyncio.sleep(self.timings.lookup_retry)
            try:
                receipt = await self.written(grant, started, ours=ours)
                if receipt is not None:
                    return receipt
                version = await self.driver.read_version(grant.request.uri.path)
            except StoreUnavailableError:
                continue
            except DriverError:
                break
            if version == started.prior_version:
                return failed(grant, started.sealed_sha256, upload_pb2.REASON_KEY_LOST, version=version)
            break
        return failed(grant, started.sealed_sha256, upload_pb2.REASON_OUTCOME_UNKNOWN)

    async def _fitting(self, path: tuple[str, ...], started: Receipt, tag: bytes) -> Snapshot | None:
        """Return what is there if it is a newer version that fits the intent."""
        if not self.driver.capabilities.readable:
            return None
        try:
            snapshot = await self.driver.read(path)
        except CannotReadError:
            return None
        if snapshot is None or snapshot.version == started.prior_version:
            return None
        intent = self.fingerprint_key.intent(tag, self.fingerprint_key.whole(snapshot.payload))
        return snapshot if hmac.compare_digest(intent, started.intent) else None


def uploaded(grant: Grant, started: Receipt, *, version: str, fingerprints: Fingerprints | None) -> Receipt:
    """Return the receipt of a write that happened: it replaces what STARTED said it would."""
    return make_receipt(
        grant=grant,
        sealed_sha256=started.sealed_sha256,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version=version,
        prior_version=started.prior_version,
        fingerprint=fingerprints.whole if fingerprints else "",
        values=fingerprints.values if fingerprints else (),
    )


def failed(grant: Grant, sealed_sha256: bytes, reason: upload_pb2.Reason, *, version: str = "") -> Receipt:
    """Return a FAILED receipt."""
    return make_receipt(
        grant=grant,
        sealed_sha256=sealed_sha256,
        outcome=upload_pb2.OUTCOME_FAILED,
        reason=reason,
        upstream_version=version,
    )

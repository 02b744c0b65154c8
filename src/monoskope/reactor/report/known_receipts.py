"""Our own receipts, which say what upstream holds: taken from m8's events and believed only under our own signature."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.protocol.identity import open_signed, shown
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.outcomes import TELLING
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.reactor.identity.store_identity import Identity
from monoskope.uri import SecretUri

_RECEIPTS = 40_000
"""The most receipts, of all secrets together."""
_VERSIONS = 128
"""The most receipts of one secret: as many as may be written at once, for each request brings an old one again."""


def own_receipt(signed: upload_pb2.Signed, identity: Identity) -> Receipt | None:
    """Return the receipt in `signed` if this store's identity, or a former one of it, made it, else None."""
    signer = shown(signed.identity_key)
    if signer not in identity.accepted:
        return None
    try:
        receipt = parse_receipt(open_signed(signed, RECEIPT, signer))
    except Error:
        return None
    return receipt if receipt.uri.store == identity.store else None


def newest_receipt(signed: Sequence[upload_pb2.Signed], identity: Identity, uri: SecretUri) -> Receipt | None:
    """Return the last of `signed` if it is ours, about `uri`, and says what was upstream after it; else None."""
    receipt = own_receipt(signed[-1], identity) if signed else None
    if receipt is None or receipt.uri != uri:
        return None
    return receipt if receipt.outcome in TELLING else None


class KnownReceipts:
    """Our newest receipts that say what is upstream, for the secrets used last."""

    def __init__(self, identity: Identity, *, now: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._now = now
        self._last: dict[SecretUri, float] = {}
        self._undeleted: dict[SecretUri, tuple[str, float]] = {}
        self._count = 0
        self._by_uri: OrderedDict[SecretUri, OrderedDict[str, Receipt]] = OrderedDict()
        self._learnt = asyncio.Event()

    def learn(self, receipts: Iterable[upload_pb2.Signed]) -> None:
        """Remember those that are ours and name a version; ignore everything else."""
        for signed in receipts:
            receipt = own_receipt(signed, self._identity)
            if receipt is not None:
                self.remember(receipt)

    def remember(self, receipt: Receipt) -> None:
        """Remember a receipt that this process just made, if it says what is upstream."""
        if receipt.outcome in TELLING:
            self._remember(receipt)

    def naming(self, uri: SecretUri, version: str) -> Receipt | None:
        """Return our receipt for `uri` that names `version`, or None."""
        versions = self._by_uri.get(uri)
        return None if versions is None else versions.get(version)

    def learnt_after(self, uri: SecretUri, moment: float) -> bool:
        """Whether a new receipt of ours for `uri` was made or delivered after `moment`, in monotonic seconds."""
        return self._last.get(uri, moment) > moment

    def undeleted_after(self, uri: SecretUri, moment: float) -> bool:
        """Whether a new receipt of ours that says UNDELETED was made or delivered after `moment`, as `learnt_after`."""
        _, last = self._undeleted.get(uri, ("", moment))
        return last > moment

    async def named(self, uri: SecretUri, version: str, *, within: float) -> bool:
        """Return whether a receipt of ours names `version`, waiting up to `within` seconds for one to be learnt."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.naming(uri, version) is None:
                    self._learnt.clear()
                    await self._learnt.wait()
        return self.naming(uri, version) is not None

    def newest(self, uri: SecretUri) -> Receipt | None:
        """Return the receipt of ours for `uri` that came last, or None."""
        versions = self._by_uri.get(uri)
        return None if versions is None else next(reversed(versions.values()))

    def _remember(self, receipt: Receipt) -> None:
        versions = self._by_uri.setdefault(receipt.uri, OrderedDict())
        self._by_uri.move_to_end(receipt.uri)
        before, known = len(versions), versions.get(receipt.upstream_version)
        self._note_undeleted(receipt)
        # A receipt without fingerprints, as recovery makes for what cannot be read, never hides one that has them. Of
        # deletions, which have none, the later one counts: else it would be taken for new whenever m8 delivers it.
        if known is None or receipt.fingerprint or receipt.outcome == upload_pb2.OUTCOME_DELETED:
            versions[receipt.upstream_version] = receipt
        if known is None or known.content != receipt.content:
            # m8 delivers old receipts again with each request: those must not take the place of newer ones.
            versions.move_to_end(receipt.upstream_version)
            self._last[receipt.uri] = self._now()
        self._learnt.set()
        if len(versions) > _VERSIONS:
            versions.popitem(last=False)
        self._count += len(versions) - before
        while self._count > _RECEIPTS and len(self._by_uri) > 1:
            uri, forgotten = self._by_uri.popitem(last=False)
            self._count -= len(forgotten)
            self._last.pop(uri, None)
            self._undeleted.pop(uri, None)

    def _note_undeleted(self, receipt: Receipt) -> None:
        """Note when an UNDELETED receipt came first: m8 delivers the newest one again with each request."""
        if receipt.outcome != upload_pb2.OUTCOME_UNDELETED:
            return
        last, _ = self._undeleted.get(receipt.uri, ("", 0.0))
        if last != receipt.sha256.hex():
            self._undeleted[receipt.uri] = receipt.sha256.hex(), self._now()

"""Our own receipts, which say what upstream holds: taken from m8's events and believed only under our own signature.

They are kept as bytes, one object a secret: the garbage collector, which runs after each request, looks at none of
them. Their bytes are bounded, and the secret that was delivered longest ago is forgotten first. What is forgotten is
never taken for what did not happen: for a key that is older than the newest news that was forgotten, every secret that
is not known counts as changed. While such keys can exist, no new one is given (`full_for`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.protocol.identity import RECEIPT, open_signed, shown
from monoskope.protocol.outcomes import TELLING
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.reactor.identity.store_identity import Identity
from monoskope.uri import SecretUri

BYTES = 32 * 1024 * 1024
"""The most memory that all receipts take, about 40,000 of secrets with a few values."""
_BESIDE = 280
"""Bytes that one secret takes in memory besides its URI and its receipts."""
_VERSIONS = 128
"""The most receipts of one secret: as many as may be written at once, for each request brings an old one again."""
_NEVER = float("-inf")


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


class _Secret(msgspec.Struct, array_like=True):
    """What is known of one secret."""

    delivered: float
    """When a receipt of it was made or delivered last."""
    news: float
    """When a new one was."""
    undeleted: float
    """When a new one was that says UNDELETED."""
    undeleted_by: bytes = b""
    """The SHA-256 of that receipt."""
    receipts: dict[str, bytes] = msgspec.field(default_factory=dict)
    """The receipts by version, the newest last."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Secret).decode


class KnownReceipts:
    """Our newest receipts that say what is upstream, for the secrets used last.

    Args:
        identity: The store's.
        lifetime_s: Seconds that a key of this process lives.
        now: The clock of the keys.
    """

    def __init__(
        self, identity: Identity, *, lifetime_s: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._identity = identity
        self._lifetime_s = lifetime_s
        self._now = now
        self._secrets: dict[str, bytes] = {}
        """By URI, the one that was delivered last at the end."""
        self._bytes = 0
        self._forgotten = _NEVER
        """The newest news that was forgotten."""
        self._learnt = asyncio.Event()

    @property
    def bytes_kept(self) -> int:
        """About how many bytes of memory all receipts take."""
        return self._bytes

    @property
    def full_for(self) -> float:
        """Seconds until no key can be older than what was forgotten; 0 if that is so now, and a key may be given."""
        return max(0.0, self._forgotten + self._lifetime_s - self._now())

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
        secret = self._known(uri)
        content = None if secret is None else secret.receipts.get(version)
        return None if content is None else parse_receipt(content)

    def learnt_after(self, uri: SecretUri, moment: float) -> bool:
        """Whether a new receipt of ours for `uri` may have been made or delivered after `moment`, by the clock."""
        secret = self._known(uri)
        return (self._forgotten if secret is None else secret.news) > moment

    def undeleted_after(self, uri: SecretUri, moment: float) -> bool:
        """The same of a receipt that says UNDELETED."""
        secret = self._known(uri)
        return (self._forgotten if secret is None else secret.undeleted) > moment

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
        secret = self._known(uri)
        return None if secret is None else parse_receipt(next(reversed(secret.receipts.values())))

    def _known(self, uri: SecretUri) -> _Secret | None:
        kept = self._secrets.get(str(uri))
        return None if kept is None else _decode(kept)

    def _remember(self, receipt: Receipt) -> None:
        now, version = self._now(), receipt.upstream_version
        # One that is not known may have been forgotten, with an undeletion.
        secret = self._known(receipt.uri) or _Secret(now, now, self._forgotten)
        known = secret.receipts.get(version)
        secret.delivered = now
        if receipt.outcome == upload_pb2.OUTCOME_UNDELETED and secret.undeleted_by != receipt.sha256:
            # m8 delivers the newest receipt again with each request.
            secret.undeleted, secret.undeleted_by = now, receipt.sha256
        if known != receipt.content:
            # m8 delivers old receipts again with each request: those must not take the place of newer ones.
            secret.news = now
            kept = secret.receipts.pop(version, None)
            # A receipt without fingerprints, as recovery makes for what cannot be read, never hides one that has them.
            # Of deletions, which have none, the later one counts: else it would be taken for new whenever m8 delivers
            # it.
            replaces = kept is None or receipt.fingerprint or receipt.outcome == upload_pb2.OUTCOME_DELETED
            secret.receipts[version] = receipt.content if kept is None or replaces else kept
        if len(secret.receipts) > _VERSIONS:
            del secret.receipts[next(iter(secret.receipts))]
        self._keep(str(receipt.uri), secret)
        self._learnt.set()

    def _keep(self, uri: str, secret: _Secret) -> None:
        """Keep what is known of a secret, and forget others where that is too much."""
        self._drop(uri)
        # A copy of just its size: what the encoder returns has room for more.
        self._secrets[uri] = kept = bytes(memoryview(_encode(secret)))
        self._bytes += _size(uri, kept)
        while self._bytes > BYTES and len(self._secrets) > 1:
            oldest = self._drop(next(iter(self._secrets)))
            self._forgotten = max(self._forgotten, _decode(oldest).news)

    def _drop(self, uri: str) -> bytes:
        kept = self._secrets.pop(uri, b"")
        self._bytes -= _size(uri, kept) if kept else 0
        return kept


def _size(uri: str, kept: bytes) -> int:
    return len(uri) + len(kept) + _BESIDE

"""One-time keys: each is made for one request, used once and erased. No other file decrypts.

Suite 1 (docs/protocol.md): HPKE base mode, MLKEM768-X25519 (0x647a), HKDF-SHA256, ChaCha20-Poly1305. The library cannot
serialise the hybrid key, so this file does: public = ML-KEM-768 (1,184 bytes) || X25519 (32 bytes). Private keys are
never serialised: they stay inside the library's objects until those are freed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, TAG_BYTES, Grant, make_grant
from monoskope.protocol.identity import SEALED_SECRET, UPLOAD_GRANT, labelled
from monoskope.protocol.payload import BadPayloadError, Payload, decode, is_padded_size
from monoskope.protocol.request import Request
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.limits import has_room
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.first_look import FirstLook
from monoskope.value import Unshared

Look = Callable[[Request, str], FirstLook | None]

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_REMEMBERED = 32_768
"""Of so many requests that ended, and of as many before them, it is known that their key was used."""
_KEPT_AFTER_EXPIRY_S = 120.0
"""m8 ends a request 60 s after its key's lifetime. A secret that comes late until then ends as EXPIRED."""


@dataclass(frozen=True, slots=True)
class KeyRules:
    """What every grant of this process says."""

    replica: bytes
    lifetime_s: int
    max_plaintext: int
    fingerprint_key_id: str
    alive: int
    """How many keys may be alive at once; those of one subject at most half of what the others leave."""
    requires_signature: Callable[[upload_pb2.Purpose], bool] = lambda _: False
    """Whether requests of a purpose need a signature. It is part of the grant, so that m8 cannot change it."""
    approvals: Callable[[Request], int] = lambda _: 0
    """How many approvals a request takes at most, whoever signs it: a hint for clients."""


@dataclass(frozen=True, slots=True)
class GrantedKey:
    """A key that this process granted: the grant, and its signed form that goes to m8."""

    grant: Grant
    signed: upload_pb2.Signed = field(repr=False)
    born: float
    """Monotonic seconds when the key was made."""
    first_look: FirstLook | None = field(repr=False)
    """What was upstream then; None for a request that writes nothing here."""


@dataclass(slots=True)
class _Entry(Unshared):
    granted: GrantedKey
    private: MLKEM768X25519PrivateKey | None = field(repr=False)


class OneTimeKeys(Unshared):
    """The table of keys by request id. Not for several threads.

    Args:
        identity: Signs the grants.
        rules: What every grant says.
        now: Monotonic seconds; no other clock decides about expiry.
    """

    def __init__(self, identity: Identity, rules: KeyRules, *, now: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._rules = rules
        self._now = now
        self._table: dict[bytes, _Entry] = {}
        # Two dictionaries of bytes alone: the garbage collector looks at none of their keys, as at those of no list.
        self._spent: dict[bytes, None] = {}
        self._spent_before: dict[bytes, None] = {}

    def __len__(self) -> int:
        """How many private keys are alive."""
        return sum(entry.private is not None for entry in self._table.values())

    def __repr__(self) -> str:
        return f"<OneTimeKeys {len(self)} alive>"

    def grant(self, request: Request, subject: str, look: Look = lambda *_: None) -> GrantedKey:
        """Return the grant for `request`; the same request and subject get the same one again.

        Args:
            request: What was asked for.
            subject: Who asks.
            look: Begins to look at what a write is to replace; called when a key is made.

        Raises:
            FailedError: RATE_LIMITED, too many keys are alive, of this subject or in all; KEY_LOST, the key of this
                request id was used, given up, or made for something else.
        """
        self.sweep()
        entry = self._table.get(request.request_id)
        if entry is not None:
            grant = entry.granted.grant
            if entry.private is None or (grant.request.content, grant.subject) != (request.content, subject):
                raise FailedError(upload_pb2.REASON_KEY_LOST)
            return entry.granted
        if request.request_id in self._spent or request.request_id in self._spent_before:
            raise FailedError(upload_pb2.REASON_KEY_LOST)
        alive = [one.granted.grant.subject for one in self._table.values() if one.private is not None]
        own = alive.count(subject)
        if not has_room(own, len(alive) - own, self._rules.alive):
            raise FailedError(upload_pb2.REASON_RATE_LIMITED)
        return self._make(request, subject, look)

    def _make(self, request: Request, subject: str, look: Look) -> GrantedKey:
        born = self._now()
        lattice, curve = mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate()
        grant = make_grant(
            request=request,
            subject=subject,
            public_key=lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw(),
            replica=self._rules.replica,
            lifetime_s=self._rules.lifetime_s,
            max_plaintext=self._rules.max_plaintext,
            fingerprint_key_id=self._rules.fingerprint_key_id,
            signature_required=self._rules.requires_signature(request.purpose),
            approvals=self._rules.approvals(request),
        )
        signed = self._identity.sign(UPLOAD_GRANT, grant.content)
        granted = GrantedKey(grant, signed, born, look(request, subject))
        self._table[request.request_id] = _Entry(granted, MLKEM768X25519PrivateKey(lattice, curve))
        return granted

    def request_ids(self) -> list[bytes]:
        """Return the requests whose key is in the table, alive or expired."""
        return list(self._table)

    def granted(self, request_id: bytes) -> GrantedKey | None:
        """Return our own copy of the grant for a request whose key is still in the table, alive or expired."""
        entry = self._table.get(request_id)
        return None if entry is None else entry.granted

    def forget(self, request_id: bytes) -> None:
        """Erase the key of a request, if there is one; it is never made again."""
        self._take(request_id)

    def clear(self) -> None:
        """Erase every key."""
        for request_id in list(self._table):
            self._take(request_id)

    def sweep(self) -> None:
        """Erase the keys whose lifetime is over."""
        for request_id, entry in list(self._table.items()):
            if self._expire(entry) >= _KEPT_AFTER_EXPIRY_S:
                self._take(request_id)

    def _expire(self, entry: _Entry) -> float:
        """Erase a key whose lifetime is over; return the seconds since then, negative before."""
        over = self._now() - entry.granted.born - entry.granted.grant.lifetime_s
        if over >= 0:
            entry.private = None
        return over

    def open(self, request_id: bytes, encapsulated_key: bytes, ciphertext: bytes) -> Payload:
        """Take the key out of the table and open what was sealed for it. Works once for each request.

        Raises:
            FailedError: KEY_LOST without a key, EXPIRED after its lifetime.
            BadPayloadError: anything at all is wrong with the sealed bytes; no detail.
        """
        entry = self._take(request_id)
        if entry is None:
            raise FailedError(upload_pb2.REASON_KEY_LOST)
        grant = entry.granted.grant
        padded = len(ciphertext) - TAG_BYTES
        if len(encapsulated_key) != ENCAPSULATED_KEY_BYTES or not is_padded_size(padded):
            raise BadPayloadError
        if padded > grant.max_plaintext:
            raise BadPayloadError
        self._expire(entry)
        if entry.private is None:
            raise FailedError(upload_pb2.REASON_EXPIRED)
        try:
            plaintext = _SUITE.decrypt(
                encapsulated_key + ciphertext, entry.private, info=labelled(SEALED_SECRET, grant.content)
            )
        except InvalidTag:
            raise BadPayloadError from None
        finally:
            # The table has no reference any more and this is the last one: the key is freed before anything is parsed.
            entry.private = None
        return decode(plaintext)

    def discard(self, request_id: bytes) -> None:
        """Take the key of a request that seals nothing out of the table, unused.

        Raises:
            FailedError: KEY_LOST without a key, EXPIRED after its lifetime.
        """
        entry = self._take(request_id)
        if entry is None:
            raise FailedError(upload_pb2.REASON_KEY_LOST)
        self._expire(entry)
        if entry.private is None:
            raise FailedError(upload_pb2.REASON_EXPIRED)

    def _take(self, request_id: bytes) -> _Entry | None:
        entry = self._table.pop(request_id, None)
        if entry is not None:
            self._spent[request_id] = None
            if len(self._spent) >= _REMEMBERED:
                self._spent_before, self._spent = self._spent, {}
        return entry

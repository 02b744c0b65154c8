"""The keys of one issuer: a JWKS (RFC 7517), how long it is believed, and when it is asked for again.

A token with an unknown key lets the keys be read again, at most once a minute, however many such tokens come.
Many calls that wait for keys wait for one reading, and calls that need none wait for nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from monoskope import operating_log
from monoskope.errors import Error, UnavailableError, UsageError
from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.m8.issuers.jose import CURVES, KEY_TYPES, MAX_KEY_ID, PublicKey, Token, json_object
from monoskope.protocol.exchange_refusal import ExchangeRefusal

MAX_JWKS = 262_144
"""Bytes of a JWKS, and of a discovery document, at most."""

MAX_KEYS = 256
"""Keys of one issuer at most."""

FRESH_S = 300.0
"""Keys are read again before they are used when they are older than this."""

USABLE_S = 3_600.0
"""While the issuer is down its keys are believed until they are older than this."""

RETRY_S = 60.0
"""Seconds between two readings, at least, for keys that are unknown and after a reading that failed."""

MIN_RSA_BITS = 2_048

_RSA_TEXT = range(MIN_RSA_BITS // 6, 8_192 // 6 + 8)
"""How long the modulus of an RSA key may be as text: up to 8,192 bits, whose signatures cost 0.24 ms."""

_WAY: Mapping[str, tuple[type[RSAKey | ECKey | OKPKey], tuple[str, ...]]] = {
    "RSA": (RSAKey, ("n", "e")),
    "EC": (ECKey, ("crv", "x", "y")),
    "OKP": (OKPKey, ("crv", "x")),
}
"""How a key of each type is read: only what is public in it."""

Keys = Mapping[tuple[str, str], tuple[PublicKey, Mapping[str, Any]]]
"""Each key with its JWK, by its name (`kid`) and its type (`kty`)."""


def parse_jwks(content: bytes, source: str) -> Keys:
    """Return the keys in a JWKS that can verify signatures. Others are left out, and so are two of one name and type.

    Raises:
        UsageError: it is no JWKS, or holds no such key; names the `source`.
    """
    if len(content) > MAX_JWKS:
        raise UsageError(f"{source} has more than {MAX_JWKS:,} bytes.", fix="Name the issuer's JWKS.")
    wrong = UsageError(f"{source} is no JWKS, a JSON object with `keys`.", fix="Name the issuer's JWKS.")
    listed = json_object(content, wrong).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise wrong
    found: dict[tuple[str, str], tuple[PublicKey, Mapping[str, Any]]] = {}
    twice: set[tuple[str, str]] = set()
    for jwk in listed:
        key = _usable(jwk)
        if key is not None:
            name = (jwk["kid"], jwk["kty"])
            twice |= {name} & found.keys()
            found[name] = (key, jwk)
    usable = {name: entry for name, entry in found.items() if name not in twice}
    if not usable:
        raise UsageError(f"{source} holds no key that m8 can use.", fix="Let the issuer publish a key with a `kid`.")
    return usable


def _usable(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _is_to_verify(jwk):
        return None
    cls, fields = _WAY[jwk["kty"]]
    try:
        key: PublicKey = cls.import_key({"kty": jwk["kty"], **{field: jwk[field] for field in fields}})
        bits = key.public_key.key_size if isinstance(key, RSAKey) else MIN_RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if bits >= MIN_RSA_BITS else None


def _is_to_verify(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK says that it is a named key of a kind that m8 takes, for signatures."""
    kid, kind, operations = jwk.get("kid"), jwk.get("kty"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 1 <= len(kid) <= MAX_KEY_ID
        and isinstance(kind, str)
        and kind in _WAY
        and (len(str(jwk.get("n"))) in _RSA_TEXT if kind == "RSA" else jwk.get("crv") in CURVES.values())
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("alg", ""), str)
    )


class IssuerKeys:
    """The keys of one issuer, kept for a while.

    Args:
        read: Returns the issuer's JWKS as it is now. Raises an `Error`.
        source: How messages name where it is read.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self, read: Callable[[], Awaitable[bytes]], source: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._source = source
        self._clock = clock
        self._keys: Keys = {}
        self._read_at = -USABLE_S * 2
        self._tried_at = -RETRY_S * 2
        self._reading: asyncio.Task[None] | None = None

    async def find(self, token: Token) -> PublicKey:
        """Return the key that a token names.

        Raises:
            ExchangeRefusedError: KEY_UNKNOWN, KEY_UNFIT or ISSUER_UNAVAILABLE.
        """
        if self._age() >= FRESH_S:
            await self._renew()
        if self._age() >= USABLE_S:
            raise ExchangeRefusedError(
                ExchangeRefusal.ISSUER_UNAVAILABLE,
                # Not why: that can name files and servers, and anybody can ask.
                "m8 cannot read the issuer's keys now.",
                fix="Try again in a minute. If it stays so, tell who runs m8: its operating log says why.",
            )
        name = (token.key_id, KEY_TYPES[token.algorithm])
        if name not in self._keys:
            await self._renew()
        if name not in self._keys:
            raise self._unknown(token)
        key, jwk = self._keys[name]
        if not _fits(jwk, token.algorithm):
            raise _unfit()
        return key

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _unknown(self, token: Token) -> ExchangeRefusedError:
        if any(kid == token.key_id for kid, _ in self._keys):
            return _unfit()
        return ExchangeRefusedError(
            ExchangeRefusal.KEY_UNKNOWN,
            "the issuer publishes no key of the name that the token's header has.",
            fix="If the issuer changed its keys just now, try again in a minute.",
        )

    async def _renew(self) -> None:
        """Read the keys again, unless that was tried less than a minute ago; join a reading that is under way."""
        if self._reading is None:
            if self._clock() - self._tried_at < RETRY_S:
                return
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._read_once())
        # The caller that asked first may hang up; the others still wait for it.
        await asyncio.shield(self._reading)

    async def _read_once(self) -> None:
        try:
            self._keys = parse_jwks(await self._read(), self._source)
            self._read_at = self._clock()
        except Error as error:
            operating_log.get().warning("issuer's keys not read", message=error.message, fix=error.fix)
        finally:
            self._reading = None


def _fits(jwk: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is for an algorithm: what it says itself, and its curve."""
    said = jwk.get("alg", algorithm)
    same = said == algorithm or {said, algorithm} == {"Ed25519", "EdDSA"}
    return same and jwk.get("crv") == CURVES.get(algorithm)


def _unfit() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        ExchangeRefusal.KEY_UNFIT, "the issuer's key of that name is not for the token's algorithm."
    )


def unavailable(source: str, why: str) -> UnavailableError:
    """Return the error for a JWKS that cannot be had."""
    return UnavailableError(f"{source}: {why}.", fix="Look whether the issuer answers.")

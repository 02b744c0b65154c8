"""The keys of one issuer: how long they are believed, and when they are asked for again.

A token with an unknown key lets the keys be read again, at most once a minute, however many such tokens come. Many
calls that wait for keys wait for one reading, and calls that need none wait for nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from monoskope import operating_log
from monoskope.errors import Error
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.issuers.jose import (
    KEY_TYPES,
    Keys,
    PublicKey,
    Token,
    fits,
    parse_jwks,
)
from monoskope.protocol.login import ExchangeRefusal

FRESH_S = 300.0
"""Keys are read again before they are used when they are older than this."""

USABLE_S = 3_600.0
"""While the issuer is down its keys are believed until they are older than this."""

RETRY_S = 60.0
"""Seconds between two readings, at least, for keys that are unknown and after a reading that failed."""


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
                # Not why: that can name files and servers, and any caller can ask.
                "m8 cannot read the issuer's keys now.",
                fix="Try again in a minute. If it stays so, tell who runs m8: its operating log says why.",
            )
        name = (token.key_id, KEY_TYPES[token.algorithm])
        if name not in self._keys:
            await self._renew()
        if name not in self._keys:
            raise self._unknown(token)
        key, jwk = self._keys[name]
        if not fits(jwk, token.algorithm):
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


def _unfit() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        ExchangeRefusal.KEY_UNFIT, "the issuer's key of that name is not for the token's algorithm."
    )

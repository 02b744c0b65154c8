"""Looks after the certificate that m8 presents: takes a renewed one, and warns before the present one expires."""

from __future__ import annotations

import asyncio
from typing import Protocol

from monoskope import operating_log
from monoskope.counted import counted
from monoskope.errors import Error
from monoskope.m8.service.app import App
from monoskope.times import instant

LOOK_S = 10.0
"""How often the files are looked at. Each handshake looks besides, so this is for the log alone."""

WARN_MS = 30 * 86_400_000
"""How long before the certificate expires the warnings begin."""

_DAY_MS = 86_400_000


class Presented(Protocol):
    """The certificate that m8 presents."""

    @property
    def expires_at_ms(self) -> int:
        """When it expires, milliseconds since 1970."""

    @property
    def failure(self) -> Error | None:
        """Why the files cannot be used as they are now."""

    def refresh(self) -> bool:
        """Read the files again if they have changed, and return whether another certificate is presented now."""


class CertificateWatch:
    """Looks at the certificate again and again."""

    def __init__(self, app: App, presented: Presented) -> None:
        self._app = app
        self._presented = presented
        self._expires_at_ms = presented.expires_at_ms
        self._failure: Error | None = None
        self._warned_at_ms: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Look once, and say in the operating log what is new; that it expires soon, once a day."""
        self._presented.refresh()
        log = operating_log.get()
        expires = self._presented.expires_at_ms
        # A handshake may have read the new files before.
        if expires != self._expires_at_ms:
            self._expires_at_ms, self._warned_at_ms = expires, None
            log.info("certificate renewed", message=f"It expires at {instant(expires)}.")
        failure = self._presented.failure
        if failure is not None and failure is not self._failure:
            log.warning(
                "the new certificate is not used", code=failure.code.value, message=failure.message, fix=failure.fix
            )
        self._failure = failure
        self._warn()

    def _warn(self) -> None:
        left_ms = self._presented.expires_at_ms - self._app.clock()
        now_ms = self._app.ticks()
        if left_ms > WARN_MS or (self._warned_at_ms is not None and now_ms - self._warned_at_ms < _DAY_MS):
            return
        self._warned_at_ms = now_ms
        at, left = instant(self._presented.expires_at_ms), counted(left_ms // _DAY_MS, "day")
        operating_log.get().warning(
            "the certificate expires soon" if left_ms > 0 else "the certificate has expired",
            message=f"It expires at {at}, in {left}." if left_ms > 0 else f"It expired at {at}.",
            fix="Renew it: m8 tls renew",
        )

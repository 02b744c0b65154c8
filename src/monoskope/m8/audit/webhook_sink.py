"""Audit lines to a server of the operator: POSTs over HTTPS, each with a MAC (HMAC-SHA256, RFC 2104).

The MAC is of a label, the time, the positions and the body, with a zero byte between them: so a receiver knows who sent
a request, when, and which part of the log it is. It answers 2xx when it has the lines for good.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable

from monoskope.errors import Error, UsageError
from monoskope.http.client.failures import ExchangeError, UntrustedError
from monoskope.http.client.pool import Pool, Server
from monoskope.m8.audit.sink import Batch, DeliveryError
from monoskope.m8.audit.trust import Trust
from monoskope.m8.sink_settings import WebhookTarget
from monoskope.settings import read_private

LABEL = b"m8/audit/v1"
"""What the MAC begins with, so that it is of nothing else."""

MIN_SECRET = 32
"""Bytes of the key at least."""

TIMEOUT_S = 30.0
"""Seconds that a request may take in all."""

MOST_ANSWER = 65_536
"""Bytes of an answer at most. Nobody reads them."""

TYPE = "application/x-ndjson"

_FIX_TLS = "Set ca_file to the authority that signed its certificate, and url to a name that is in it."
_FIX_AWAY = "Check that it runs and can be reached. m8 tries again, and loses no event."


def mac(secret: bytes, *, time: str, positions: str, body: bytes) -> str:
    """Return the MAC of a request, 64 hex digits."""
    signed = b"\0".join((LABEL, time.encode("ascii"), positions.encode("ascii"), body))
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


class WebhookSink:
    """Posts each batch.

    Args:
        target: Where to, and whom to trust.
        clock: Milliseconds since 1970.
    """

    def __init__(self, target: WebhookTarget, *, clock: Callable[[], int]) -> None:
        self._target = target
        self._clock = clock
        self._pool: Pool | None = None
        self.trust = Trust(target.tls)

    async def deliver(self, batch: Batch) -> None:
        """See `Sink`."""
        failure: DeliveryError
        try:
            status = await self._posted(batch)
        except UntrustedError:
            failure = self._failure("is not trusted, or does not speak TLS", _FIX_TLS)
        except ExchangeError as error:
            failure = self._failure(f"does not answer ({type(error).__name__})", _FIX_AWAY)
        except Error as error:
            failure = DeliveryError(error.message, fix=error.fix)
        else:
            if 200 <= status < 300:
                return
            if 300 <= status < 400:
                failure = self._failure("redirects, which m8 never follows", "Name the address that it redirects to.")
            else:
                failure = self._failure(f"answers with {status}", "Look into its log: it answers 2xx to take lines.")
        await self.close()
        self.trust.forget()
        raise failure

    async def close(self) -> None:
        """See `Sink`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def check(self) -> None:
        """Read the secret. Blocks.

        Raises:
            UsageError: there is none, or it is too short.
            RefusedError: others can reach it.
        """
        self._secret()

    def _failure(self, what: str, fix: str) -> DeliveryError:
        return DeliveryError(f"the webhook at {self._target.server} {what}.", fix=fix)

    async def _posted(self, batch: Batch) -> int:
        """Post a batch, and return the status of the answer."""
        body, positions, time = batch.text, batch.positions, str(self._clock() // 1000)
        secret = await asyncio.to_thread(self._secret)
        headers = [
            ("Content-Type", TYPE),
            ("User-Agent", "m8"),
            ("Monoskope-Audit-Time", time),
            ("Monoskope-Audit-Positions", positions),
            ("Monoskope-Audit-Mac", mac(secret, time=time, positions=positions, body=body)),
        ]
        del secret
        pool = await self._connections()
        answer = await pool.request(
            "POST",
            self._target.path,
            headers,
            body,
            timeout_s=TIMEOUT_S,
            most_body=MOST_ANSWER,
            repeat=True,  # what it got twice, a receiver knows by the positions
        )
        return answer.status

    async def _connections(self) -> Pool:
        if self._pool is None:
            context = await asyncio.to_thread(self.trust.context)
            place = Server(self._target.server.host, self._target.server.port, context)
            self._pool = Pool(place, most_connections=1)
        return self._pool

    def _secret(self) -> bytes:
        path = self._target.secret_file
        secret = read_private(path, missing="Make it: openssl rand -hex 32").strip()
        if len(secret) < MIN_SECRET:
            raise UsageError(
                f"{path} holds less than {MIN_SECRET} bytes.", fix="Make another key: openssl rand -hex 32"
            )
        return secret

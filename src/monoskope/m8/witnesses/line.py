"""The way to one witness over HTTPS: TLS 1.2 or newer, no redirect, bounded answers, and a time for each exchange."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.host_port import HttpsUrl
from monoskope.http.client.exchange import Answer
from monoskope.http.client.failures import ExchangeError, LateError, MalformedError, UntrustedError
from monoskope.http.client.pool import Pool, Server
from monoskope.m8.witnesses.submission import MOST_ANSWER

AGENT = ("User-Agent", "m8")


class NoAnswerError(Exception):
    """There is no answer. Its text says why and what helps, in words for the operator.

    Attributes:
        late: Whether the time was over.
    """

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class Line:
    """Connections to one address, kept and used again. It dials at the first request.

    Args:
        url: The prefix: what is asked for stands below it.
        ca_file: The authorities of its certificate, None for the system's. It is read anew after a failure.
        timeout_s: Seconds that an exchange may take in all.
    """

    def __init__(self, url: HttpsUrl, ca_file: Path | None, *, timeout_s: float) -> None:
        self._url = url
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._pool: Pool | None = None

    async def post(self, path: str, body: bytes) -> Answer:
        """Send `body`. Raises `NoAnswerError`."""
        return await self._request("POST", path, [AGENT, ("Content-Type", "text/plain; charset=utf-8")], body)

    async def get(self, path: str) -> Answer:
        """Ask for what is at `path`. Raises `NoAnswerError`."""
        return await self._request("GET", path, [AGENT], None)

    async def close(self) -> None:
        """End the connections. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _request(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes | None) -> Answer:
        target = self._url.target.rstrip("/") + path
        failure: NoAnswerError
        try:
            pool = await self._connections()
            return await pool.request(
                # What it got twice, a witness answers with a conflict or with the same signature.
                method, target, headers, body, timeout_s=self._timeout_s, most_body=MOST_ANSWER, repeat=True
            )  # fmt: skip
        except UntrustedError:
            failure = NoAnswerError(
                f"{self._url.server} is not trusted, or does not speak TLS. Set ca_file to the authority that signed "
                "its certificate, and the url to a name that is in it."
            )
        except LateError:
            failure = NoAnswerError(
                f"{self._url.server} does not answer within {self._timeout_s:g} s. Check that it runs, and the way to "
                "it. m8 asks again, at most twice a minute.",
                late=True,
            )
        except MalformedError:
            failure = NoAnswerError(
                f"{self._url.server} answers what is not HTTP/1.1, or more than {MOST_ANSWER:,} bytes. Check that the "
                "url is that of a witness."
            )
        except ExchangeError:
            failure = NoAnswerError(
                f"{self._url.server} cannot be reached, or ends the connection. Check that it runs. m8 asks it again."
            )
        except UsageError as error:
            failure = NoAnswerError(f"{error.message} {error.fix}")
        await self.close()
        raise failure

    async def _connections(self) -> Pool:
        if self._pool is None:
            context = await asyncio.to_thread(_trust, self._ca_file)
            self._pool = Pool(Server(self._url.host, self._url.port, context), most_connections=1)
        return self._pool


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        found = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise UsageError(
            f"the certificates in {ca_file} cannot be read.", fix="Name a readable PEM file as ca_file."
        ) from None
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    return found

"""Where an issuer's keys are read: its discovery document (OpenID Connect Discovery 1.0), an address, or a file.

Nothing that an issuer answers sends m8 to another server: no redirect is followed, and the keys are at the issuer's own
host and port, or where m8's settings say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from monoskope.errors import UnavailableError, UsageError
from monoskope.host_port import HttpsUrl
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.trusted import Endpoint, TlsFiles
from monoskope.m8.issuers.jose import MAX_JWKS, json_object, parse_jwks
from monoskope.m8.issuers.settings import Issuer
from monoskope.ownership import check_file

TIMEOUT_S = 4.0
"""Seconds for one answer of an issuer."""

DOCUMENT = "/.well-known/openid-configuration"

_TOKEN = re.compile(r"[!-~]{1,16384}", re.ASCII)


class Discovery:
    """Reads the keys of one issuer.

    Args:
        issuer: Whose.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.source = f"the keys of issuer {issuer.name}"

    def check(self) -> None:
        """Look at the files that the settings name. The network is not used: the issuer may be down.

        Raises:
            UsageError: a file is missing or holds something else.
            RefusedError: others can write a file that says whom to believe, or own it.
        """
        if self._issuer.jwks_file is not None:
            parse_jwks(_read_closed(self._issuer.jwks_file), str(self._issuer.jwks_file))
            return
        _trust(self._issuer).context()
        _bearer(self._issuer)

    async def read(self) -> bytes:
        """Return the issuer's JWKS as it is now.

        Raises:
            UsageError: a file is missing or holds something else.
            RefusedError: others can write a file that says whom to believe, or own it.
            UnavailableError: the issuer does not answer, or answers something else.
        """
        if self._issuer.jwks_file is not None:
            return _read_closed(self._issuer.jwks_file)
        return await self._get(self._issuer.jwks_uri or await self._discover())

    async def _discover(self) -> HttpsUrl:
        own = HttpsUrl.parse(self._issuer.issuer)
        document = HttpsUrl.parse(self._issuer.issuer.rstrip("/") + DOCUMENT)
        if own is None or document is None:
            raise AssertionError("the settings have checked the issuer")
        wrong = _unavailable(self.source, "the discovery document is no JSON object")
        found = json_object(await self._get(document), wrong)
        if found.get("issuer") != self._issuer.issuer:
            raise _unavailable(self.source, "the discovery document is another issuer's")
        named = found.get("jwks_uri")
        url = HttpsUrl.parse(named) if isinstance(named, str) else None
        if url is None or url.server != own.server:
            raise UnavailableError(
                f"{self.source}: the discovery document names another server for its keys, or none.",
                fix="If that server is the issuer's, name the address as `jwks_uri` in [[issuers]] of m8.toml.",
            )
        return url

    async def _get(self, url: HttpsUrl) -> bytes:
        headers = [("Accept", "application/json"), ("User-Agent", "monoskope-m8")]
        if bearer := _bearer(self._issuer):
            headers.append(("Authorization", f"Bearer {bearer}"))
        endpoint = Endpoint(url.server, _trust(self._issuer), timeout_s=TIMEOUT_S, most_body=MAX_JWKS)
        why = ""
        try:
            answer = await endpoint.request("GET", url.target, headers)
        except ExchangeError as error:
            why = str(error)
        else:
            if answer.status == 200:
                return answer.body
            why = f"the issuer answers with {answer.status}"
        finally:
            await endpoint.close()
        raise _unavailable(self.source, why)


def _unavailable(source: str, why: str) -> UnavailableError:
    return UnavailableError(f"{source}: {why}.", fix="Look whether the issuer answers.")


def _trust(issuer: Issuer) -> TlsFiles:
    if issuer.ca_file is not None:
        _read_closed(issuer.ca_file)
    return TlsFiles(issuer.ca_file)


def _bearer(issuer: Issuer) -> str:
    """Return the token for the issuer's discovery, "" for none. It is read each time, since it is renewed."""
    if issuer.token_file is None:
        return ""
    found = _read(issuer.token_file).decode("latin-1").strip()
    if _TOKEN.fullmatch(found) is None:
        raise UsageError(f"{issuer.token_file} does not hold a token of printable ASCII.", fix="Write it again.")
    return found


def _read_closed(path: Path) -> bytes:
    """Read a file that says whom to believe: who can write it could be every member. Raises also `RefusedError`."""
    return _read(path, check=lambda file: check_file(path, os.fstat(file)))


def _read(path: Path, *, check: Callable[[int], object] = lambda _: None) -> bytes:
    try:
        with path.open("rb") as file:
            check(file.fileno())
            return file.read(MAX_JWKS + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check the file and its owner.") from None

"""Whether each issuer answers, and publishes keys that m8 can use. A file of its own: no other check asks strangers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from monoskope.checks.check import Check
from monoskope.errors import Error
from monoskope.m8.issuers.discovery import Discovery
from monoskope.m8.issuers.jose import parse_jwks
from monoskope.m8.issuers.settings import Issuer
from monoskope.text import counted


async def issuer_checks(issuers: Sequence[Issuer]) -> list[Check]:
    """Return the check of each issuer, in the order of the settings."""
    if not issuers:
        return [Check.ok("issuers", "m8.toml names none: people and build jobs get their tokens from you.")]
    return list(await asyncio.gather(*map(_issuer, issuers)))


async def _issuer(issuer: Issuer) -> Check:
    name, discovery = f"issuer {issuer.name}", Discovery(issuer)
    try:
        keys = parse_jwks(await discovery.read(), discovery.source)
    except Error as error:
        return Check.failed(name, error)
    return Check.ok(name, f"{issuer.issuer} publishes {counted(len(keys), 'key')} that m8 can use.")

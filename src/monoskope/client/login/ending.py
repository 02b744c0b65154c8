"""Logging out: the issuer is told (RFC 7009), and what is kept is removed, whatever the issuer says."""

from __future__ import annotations

from pathlib import Path

from monoskope.client.login.discovery import discover
from monoskope.client.login.issuer import OAuthError
from monoskope.client.login.keeping import read_whole, remove
from monoskope.client.login.kept import KeptLogin, read
from monoskope.client.login.renewing import issuer_of
from monoskope.errors import Error
from monoskope.settings import locked

_LASTS = "The refresh token was removed here, and counts at the issuer until it runs out there."


def log_out(path: Path) -> list[str]:
    """Remove the login that is kept at `path`. Blocks.

    Returns:
        Sentences that the user should know.

    Raises:
        RefusedError: others can reach it.
        Error: it cannot be removed.
    """
    said: list[str] = []
    with locked(path):
        kept = read(path)
        try:
            whole = read_whole(path)
            if whole is not None and whole.refresh_token:
                said += _revoked(whole)
        except Error as error:
            said.append(f"{error.message} {_LASTS}")
        finally:
            remove(path, kept)
    return said


def _revoked(kept: KeptLogin) -> list[str]:
    issuer = issuer_of(kept)
    provider = discover(issuer)
    if not provider.revocation_endpoint:
        return [f"The issuer {kept.issuer} has no way to revoke tokens. {_LASTS}"]
    fields = {"token": kept.refresh_token, "token_type_hint": "refresh_token", "client_id": kept.client_id}
    try:
        issuer.post(provider.revocation_endpoint, fields)
    except OAuthError as error:
        return [f"The issuer {kept.issuer} does not revoke the refresh token ({error.code}). {_LASTS}"]
    return []

"""The files with which `monoctl` on the same machine finds an `m8 dev` without configuration; all of mode 0600."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tomli_w

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.dev import signing
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.opened import wall_clock
from monoskope.settings import read_private, write_private

TOKEN = "token"  # noqa: S105  a file's name
ADMIN_TOKEN = "admin.token"  # noqa: S105  a file's name
SUBJECT = "dev"

TTL_S = 90 * 86_400
_LEFT_MS = 86_400_000  # a token with less than a day left is replaced
_RIGHTS = frozenset(RIGHT_NAMES)


def write_settings(folder: Path, *, server: str, ca: bytes) -> None:
    """Write `config.toml` and `ca.crt`. A key that was made for signed requests is named there, too."""
    table = {"server": server, "ca_file": "ca.crt", "token_file": TOKEN}
    if (folder / signing.KEY).exists():
        table["signing_key"] = signing.KEY
    write_private(folder / "config.toml", tomli_w.dumps(table).encode(), replace=True)
    write_private(folder / "ca.crt", ca, replace=True)


def write_pins(folder: Path, *, server: str, identities: Mapping[str, str]) -> None:
    """Pin the stores and the first of them as the default, unless `monoctl` keeps its pins there already."""
    path = folder / "known_stores"
    if path.exists():
        return
    lines = [f"{server} @default {next(iter(identities))}\n"]
    lines += [f"{server} {store} {identity}\n" for store, identity in identities.items()]
    write_private(path, "".join(lines).encode())


async def ensure_user_token(folder: Path, tokens: Tokens, *, prefixes: list[str]) -> None:
    """Make sure that `token` is a valid token of the user `dev` with every right below `prefixes`."""
    path = folder / TOKEN
    if not await _counts(path, tokens, _RIGHTS):
        issued = await tokens.issue(
            subject=SUBJECT, role=events_pb2.ROLE_USER, prefixes=prefixes, rights=sorted(_RIGHTS), ttl_s=TTL_S
        )
        write_private(path, issued.jwt.encode() + b"\n", replace=True)


async def ensure_admin_token(folder: Path, tokens: Tokens) -> None:
    """Make sure that `admin.token` is a valid token of an administrator."""
    path = folder / ADMIN_TOKEN
    if not await _counts(path, tokens):
        issued = await tokens.issue(subject="dev-admin", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=TTL_S)
        write_private(path, issued.jwt.encode() + b"\n", replace=True)


async def _counts(path: Path, tokens: Tokens, rights: frozenset[events_pb2.Right] = frozenset()) -> bool:
    try:
        principal = await tokens.authenticate(read_private(path).decode("ascii", "replace").strip())
    except (UnauthenticatedError, UsageError):  # it is not valid any more, or there is none
        return False
    has_rights = all(pair.rights >= rights for pair in principal.pairs)
    return has_rights and principal.expires_at_ms - wall_clock() > _LEFT_MS

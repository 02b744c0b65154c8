"""The files of an `m8 dev`: those with which `monoctl` finds it without configuration, and those of `--signed`.

With `--signed` the reactor acts only on what the developer's own key signed (docs/signed-requests.md). The key is made
for this and lies in the client's folder, where `monoctl` finds it. A real one is a person's own: in an ssh-agent, or on
a security key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.protocol.identity import NAMESPACE
from monoskope.settings import read_private, write_private
from monoskope.times import wall_clock

KEY = "signing-key"
"""The private key's file; its public half lies beside it."""

ALLOWED_SIGNERS = "allowed_signers"
REVOKED_KEYS = "revoked_keys"

_END = "# end\n"
"""The last line of each list (docs/operate/signers.md)."""
_PRINCIPAL = "dev"
_PURPOSES = ("upload", "patch", "compare", "generate", "delete", "import", "undelete", "rollback", "list")
_SETTINGS = {
    "file": ALLOWED_SIGNERS,
    "revoked": REVOKED_KEYS,
    "unsigned": ["verify"],  # m8's own schedule verifies, and signs nothing
    "may": [{"principal": _PRINCIPAL, "prefixes": [""], "purposes": list(_PURPOSES)}],
}


def is_wanted(reactor: Path) -> bool:
    """Whether the reactor of a folder wants signatures: once turned on, it does so at every later start."""
    return "signers" in _settings(reactor)


def turn_on(*, reactor: Path, client: Path) -> None:
    """Make the key and the reactor's list of it, and have the reactor want signatures. Does nothing if that is done.

    The reactor must not run yet. Whatever interrupts this, the next call completes it: the settings come last.
    """
    if is_wanted(reactor):
        return
    if not (client / KEY).exists():
        _make_key(client)
    public = read_private(client / f"{KEY}.pub").decode("ascii")
    lines = f'{_PRINCIPAL} namespaces="{NAMESPACE}" {public}{_END}'
    write_private(reactor / ALLOWED_SIGNERS, lines.encode("ascii"), replace=True)
    write_private(reactor / REVOKED_KEYS, _END.encode("ascii"), replace=True)
    table = tomli_w.dumps({"signers": _SETTINGS})
    settings = reactor / "reactor.toml"
    write_private(settings, settings.read_bytes() + b"\n" + table.encode(), replace=True)


def _make_key(client: Path) -> None:
    """Write the public half, then the private one: where that is, both are."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_private(client / f"{KEY}.pub", public + b" m8 dev\n", replace=True)
    write_private(client / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _settings(reactor: Path) -> dict[str, object]:
    return tomllib.loads((reactor / "reactor.toml").read_text(encoding="utf-8"))


TOKEN = "token"  # noqa: S105  a file's name
ADMIN_TOKEN = "admin.token"  # noqa: S105  a file's name
SUBJECT = "dev"

TTL_S = 90 * 86_400
_LEFT_MS = 86_400_000  # a token with less than a day left is replaced
_RIGHTS = frozenset(RIGHT_NAMES)


def write_settings(folder: Path, *, server: str, ca: bytes) -> None:
    """Write `config.toml` and `ca.crt`. A key that was made for signed requests is named there, too."""
    table = {"server": server, "ca_file": "ca.crt", "token_file": TOKEN}
    if (folder / KEY).exists():
        table["signing_key"] = KEY
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

"""`m8 dev --signed`: a reactor that acts only on what the developer's own key signed (docs/signed-requests.md).

The key is made for this and lies in the client's folder, where `monoctl` finds it. A real one is a person's own: in an
ssh-agent, or on a security key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from monoskope.protocol.signed_request import NAMESPACE
from monoskope.settings import read_private, write_private

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

"""The public half of a signing key, or its certificate, as `.pub` files hold them."""

from __future__ import annotations

import datetime as dt

from monoskope.errors import UsageError, docs_page
from monoskope.protocol.sshsig import Certificate, FaultError, PublicKey, parse_public, parse_signer
from monoskope.value import Value

_CERTIFICATE = "-cert-v01@openssh.com"
"""How the type of every certificate of OpenSSH ends."""
_USABLE = (
    "Use an ed25519 key (`ssh-keygen -t ed25519`), an ECDSA key, an RSA key of 3,072 bits or more, one of a security"
    f" key (`-t ed25519-sk`), or a certificate over one of these ({docs_page('signed-requests.md')})."
)
_USABLE_CERTIFICATE = (
    "Get one for a user and over such a key, with exactly one principal, a beginning and an end, and without critical"
    f" options: `ssh-keygen -s CA -I ID -n NAME -V -1m:+8h FILE.pub` ({docs_page('signed-requests.md')})."
)


class SigningKey(Value, frozen=True):
    """A key that can sign requests, or a certificate over one."""

    signer: PublicKey | Certificate
    comment: str = ""
    """What its owner wrote behind it. It says nothing that is checked."""

    @property
    def key(self) -> PublicKey:
        """The key: of a certificate the key in it."""
        return self.signer.key if isinstance(self.signer, Certificate) else self.signer

    @property
    def shown(self) -> str:
        """The key as OpenSSH and receipts show it, `SHA256:…`."""
        return self.key.fingerprint

    @property
    def principal(self) -> str:
        """Whom the certificate names, "" without one: then the reactor's own list says whose key it is."""
        return self.signer.principal if isinstance(self.signer, Certificate) else ""

    @property
    def needs_touch(self) -> bool:
        """Whether it signs only when a security key is touched."""
        return self.key.kind.hardware

    def check_time(self, now_s: float) -> None:
        """Raise `UsageError` if the certificate does not hold at `now_s`, in seconds since 1970."""
        if not isinstance(self.signer, Certificate):
            return
        if now_s >= self.signer.valid_before:
            raise UsageError(
                f"the certificate of the signing key ended at {_shown(self.signer.valid_before)}; nothing was sent.",
                fix="Get a new one, and put it in the place of the old one.",
            )
        if now_s < self.signer.valid_after:
            raise UsageError(
                f"the certificate of the signing key begins at {_shown(self.signer.valid_after)}; nothing was sent.",
                fix="Check the clock of this machine.",
            )


def from_line(line: str, where: str) -> SigningKey:
    """Return the key or certificate of the line `TYPE BASE64 COMMENT`; `where` names its source in errors.

    Raises:
        UsageError: it is none, or none that can sign requests.
    """
    try:
        signer = parse_public(line)
    except FaultError as error:
        is_certificate = line.strip().partition(" ")[0].endswith(_CERTIFICATE)
        raise _unusable(where, error, _USABLE_CERTIFICATE if is_certificate else _USABLE) from None
    _, _, comment = line.strip().partition(" ")[2].partition(" ")
    return SigningKey(signer, comment.strip())


def from_wire(content: bytes, where: str) -> SigningKey:
    """Return the key or certificate with this wire form. Raises as `from_line`."""
    try:
        return SigningKey(parse_signer(content))
    except FaultError as error:
        raise _unusable(where, error, _USABLE) from None


def _unusable(where: str, error: FaultError, fix: str) -> UsageError:
    return UsageError(f"{where} cannot sign requests: {error.message}", fix=fix)


def _shown(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):
        return "a time out of range"

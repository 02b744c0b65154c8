"""What signs requests, its public key or certificate, and which signer the setting `signing_key` means."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from monoskope.client.known.table import is_public_key
from monoskope.errors import UsageError, docs_page
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, approval_statement, statement
from monoskope.protocol.sshsig import (
    Certificate,
    FaultError,
    PublicKey,
    parse_public,
    parse_signer,
    serialise,
    signed_bytes,
)
from monoskope.settings import is_descriptor
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.signing.key_file import Passphrase
    from monoskope.protocol.change import Change

_CERTIFICATE = "-cert-v01@openssh.com"
"""How the type of every certificate of OpenSSH ends."""
APPROVE_WITHIN_S = 120.0
"""How long an ssh-agent may take for an approval: a person may have to touch a key. No one-time key waits for it."""
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


class Signer(Protocol):
    """Signs requests. `Client(signer=…)` takes any object that does so."""

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Return an SSHSIG without armour, over the statement about a request.

        Args:
            grant: The grant that the client has checked. Its `request` says what is asked.
            sealed_sha256: SHA-256 of the sealed bytes, 32 bytes; of no bytes where nothing is sealed.

        Raises:
            Error: it does not sign; nothing is sent.
        """


@runtime_checkable
class ApprovingSigner(Signer, Protocol):
    """A signer that approves changes, too. `Client(signer=…)` takes any object that does so."""

    async def approve(self, change: Change) -> bytes:
        """Return an SSHSIG without armour, in the namespace of approvals, over the statement about a change.

        Args:
            change: What the client has decoded, and its caller has seen.

        Raises:
            Error: it does not sign; nothing is sent.
        """


class LocalSigner(ABC):
    """A signer whose key is on this machine: what the signers of this package have in common."""

    @abstractmethod
    def public(self) -> SigningKey:
        """Return the key, or the certificate, as it is now. Asks no person. Raises as `prepare`."""

    @abstractmethod
    def prepare(self) -> None:
        """Do what may fail or ask a person, before a one-time key is requested. Call it as often as you like.

        Raises:
            UsageError: the key is not set up as it must be, such as one that is too short, or a certificate that ended.
            RefusedError: the file of a private key is open to others, or its passphrase is wrong.
            UnavailableError: the ssh-agent does not answer, or does not hold the key.
        """

    @property
    def needs_touch(self) -> bool:
        """Whether a person has to touch a security key. Raises as `prepare`."""
        return self.public().needs_touch

    @property
    @abstractmethod
    def is_prepared(self) -> bool:
        """Whether `sign` needs no answer of a person."""

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `Signer.sign`, without holding up an event loop."""
        return await self._aside(lambda: self.sign_now(grant, sealed_sha256))

    async def approve(self, change: Change) -> bytes:
        """Sign as `ApprovingSigner.approve`, without holding up an event loop."""
        return await self._aside(lambda: self.approve_now(change))

    def sign_now(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `sign`; it blocks until it is done."""
        return self._signed(statement(grant.sha256, sealed_sha256), Namespace.REQUEST, grant.lifetime_s)

    def approve_now(self, change: Change) -> bytes:
        """Sign as `approve`; it blocks until it is done."""
        return self._signed(approval_statement(change.sha256), Namespace.APPROVAL, APPROVE_WITHIN_S)

    def _signed(self, message: bytes, namespace: Namespace, within_s: float) -> bytes:
        public = self.public()
        signature = self._signature(public, signed_bytes(message, namespace), within_s)
        return serialise(public.signer.blob, signature, namespace)

    async def _aside(self, work: Callable[[], bytes]) -> bytes:
        """Do what signs. A signer for whose answer one waits does so aside."""
        return work()

    @abstractmethod
    def _signature(self, public: SigningKey, message: bytes, within_s: float) -> bytes:
        """Return the key's signature over a message, in SSH's wire form, made within so many seconds."""


_LITERAL = "key::"
_HOW = "Name a private key, a `.pub` file, or write the public key itself: `key::ssh-ed25519 AAAA…`."


def signer_of(value: str, *, passphrase: str | Passphrase | None = None) -> LocalSigner:
    """Return the signer that a setting means.

    A private key file signs itself. A public key or a certificate, as a file or as the text itself, means that the
    ssh-agent has the other half.

    Args:
        value: The setting: text, or the path of a file.
        passphrase: Of a private key file that has one, or what asks a person for it.

    Raises:
        UsageError: there is no such file, or it is no key that can sign requests.
        RefusedError: others can reach the file of a private key.
    """
    from monoskope.client.signing.agent import AgentSigner  # noqa: PLC0415 - a signer imports this module
    from monoskope.client.signing.key_file import KeySigner, is_private  # noqa: PLC0415 - as above

    if is_public_key(value):
        return AgentSigner(value.removeprefix(_LITERAL))
    path = Path(value).expanduser()
    if is_descriptor(path):
        raise UsageError("the signing key cannot be a pipe, for it is read more than once.", fix=_HOW)
    if is_private(_content(path)):
        return KeySigner(path, passphrase=passphrase)
    _public(path)
    return AgentSigner(lambda: _public(path))


def _public(path: Path) -> SigningKey:
    lines = [line.strip() for line in _content(path).decode("utf-8", "replace").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(keys) != 1:
        raise UsageError(f"{path} does not hold exactly one key.", fix=_HOW)
    return from_line(keys[0], str(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise UsageError(f"there is no signing key {str(path)!r}.", fix=_HOW) from None
    except OSError as error:
        raise UsageError(
            f"the signing key {path} cannot be read: {type(error).__name__}.", fix="Check its owner and mode."
        ) from None

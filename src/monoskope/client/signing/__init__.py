"""How a client signs requests, for reactors that act only on what a key of their own list signed.

A signature is OpenSSH's SSHSIG over `monoskope.protocol.identity.statement`; docs/signed-requests.md is for
users. `Signing` is a client's signer as the walk uses it, which checks what it made. `signer` says what every signer
does, `agent` has a key that an ssh-agent holds, `key_file` one of a file. They load when something is signed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, approval_statement, statement
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.client.signing.signer import LocalSigner, Signer, SigningKey
    from monoskope.protocol.change import Change


class Signing(Unshared):
    """What signs requests of one client: a signer that its user gave, or the one that the settings mean.

    Args:
        signer: The user's own; None to take the settings'.
        setting: The setting `signing_key`; "" without one.
        passphrase: Asks a person for the passphrase of a private key; None if there is no person to ask.
        blocks: Whether nothing may suspend (`Runtime.blocks`).
    """

    def __init__(
        self, signer: Signer | None, setting: str, *, passphrase: Callable[[str], str] | None, blocks: bool
    ) -> None:
        self._signer = signer
        self._setting = setting
        self._is_own = signer is None
        self._passphrase = passphrase
        self._blocks = blocks

    def __repr__(self) -> str:
        return "<Signing>"

    def prepare(self) -> None:
        """Do what may fail or ask a person before a one-time key is requested. Raises as `LocalSigner.prepare`."""
        local = self._local()
        if local is not None:
            local.prepare()

    @property
    def is_prepared(self) -> bool:
        """Whether to sign needs no passphrase any more. Raises as `prepare`."""
        local = self._local()
        return local is None or local.is_prepared

    @property
    def needs_touch(self) -> bool:
        """Whether a person has to touch a security key. Raises as `prepare`."""
        local = self._local()
        return local is not None and local.needs_touch

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> tuple[bytes, str]:
        """Return the signature of a request, an SSHSIG without armour, and the key that made it, `SHA256:…`.

        Raises:
            RefusedError: what the signer returned is no signature of this request.
            Error: it does not sign.
        """
        local = self._local()
        if local is not None and self._blocks:
            made = local.sign_now(grant, sealed_sha256)
        else:
            made = await self._chosen().sign(grant, sealed_sha256)
        return made, _signer_key(made, statement(grant.sha256, sealed_sha256), Namespace.REQUEST)

    @property
    def public(self) -> SigningKey | None:
        """The key, or the certificate, as it is now; None with a signer of the user's own. Raises as `prepare`."""
        local = self._local()
        return None if local is None else local.public()

    async def approve(self, change: Change) -> bytes:
        """Return an approval of `change`, an SSHSIG without armour.

        Raises:
            UsageError: the user's own signer does not approve.
            RefusedError: what the signer returned is no approval of this change.
            Error: it does not sign.
        """
        from monoskope.client.signing.signer import ApprovingSigner  # noqa: PLC0415 - when something is signed

        local = self._local()
        if local is not None and self._blocks:
            made = local.approve_now(change)
        else:
            signer = self._chosen()
            if not isinstance(signer, ApprovingSigner):
                raise UsageError(
                    "the client's `signer` does not approve.", fix="Give it a method `approve`, or set `signing_key`."
                )
            made = await signer.approve(change)
        _signer_key(made, approval_statement(change.sha256), Namespace.APPROVAL)
        return made

    def forget(self) -> None:
        """Drop a private key that the settings led to."""
        if self._is_own and self._signer is not None:
            from monoskope.client.signing.key_file import KeySigner  # noqa: PLC0415

            if isinstance(self._signer, KeySigner):
                self._signer.forget()

    def _local(self) -> LocalSigner | None:
        from monoskope.client.signing.signer import LocalSigner  # noqa: PLC0415 - when something is signed

        signer = self._chosen()
        return signer if isinstance(signer, LocalSigner) else None

    def _chosen(self) -> Signer:
        if self._signer is None:
            from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - when something is signed

            self._signer = signer_of(self._setting, passphrase=self._passphrase)
        return self._signer


def _signer_key(content: bytes, message: bytes, namespace: Namespace) -> str:
    """Return the key that made a signature, which is checked as a reactor will, without its list.

    So a fault is told before anything is sent. An ssh-agent that does not know RSA with SHA-2, for example, answers
    with SHA-1.
    """
    from monoskope.protocol.sshsig import FaultError, parse  # noqa: PLC0415 - when something is signed

    try:
        found = parse(content, namespace)
        found.verify(message)
    except FaultError as error:
        raise RefusedError(
            f"what the signer returned would not count, and was not sent: {error.message}",
            fix=f"Update the ssh-agent, or sign with another key ({docs_page('signed-requests.md')}).",
        ) from None
    return found.key.fingerprint

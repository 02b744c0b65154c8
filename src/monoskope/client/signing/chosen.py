"""Which signer the setting `signing_key` means, as git's `user.signingKey` has it."""

from __future__ import annotations

from pathlib import Path

from monoskope.client.signing.agent_signer import AgentSigner
from monoskope.client.signing.key_signer import KeySigner, Passphrase
from monoskope.client.signing.private_file import is_private
from monoskope.client.signing.public_key import SigningKey, from_line
from monoskope.client.signing.signer import LocalSigner
from monoskope.client.sources import is_public_key
from monoskope.errors import UsageError
from monoskope.settings import is_descriptor

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

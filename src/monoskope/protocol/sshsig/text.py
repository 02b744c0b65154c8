"""Keys and certificates as OpenSSH writes them in one line of text: `ssh-ed25519 AAAA… comment`."""

from __future__ import annotations

import base64
import binascii

from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.container import parse_signer
from monoskope.protocol.sshsig.faults import Fault, FaultError
from monoskope.protocol.sshsig.fields import Reader
from monoskope.protocol.sshsig.keys import PublicKey

_LINE_LENGTH = 70
"""Characters in a line of an armoured signature, as ssh-keygen writes it."""


def parse_public(line: str) -> PublicKey | Certificate:
    """Return the key or certificate of a line of a `.pub` file; a comment behind it is ignored. Raises `FaultError`."""
    words = line.split(maxsplit=2)
    if len(words) < 2:
        raise FaultError(Fault.MALFORMED, "a public key is the name of its kind, a space and base64")
    return parse_words(words[0], words[1])


def parse_words(name: str, encoded: str) -> PublicKey | Certificate:
    """Return the key or certificate that `encoded` holds in base64 and whose kind is called `name`.

    Raises:
        FaultError: it is not base64 in its one form, is of another kind, or breaks a rule.
    """
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise FaultError(Fault.MALFORMED, "a public key is not base64") from None
    if base64.b64encode(blob).decode("ascii") != encoded:
        raise FaultError(Fault.MALFORMED, "a public key is not base64 in its one form")
    # A name from a command line or the environment can hold bytes that are no UTF-8.
    if Reader(blob).string() != name.encode("utf-8", "surrogateescape"):
        raise FaultError(Fault.KEY_TYPE, "a public key is of another kind than the word before it")
    return parse_signer(blob)


def armoured(signature: bytes) -> str:
    """Return an SSHSIG as the text that `ssh-keygen -Y verify` reads (PROTOCOL.sshsig, Armored format)."""
    text = base64.b64encode(signature).decode("ascii")
    lines = [text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])

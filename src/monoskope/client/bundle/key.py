"""The key that signs a newcomer's requests, and the line that lets a store take it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from monoskope.client.signing.agent import SOCKET, Agent
from monoskope.client.signing.signer import SigningKey, from_line
from monoskope.errors import Error, UsageError
from monoskope.protocol.identity import Namespace
from monoskope.protocol.login import Member
from monoskope.protocol.tlog.forms import base64_text
from monoskope.settings import write_private
from monoskope.value import Value

_SSH = ("id_ed25519", "id_ecdsa", "id_rsa")


class Found(Value, frozen=True):
    """A key that can sign requests."""

    setting: str
    """What `signing_key` is set to for it."""
    key: SigningKey


def of_ssh(folder: Path) -> Found | None:
    """Return the SSH key in a user's folder `.ssh` that can sign requests, None if there is none."""
    return next(_usable(folder), None)


def _usable(folder: Path) -> Iterator[Found]:
    held = _held()
    for name in _SSH:
        private, public = folder / name, folder / f"{name}.pub"
        try:
            key = from_line(public.read_text("utf-8", "replace"), str(public))
        except (OSError, UsageError):
            continue  # there is none, or none that can sign
        if key.key.blob in held:
            yield Found(str(public), key)
        elif private.is_file() and not key.needs_touch:
            yield Found(str(private), key)


def _held() -> frozenset[bytes]:
    """Return the keys that the user's ssh-agent holds, none if there is no agent that answers."""
    path = os.environ.get(SOCKET)
    try:
        return frozenset(Agent(path).keys()) if path else frozenset()
    except Error:
        return frozenset()


def made_in(folder: Path) -> Found:
    """Return the new key in `folder`, which is made if it is not there yet: Ed25519, without a passphrase.

    Raises:
        NotWritableError: the folder cannot be written.
        UsageError: what lies there is no key.
    """
    private, public = folder / "signing_key", folder / "signing_key.pub"
    if not private.exists():
        _make(private, public)
    return Found(str(private), from_line(public.read_text("utf-8", "replace"), str(public)))


def _make(private: Path, public: Path) -> None:
    """Write the public half, then the private one: where that is, both are."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - once
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    shown = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_private(public, shown + b" monoctl\n", replace=True)
    write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def line_for(member: Member, key: SigningKey) -> str:
    """Return what a store's operator is sent: the line for `[signers]`, with the member's id and `SHA256:…` behind it.

    Of a certificate it says whom that names: not its key is listed, but the one of its CA.
    """
    if key.principal:
        return f"{member} signs as {key.principal}, by a certificate for the key {key.shown}"
    words = f"{key.key.kind.name} {base64_text(key.key.blob)}"
    return f'{member.name} namespaces="{Namespace.REQUEST.value}" {words} {member} {key.shown}'

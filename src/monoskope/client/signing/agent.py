"""The protocol of ssh-agents (draft-ietf-sshm-ssh-agent), as far as signing needs it: list keys, and sign."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from monoskope.client.signing.public_key import SigningKey
from monoskope.errors import RefusedError, UnavailableError, UsageError
from monoskope.protocol.sshsig.fields import Reader, string, uint32

SOCKET = "SSH_AUTH_SOCK"
"""The environment variable that names the agent's socket."""

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_RSA_SHA2_512 = 4
"""The flag that asks for an RSA signature with SHA-512 (RFC 8332); without it an agent takes SHA-1."""
_MOST_BYTES = 262_144
"""The longest message, as OpenSSH has it."""
_LIST_S = 10.0
"""Seconds for a list, for which nobody is asked."""
_OR_FILE = "or set `signing_key` to a private key file"


class Agent:
    """An ssh-agent. Each question takes a connection of its own.

    Args:
        path: Of its socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def keys(self) -> dict[bytes, str]:
        """Return the keys and certificates that it holds, in wire form, each with its comment.

        Raises:
            UnavailableError: it does not answer, or not as an agent does.
        """
        answer = self._ask(bytes([_REQUEST_IDENTITIES]), _LIST_S)
        if answer[:1] != bytes([_IDENTITIES_ANSWER]):
            raise self._strange()
        try:
            reader = Reader(answer[1:])
            return {reader.string(): reader.string().decode("utf-8", "replace") for _ in range(reader.uint32())}
        except UsageError:
            raise self._strange() from None

    def sign(self, public: SigningKey, held: bytes, message: bytes, within_s: float) -> bytes:
        """Return a key's signature over `message`, in SSH's wire form.

        Args:
            public: The key.
            held: How the agent names it: a key or a certificate of `keys`.
            message: What is signed.
            within_s: Seconds to wait; a person may have to touch a security key, or to confirm.

        Raises:
            RefusedError: it does not sign.
            UnavailableError: it does not answer in time, or not as an agent does.
        """
        flags = _RSA_SHA2_512 if public.key.modulus else 0
        answer = self._ask(bytes([_SIGN_REQUEST]) + string(held) + string(message) + uint32(flags), within_s)
        if answer[:1] != bytes([_SIGN_RESPONSE]):
            touched = "its security key was not touched, " if public.needs_touch else ""
            raise RefusedError(
                f"the ssh-agent does not sign with {public.shown}: {touched}a person said no, or the agent is locked;"
                " nothing was sent.",
                fix="See `ssh-add -l`, unlock the agent with `ssh-add -X`, then try again.",
            )
        try:
            reader = Reader(answer[1:])
            signature = reader.string()
            reader.end()
        except UsageError:
            raise self._strange() from None
        return signature

    def _ask(self, message: bytes, within_s: float) -> bytes:
        if not hasattr(socket, "AF_UNIX"):
            raise UsageError(
                "this system has no ssh-agent that monoctl can ask.", fix="Set `signing_key` to a private key file."
            )
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                ends_at = time.monotonic() + within_s
                connection.settimeout(within_s)
                connection.connect(self._path)
                connection.sendall(string(message))
                size = int.from_bytes(_receive(connection, 4, ends_at), "big")
                if size > _MOST_BYTES:
                    raise self._strange()
                return _receive(connection, size, ends_at)
        except TimeoutError:
            raise UnavailableError(
                f"the ssh-agent did not answer within {within_s:g} s; nothing was sent.",
                fix=f"Touch the security key or confirm sooner, start the agent anew, {_OR_FILE}.",
            ) from None
        except OSError as error:
            raise UnavailableError(
                f"the ssh-agent does not answer: {os.strerror(error.errno or 0).lower()}; nothing was sent.",
                fix=f"Start one (`eval $(ssh-agent)`) and add the key with `ssh-add`, {_OR_FILE}.",
            ) from None

    def _strange(self) -> UnavailableError:
        return UnavailableError(
            f"what answers at {SOCKET} does not speak as an ssh-agent does; nothing was sent.",
            fix=f"Check {SOCKET}, {_OR_FILE}.",
        )


def _receive(connection: socket.socket, size: int, ends_at: float) -> bytes:
    """Return so many bytes. A time limit of the socket alone would begin anew with each byte that comes."""
    received = bytearray()
    while len(received) < size:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(min(size - len(received), 65_536))
        if not part:
            raise ConnectionResetError(104, "closed")
        received += part
    return bytes(received)


def find_agent(environ: Mapping[str, str] = os.environ) -> Agent:
    """Return the agent that the environment names. Raises `UsageError` if it names none."""
    path = environ.get(SOCKET)
    if not path:
        raise UsageError(
            f"the signing key is a public key, so an ssh-agent must hold the other half, and {SOCKET} is not set.",
            fix=f"Start one (`eval $(ssh-agent)`) and add the key with `ssh-add`, {_OR_FILE}.",
        )
    return Agent(path)

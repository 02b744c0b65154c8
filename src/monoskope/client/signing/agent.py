"""Signing by an ssh-agent: the private half of the key is never in this process.

It speaks the protocol of ssh-agents (draft-ietf-sshm-ssh-agent), as far as signing needs it: list keys, and sign.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

from monoskope.client.signing.signer import LocalSigner, SigningKey, from_line
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
"""Seconds for a list, which no person has to confirm."""
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


class AgentSigner(LocalSigner):
    """Signs with a key that an ssh-agent holds.

    Args:
        public: The public key or certificate as one line (`ssh-ed25519 AAAA…`), or what returns it as it is now.
        agent: Which agent; None for the one that SSH_AUTH_SOCK names then.

    Raises:
        UsageError: `public` is no public key or certificate that can sign requests.
    """

    def __init__(self, public: str | Callable[[], SigningKey], *, agent: Agent | None = None) -> None:
        self._agent = agent
        self._known: tuple[SigningKey, bytes] | None = None
        """The key, and how the agent named it when it was asked last. It is asked again if that signs nothing."""
        if isinstance(public, str):
            parsed = from_line(public, "the public key")
            self._read: Callable[[], SigningKey] = lambda: parsed
        else:
            self._read = public

    def __repr__(self) -> str:
        return "<AgentSigner>"

    def public(self) -> SigningKey:
        """Return the key, or the certificate, as it is now. Raises `UsageError`."""
        return self._read()

    @property
    def is_prepared(self) -> bool:
        """Whether `sign` needs no answer of a person here: the agent itself asks."""
        return True

    def prepare(self) -> None:
        """Look whether the agent holds the key, and whether it can sign. Raises as `LocalSigner.prepare`."""
        public = self.public()
        public.check_time(time.time())
        self._held(public)

    async def _aside(self, work: Callable[[], bytes]) -> bytes:
        """Sign in a thread. The event loop goes on: a person may have to touch a security key."""
        from monoskope.client.runtime.on_asyncio import in_thread  # noqa: PLC0415 - a command that blocks does without asyncio

        return await in_thread(work)

    def _signature(self, public: SigningKey, message: bytes, within_s: float) -> bytes:
        public.check_time(time.time())
        held = self._held(public)
        try:
            return self._found().sign(public, held, message, within_s)
        except RefusedError:
            self._known = None
            self._held(public)  # It says so if the agent does not hold the key any more.
            raise

    def _found(self) -> Agent:
        return self._agent or find_agent()

    def _held(self, public: SigningKey) -> bytes:
        """Return how the agent names the key: by its certificate if it has that, else as the key alone."""
        if self._known is not None and self._known[0] == public:
            return self._known[1]
        keys = self._found().keys()
        for held in (public.signer.blob, public.key.blob):
            if held in keys:
                self._known = public, held
                return held
        has = "it holds no key at all, or is locked" if not keys else "it holds others"
        raise UsageError(
            f"the ssh-agent does not hold the signing key {public.shown}: {has}; nothing was sent.",
            fix="Add it with `ssh-add FILE`, or unlock the agent with `ssh-add -X`; see `ssh-add -l`.",
        )

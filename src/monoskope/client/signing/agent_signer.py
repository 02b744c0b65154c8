"""Signing by an ssh-agent: the private half of the key is never in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from monoskope.client.signing.agent import Agent, find_agent
from monoskope.client.signing.public_key import SigningKey, from_line
from monoskope.client.signing.signer import LocalSigner
from monoskope.errors import RefusedError, UnavailableError
from monoskope.protocol.grant import Grant


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

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `Signer.sign`. The event loop goes on: a person may have to touch a security key."""
        from monoskope.client.runtime.on_asyncio import in_thread  # noqa: PLC0415 - a command that blocks does without asyncio

        return await in_thread(lambda: self.sign_now(grant, sealed_sha256))

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
        raise UnavailableError(
            f"the ssh-agent does not hold the signing key {public.shown}: {has}; nothing was sent.",
            fix="Add it with `ssh-add FILE`, or unlock the agent with `ssh-add -X`; see `ssh-add -l`.",
        )

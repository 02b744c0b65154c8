"""What every transport promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from monoskope.client.methods import Method

R = TypeVar("R", bound=Message)

Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, and values: sent with a call."""


class Transport(Protocol):
    """The connection to one server. It dials at the first call.

    Each method raises our errors alone:

        NotSentError: nothing of the call was sent. `TurnedAwayError` if the server ended the connection before TLS.
        NotReachedError: the connection failed or broke.
        IdentityChangedError: the server's certificate does not verify.
        ProtocolError: the answer is no message of this protocol.
        TimedOutError: no answer came in time.
        Error: what m8 said, by its code.
    """

    async def call(self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata) -> R:
        """Call a unary method."""

    def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""

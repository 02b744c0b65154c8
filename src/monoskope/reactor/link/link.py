"""What a session needs of its connection to m8, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UnavailableError
from monoskope.protocol.login import LoginRefusal
from monoskope.reactor.link.endpoint import Endpoint

MAX_MESSAGE = 1_572_864
"""Bytes of one message of m8 at most (1.5 MiB): the largest sealed secret, and a receipt and a signature with it."""

PING_S = 10.0
"""After so many seconds without a word m8 is asked whether it is there."""

PONG_S = 5.0
"""Within so many seconds it must answer; else the link has ended."""


class SessionEndedError(UnavailableError):
    """m8 ended the stream, did not answer, or did not speak the protocol."""


class Origin(Enum):
    """Whose word a status is."""

    M8 = "m8"
    """m8 said it, over its own certificate."""
    HTTP = "http"
    """An answer of HTTP that opens no session: from m8, or from a proxy before it."""
    CERTIFICATE = "certificate"
    """The certificate that was shown is not trusted."""
    NOTHING = "nothing"
    """Nothing answered."""


class StatusError(SessionEndedError):
    """m8 ended the stream with a status that is an error. The text that m8 sent with it is left out.

    Attributes:
        status: The status, as `google.rpc.Code` names it. `UNAVAILABLE` also where m8 could not be reached at all.
        refusal: Why m8 refuses the login, if it said so in words that are known here.
        origin: Whose word that is.
        detail: Of an HTTP answer its status; of a certificate what is wrong with it, as OpenSSL says it.
    """

    def __init__(
        self, status: str, refusal: LoginRefusal | None = None, *, origin: Origin = Origin.M8, detail: str = ""
    ) -> None:
        super().__init__(f"m8 ended the session with {status}.", fix="See m8's log.")
        self.status = status
        self.refusal = refusal
        self.origin = origin
        self.detail = detail


class Link(Protocol):
    """A stream of messages to m8 and back. Several tasks may write; one reads."""

    async def read(self) -> reactor_pb2.AttachResponse:
        """Return the next message.

        Raises:
            StatusError: m8 refuses, or was not reached.
            SessionEndedError: at the stream's end, or what m8 sent does not parse.
        """

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        """Send a message; waits while m8 does not read. Raises as `read` if the stream has ended."""

    async def end(self) -> None:
        """Say that nothing more will be written; m8 then ends the stream. Raises as `read` if it has ended."""


Dial = Callable[[Endpoint], AbstractAsyncContextManager[Link]]
"""Makes a link to the endpoint's server, which ends with the block. Entering and `Link.read` raise its errors."""


def ended() -> SessionEndedError:
    """Return the error for a stream that m8 ended without one."""
    return SessionEndedError("m8 ended the session.")


def garbled() -> SessionEndedError:
    """Return the error for what m8 sent and what is no message."""
    return SessionEndedError("m8 sent what does not parse.", fix="Update the reactor or m8.")

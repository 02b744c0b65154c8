"""What one peer may take of a server: bytes, places and seconds."""

from __future__ import annotations

from dataclasses import dataclass

MOST_HEAD = 16_384
"""Bytes of a request's head at most: a token and little else."""

MOST_FIELDS = 64
"""Header fields of a request at most."""

MOST_TARGET = 2_048
"""Bytes of a request's target at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server grants its peers. Everything is in seconds, except where it says otherwise.

    Attributes:
        most: Connections at a time. Further ones are closed.
        handshake_s: For the TLS handshake.
        head_s: For the head of a request, from its first byte; and for the first byte of a connection.
        idle_s: Between two requests of a connection. 0: each connection ends with its first answer.
        body_s: For the body of a request, beside what `body_rate` grants.
        body_rate: Bytes of a body that must come each second.
        unread_s: For reading as much of an answer as is sent at once (`outgoing.PORTION`).
        linger_s: How long the rest of a refused request is thrown away, so that its sender can read why.
        ping_s: Between two pings of a WebSocket.
        pong_s: For the answer to a ping, and to a close.
        ending_s: How long streams and WebSockets may end by themselves when the server drains.
        sweep_s: How often all of these are looked after: each may take so much longer.
    """

    most: int = 1_000
    handshake_s: float = 5.0
    head_s: float = 5.0
    idle_s: float = 60.0
    body_s: float = 10.0
    body_rate: int = 32_768
    unread_s: float = 10.0
    linger_s: float = 2.0
    ping_s: float = 20.0
    pong_s: float = 10.0
    ending_s: float = 1.0
    sweep_s: float = 0.5

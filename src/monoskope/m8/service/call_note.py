"""What the logs say of one call: filled in as the call goes on, and told once it has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

from monoskope.m8.domain.principal import Principal


@dataclass(slots=True)
class CallNote:
    """One call. Nothing of what it carries stands here: no value, no token, no hash.

    Attributes:
        method: What was called.
        door: By which transport.
        peer: Who called, as `host_port.peer_name` names it.
        client_request_id: The caller's own name for the call, "" for none.
        principal: The caller, once its token was found valid.
        about: What the call is about, by name: the URI, the request, the store, who signed the request.
        code: How it ended.
        duration_ms: How long it took.
        is_proven: Whether the caller has shown who it is: by a token, or as a reactor.
    """

    method: str
    door: str
    peer: str
    client_request_id: str = ""
    principal: Principal | None = None
    about: dict[str, str] = field(default_factory=dict)
    code: str = ""
    duration_ms: int = 0
    is_proven: bool = False


TellCall: TypeAlias = Callable[[CallNote], None]
"""Takes note of a call that has ended. It is quick, and never fails."""

current: ContextVar[CallNote | None] = ContextVar("call_note", default=None)
"""The call that the current task answers, None outside of calls."""


def about(**named: str) -> None:
    """Note what the current task's call is about."""
    if (noted := current.get()) is not None:
        noted.about |= named

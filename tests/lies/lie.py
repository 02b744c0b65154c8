"""What a lie is: data that one test tells, and a table prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from monoskope.errors import Code

WRITING = ("put", "patch", "generate", "delete", "undelete", "rollback", "copy")
READING = ("compare", "verify", "import", "list")
EVERY = WRITING + READING
"""The purposes, as users call them."""
SEALING = ("put", "patch", "compare")
"""Those that send something sealed."""


class Step(Enum):
    STORE = "what a store is"
    KEY = "the one-time key"
    SENDING = "the sealed secret on its way"
    END = "how it ended"
    RECEIPT = "the receipt"
    REFUSAL = "refusals and errors"
    TIMING = "early, late, twice"
    QUESTIONS = "what is known of secrets"
    EVENTS = "events"
    ACCESS = "tokens and role bindings"
    SERVERS = "a list of servers"
    LOGIN = "a reactor's login"
    DELIVERY = "what reactors are told"
    APPENDS = "what reactors append"
    COPIES = "a copy between two stores"
    LOG = "the witnessed log"
    CHANGE = "a change that waits for approvals"
    APPROVALS = "approvals on their way"
    REPLICAS = "replicas and restarts"


class Victim(Enum):
    SDK = "client"
    COMMAND = "monoctl"
    REACTOR = "reactor"


@dataclass(frozen=True)
class Lie:
    """One lie.

    Attributes:
        step: Where it is told.
        name: What m8 says, in a few words; unique.
        tell: Makes the hostile m8 tell it: gets the scene (`tests.lies.scene`), or a scripted m8.
        says: What the victim must say, as a regular expression over code, message and fix, or over the result.
        code: The code of the error; None if what is asked for succeeds all the same, and is the truth.
        purposes: What is asked for while it is told: purposes, questions or commands (`tests.lies.walks`).
        against: Who is lied to.
        silent: Whether m8 says nothing more, so that the client waits until its patience is over.
        both_servers: Whether the client has a list of both servers.
        settles: Whether the real m8 gets to know how it ended.
        done: Whether what was asked for is done upstream, although the client cannot know; None for either.
    """

    step: Step
    name: str
    tell: Callable[[Any], Any]
    says: str = ""
    code: Code | None = None
    purposes: tuple[str, ...] = EVERY
    against: Victim = Victim.SDK
    silent: bool = False
    done: bool | None = None
    both_servers: bool = False
    settles: bool = True

    def __post_init__(self) -> None:
        assert self.code is None or self.says, f"{self.name}: what does the victim say?"
        re.compile(self.says)

    @property
    def id(self) -> str:
        return f"{self.step.name.lower()}: {self.name}"

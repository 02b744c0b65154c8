"""Lies to a reactor that logs in: it comes back, and does nothing that nobody signed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from monoskope.api.gateway.v1 import reactor_pb2
from tests.lies.lie import Lie, Step, Victim
from tests.lies.rig import MEMORY
from tests.lies.scene import Scene

LOGIN = Step.LOGIN
ASKED = ("put", "delete", "verify")


def at_login(kind: str, change: Callable[[Any], Any], *, times: int | None = 1) -> Callable[[Scene], Any]:
    """Break the reactor's connection, and change what it is told at its next login."""

    def tell(scene: Scene) -> None:
        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            change(answer)
            return answer

        scene.wire.change_delivery(kind, act, times=times)
        for session in scene.wire.live(MEMORY):
            session.cut()

    return tell


def _sets(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda answer: setattr(answer.attached, name, value)


def _replicas(answer: Any) -> None:
    answer.attached.replicas.extend([b"short", os.urandom(16), b""])


def _clear(answer: Any) -> None:
    answer.Clear()


LIES = (
    Lie(
        LOGIN,
        "another challenge than it will take",
        at_login("challenge", lambda answer: setattr(answer, "challenge", os.urandom(32))),
        purposes=ASKED,
        against=Victim.REACTOR,
    ),
    Lie(
        LOGIN,
        "a challenge of one byte",
        at_login("challenge", lambda answer: setattr(answer, "challenge", b"x")),
        purposes=ASKED,
        against=Victim.REACTOR,
    ),
    Lie(LOGIN, "an empty challenge", at_login("challenge", _clear), purposes=ASKED, against=Victim.REACTOR),
    Lie(LOGIN, "replicas that are none", at_login("Attached", _replicas), purposes=ASKED, against=Victim.REACTOR),
    Lie(
        LOGIN,
        "a position far ahead",
        at_login("Attached", _sets("position", 2**62)),
        purposes=ASKED,
        against=Victim.REACTOR,
    ),
    Lie(
        LOGIN,
        "heartbeats of no seconds",
        at_login("Attached", _sets("heartbeat_s", 0)),
        purposes=ASKED,
        against=Victim.REACTOR,
    ),
    Lie(LOGIN, "nothing in place of its login", at_login("Attached", _clear), purposes=ASKED, against=Victim.REACTOR),
)

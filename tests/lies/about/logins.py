"""Lies to a reactor that logs in: it comes back, and does nothing without a signature."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from monoskope.api.gateway.v1 import reactor_pb2
from tests.lies.lie import Lie, Step, Victim
from tests.lies.rig import MEMORY
from tests.lies.scene import Scene
from tests.support.hostile_rules import Way

LOGIN = Step.LOGIN
ASKED = ("put", "delete", "verify")


def at_login(kind: str, change: Callable[[Any], Any]) -> Callable[[Scene], Any]:
    """Break the reactor's connection, and change what it is told at its next login."""

    def tell(scene: Scene) -> None:
        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            change(answer)
            return answer

        scene.wire.change_delivery(kind, act)
        for session in scene.wire.live(MEMORY):
            session.cut()

    return tell


def now(answer: reactor_pb2.AttachResponse) -> Callable[[Scene], Any]:
    def tell(scene: Scene) -> None:
        for session in scene.wire.live(MEMORY):
            session.send(Way.TO_REACTOR, answer)

    return tell


def _refused(scene: Scene) -> None:
    """Break the reactor's connection, and refuse its next two logins."""
    scene.wire.on_append("AttachReactor", lambda one, _: one.session.cut(), times=2)
    for session in scene.wire.live(MEMORY):
        session.cut()


def _sets(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda answer: setattr(answer.attached, name, value)


def _replicas(answer: Any) -> None:
    answer.attached.replicas.extend([b"short", os.urandom(16), b""])


def _clear(answer: Any) -> None:
    answer.Clear()


def lie(name: str, tell: Callable[[Scene], Any]) -> Lie:
    return Lie(LOGIN, name, tell, purposes=ASKED, against=Victim.REACTOR)


LIES = (
    lie("that it cannot log in, twice", _refused),
    lie("a challenge in its session", now(reactor_pb2.AttachResponse(challenge=bytes(32)))),
    lie("nothing in its session", now(reactor_pb2.AttachResponse())),
    lie("no record", now(reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=b"\xff")))),
    lie("another challenge", at_login("challenge", lambda answer: setattr(answer, "challenge", os.urandom(32)))),
    lie("a challenge of one byte", at_login("challenge", lambda answer: setattr(answer, "challenge", b"x"))),
    lie("an empty challenge", at_login("challenge", _clear)),
    lie("replicas that are none", at_login("Attached", _replicas)),
    lie("a position far ahead", at_login("Attached", _sets("position", 2**62))),
    lie("heartbeats of no seconds", at_login("Attached", _sets("heartbeat_s", 0))),
    lie("nothing in place of its login", at_login("Attached", _clear)),
)

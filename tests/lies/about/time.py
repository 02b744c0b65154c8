"""Early, late, twice, in another order, and long after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from tests.lies.lie import READING, WRITING, Lie, Step, Victim
from tests.lies.scene import Scene
from tests.support.hostile_rules import Call, Passing, Rule

TIMING, UNKNOWN, REACTOR = Step.TIMING, Code.OUTCOME_UNKNOWN, Victim.REACTOR
ALONE = tuple(one for one in WRITING if one != "copy")
"""Those that change their own store."""
UNTIL = "could still be|no longer|it may or may not|is not known"


def later(times: int, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Change the first answers alone."""
    left = [times]

    def act(answer: Any) -> None:
        if left[0]:
            left[0] -= 1
            change(answer)

    return act


def _no_key_yet(answer: Any) -> None:
    answer.Clear()
    answer.state = views_pb2.UPLOAD_STATE_REQUESTED


def _no_end_yet(view: Any) -> None:
    view.ClearField("receipt")
    view.state = views_pb2.UPLOAD_STATE_UPLOADING


def _ended_with_a_key(answer: Any) -> None:
    answer.state, answer.reason = views_pb2.UPLOAD_STATE_ENDED, upload_pb2.REASON_STORE_INACTIVE


def _withheld(*, delivered: bool) -> Callable[[Scene], Any]:
    """Say that the key is lost; deliver at once, or after the user has read that."""

    def tell(scene: Scene) -> None:
        ghost = scene.wire.belie(of=scene.uri) if delivered else scene.wire.withhold(of=scene.uri)

        async def deliver() -> None:
            if ghost.rule.taken:  # else another lie came before this one
                await ghost.deliver()

        scene.afterwards.append(deliver)

    return tell


def _thrice(kind: str) -> Callable[[Scene], Any]:
    """Deliver an event three times."""

    def act(one: Passing, _: object) -> None:
        for _ in range(3):
            one.go()

    return lambda scene: scene.wire.on_delivery(kind, act, times=None, of=scene.uri)


def _again_later(kind: str) -> Callable[[Scene], Any]:
    """Deliver an event, and once more when all is over."""

    def tell(scene: Scene) -> None:
        def act(one: Passing, _: object) -> None:
            one.go()
            scene.afterwards.append(lambda: _go(one))

        scene.wire.on_delivery(kind, act, times=1, of=scene.uri)

    return tell


async def _go(one: Passing) -> None:
    one.go()


def _swapped(scene: Scene) -> None:
    """Deliver the sealed secret before the request for its key, and then in order."""
    held: list[Passing] = []

    def keep(one: Passing, _: object) -> None:
        held.append(one)
        one.go()

    def before(one: Passing, _: object) -> None:
        one.go()
        held[0].go()
        one.go()

    scene.wire.on_delivery("SecretUploadKeyRequested", keep, times=1, of=scene.uri)
    scene.wire.on_delivery("SecretUploadRequested", before, times=1, of=scene.uri)


def _asks_twice(scene: Scene) -> None:
    """Ask for the key twice, at the same time."""

    async def act(call: Call, _: Rule[Call]) -> bytes:
        first, second = await asyncio.gather(scene.wire.forward(call), scene.wire.forward(call))
        assert first == second
        return second

    scene.wire.on_call("RequestSecretUploadKey", act, times=1, of=scene.uri)


done = partial(Lie, TIMING, against=REACTOR)
unknown = partial(Lie, TIMING, code=UNKNOWN)

LIES = (
    Lie(TIMING, "the key at the third asking", lambda scene: scene.change_key(later(2, _no_key_yet))),
    Lie(TIMING, "the end at the third asking", lambda scene: scene.change_end(later(2, _no_end_yet))),
    Lie(
        TIMING,
        "an end beside a good key",
        lambda scene: scene.change_key(_ended_with_a_key),
        "m8 says.*STORE_INACTIVE.*nothing was sent",
        Code.REFUSED,
    ),
    Lie(TIMING, "the request for a key twice", _asks_twice),
    unknown(
        "a lost key, and delivers it after that",
        _withheld(delivered=False),
        f"no receipt.*({UNTIL})",
        purposes=ALONE,
        done=True,
    ),
    unknown(
        "a lost key, and delivers it at once",
        _withheld(delivered=True),
        f"no receipt.*({UNTIL})",
        purposes=ALONE,
        done=True,
    ),
    unknown(
        "a lost key for a question, and delivers it after that",
        _withheld(delivered=False),
        f"no receipt.*({UNTIL})",
        purposes=READING,
        done=False,
    ),
    done("the request three times", _thrice("SecretUploadKeyRequested")),
    done("the sealed secret three times", _thrice("SecretUploadRequested")),
    done("the request again, once all is over", _again_later("SecretUploadKeyRequested")),
    done("the sealed secret again, once all is over", _again_later("SecretUploadRequested")),
    done("the sealed secret before the request", _swapped),
)

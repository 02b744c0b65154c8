"""What the costliest request takes of m8's one thread before it is refused: the largest of the smallest elements."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from monoskope.errors import Error
from monoskope.m8.http.requests import Codec
from monoskope.m8.methods import Kind, Method, methods
from monoskope.m8.service.call_notes import validate
from tests.support.largest_requests import most_of_both
from tests.support.m8_world import an_m8

FIGURES = ("worst_request_proto_ms", "worst_request_json_ms")
"""CPU milliseconds of the costliest request of any method, by codec."""


async def measure(folder: Path) -> dict[str, float]:
    """Return the figures."""
    async with an_m8(folder) as world:
        asked = [one for one in methods(world.app).values() if one.kind is not Kind.ATTACHING]
        worst = _worst(asked)
    return dict(zip(FIGURES, (worst[Codec.PROTO], worst[Codec.JSON]), strict=True))


def _worst(asked: Iterable[Method]) -> dict[Codec, float]:
    worst = dict.fromkeys(Codec, 0.0)
    for method in asked:
        for codec, _, body in most_of_both(method):
            worst[codec] = max(worst[codec], min(_cpu_ms(method, codec, body) for _ in range(3)))
    return worst


def _cpu_ms(method: Method, codec: Codec, body: bytes) -> float:
    begin = time.process_time()
    with contextlib.suppress(Error):
        validate(codec.read(method, body))
    return (time.process_time() - begin) * 1_000

"""Which part of the product the innermost frames of a stack belong to."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from bench.sampler import NATIVE_THREADS, OTHER_THREADS

LOOP = "event loop: sockets, TLS, compiled code of transports"
REST = "everything else"

_TRANSPORT, _ENGINE = "transport", "HTTP to the engine"

_PARTS = (
    (_TRANSPORT, ("m8/http/", "monoskope/http/", "websockets/", "httptools/")),
    (_TRANSPORT, ("client/connection", "client/http/", "reactor/link/")),
    (_ENGINE, ("aiohttp/", "yarl/", "multidict/", "stores/vault/", "stores/shared/", "stores/")),
    ("rules of protobuf messages", ("service/call_notes",)),
    (
        "operating log, metrics, traces",
        ("monoskope/operating_log", "m8/metrics", "prometheus", "traces/"),
    ),
    ("authentication and limits", ("m8/credentials/", "m8/limits/", "joserfc/", "service/policy")),
    ("read models", ("m8/readmodels/",)),
    ("event log", ("m8/log/",)),
    ("session of the reactor", ("service/session", "service/reactors", "service/feed")),
    ("decisions and signatures", ("m8/domain/",)),
    ("calls and handlers", ("m8/methods", "m8/calls", "m8/service/", "m8/queries/")),
    ("keys, sealing, opening", ("reactor/keys/", "client/seal", "primitives/")),
    ("protocol: messages and signatures", ("monoskope/protocol/",)),
    ("work of the reactor", ("monoskope/reactor/", "reactor/")),
    ("work of the client", ("monoskope/client/", "client/")),
    ("work of the bench", ("bench/",)),
)
"""Parts with the pieces of paths that are theirs; the first that fits counts."""

_LOOP_FILES = ("/ssl.py", "asyncio/runners", "asyncio/base_events", "asyncio/events", "asyncio/sel", "asyncio/sslproto")
"""What runs everything else stands outside of it on the stack: there the search ends."""

_ASYNCIO = "tasks, timeouts and locks"
_ASYNCIO_FILES = ("asyncio/timeouts", "asyncio/tasks", "asyncio/locks", "asyncio/queues", "monoskope/event_loop")
_THREADS = {"m8-log-writer": "event log: commits, on a thread", "asyncio": "work on other threads"}


def part_of(stack: Sequence[str]) -> str:
    """Return the part of a stack, given with the innermost frame first.

    What belongs to none, as `contextlib` does, counts for its caller.
    """
    first = stack[0]
    if first == NATIVE_THREADS:
        return "threads of compiled code"
    if first.startswith(OTHER_THREADS):
        name = first.partition(":")[2]
        return next((part for begin, part in _THREADS.items() if name.startswith(begin)), "other threads")
    part = next((part for frame in stack if (part := _of_frame(frame)) is not None), LOOP)
    asked_by_driver = part == _TRANSPORT and any(
        "monoskope/stores/" in frame or "stores/vault/" in frame for frame in stack
    )
    return _ENGINE if asked_by_driver else part


@functools.cache
def _of_frame(frame: str) -> str | None:
    path = frame.rpartition(":")[0]
    if any(piece in path for piece in _LOOP_FILES):
        return LOOP
    if any(piece in path for piece in _ASYNCIO_FILES):
        return _ASYNCIO
    return next((part for part, pieces in _PARTS if any(piece in path for piece in pieces)), None)

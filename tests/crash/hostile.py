"""Hostile peers of m8, each a process of its own: `python -m tests.crash.hostile silent|logins HOST:PORT …`.

    silent SERVER FROM COUNT     opens connections from an address, says nothing, and counts those still open
    logins SERVER CA RATE        tries to log in so many times a second, with all that a login may bring

Each prints one line of JSON about four times a second until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import socket
import ssl
import sys
import time
from collections import Counter

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.host_port import HostPort
from monoskope.protocol.hello import Hello
from monoskope.protocol.identity import REACTOR_HELLO
from tests.support.vectors import KEY_ID, Signer, step
from tests.support.websocket_call import WebSocketCall

_LOOK_S = 0.25


def say(**figures: object) -> None:
    """Print a line for the test."""
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.stdout.flush()


def silent(server: str, host: str, count: int) -> None:
    """Hold `count` connections from `host`, say nothing on any, and count those that the server has not closed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name, _, port = server.rpartition(":")
    held: list[socket.socket] = []
    for _ in range(count):
        one = socket.socket()
        one.bind((host, 0))
        one.settimeout(60)
        with contextlib.suppress(OSError):
            one.connect((name, int(port)))
            one.setblocking(False)
            held.append(one)
    opened = len(held)
    while True:
        held = [one for one in held if _is_open(one)]
        say(opened=opened, open=len(held))
        time.sleep(_LOOK_S)


def _is_open(one: socket.socket) -> bool:
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


async def logins(server: str, ca_file: str, rate: float) -> None:
    """Try to log in `rate` times a second, each with 64 well-signed steps that lead nowhere."""
    stranger = Signer()
    chain = [*(Signer() for _ in range(64)), stranger]
    steps = [step(old, new, "local") for old, new in itertools.pairwise(chain)]
    answers: Counter[str] = Counter()
    tls = ssl.create_default_context(cafile=ca_file)

    async def one() -> None:
        call = WebSocketCall(HostPort.parse(server), tls=tls)
        received = await call.read()
        if isinstance(received, reactor_pb2.AttachResponse):
            hello = Hello(server, "local", os.urandom(16), received.challenge, KEY_ID)
            attach = reactor_pb2.AttachReactor(
                hello=stranger.sign(REACTOR_HELLO, hello.serialise()),
                type="age",
                capabilities=events_pb2.StoreCapabilities(max_plaintext=512),
                rotations=steps,
            )
            await call.write(reactor_pb2.AttachRequest(attach=attach))
        # However m8 refuses, the flood goes on.
        answers[await call.code()] += 1

    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        for number in itertools.count(1):
            group.create_task(one())
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if number % max(1, int(rate * _LOOK_S)) == 0:
                say(sent=number, **answers)


if __name__ == "__main__":
    if sys.argv[1] == "silent":
        silent(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        asyncio.run(logins(sys.argv[2], sys.argv[3], float(sys.argv[4])))

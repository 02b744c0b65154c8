"""An ssh-agent whose user takes as long to touch the security key as a test wants."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from monoskope.testing.engines.openssh import Agent

_SIGN_REQUEST = 13


class TouchedAgent:
    """Stands before a real agent, and keeps each request to sign until the key is touched.

    Args:
        behind: The agent, which runs.
        path: Of the new socket, in a short folder.
    """

    def __init__(self, behind: Agent, path: Path) -> None:
        self._behind = behind
        self.path = path
        self.touched = threading.Event()
        """Set while the user touches the key."""
        self._listening = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.touched.set()
        # A close alone wakes nobody who waits for the next.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program to it."""
        return {"SSH_AUTH_SOCK": str(self.path)}

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: socket.socket) -> None:
        """Carry one question and its answer: `monoctl` makes a connection for each."""
        with suppress(OSError), asking, socket.socket(socket.AF_UNIX) as agent:
            question = _message(asking)
            if question[4:5] == bytes([_SIGN_REQUEST]):
                self.touched.wait()
            agent.connect(str(self._behind.socket))
            agent.sendall(question)
            asking.sendall(_message(agent))


def _message(stream: socket.socket) -> bytes:
    head = stream.recv(4, socket.MSG_WAITALL)
    return head + stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)

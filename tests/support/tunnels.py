"""A proxy of HTTP that opens one tunnel, or says something else."""

from __future__ import annotations

import contextlib
import socket
import threading

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Tunnels:
    """A proxy that answers one request for a tunnel, and carries what comes after it."""

    def __init__(self, answer: bytes, to: int) -> None:
        self._answer, self._to = answer, to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.asked = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._listening.accept()[0] as client, socket.create_connection(("127.0.0.1", self._to)) as server:
            while not self.asked.endswith(b"\r\n\r\n"):
                piece = client.recv(65_536)
                if not piece:
                    return
                self.asked += piece
            client.sendall(self._answer)
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join(60)

    def stop(self) -> None:
        self._listening.close()
        self._thread.join(60)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # one of both ended it
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)

"""Somebody who listens where a console has ended, answers everything as a console would, and reads all of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.certificates import Handler, http_server

DONE = {"uri": "vault://stolen", "outcome": "UPLOADED", "request_id": "00" * 16, "upstream_version": "7"}
ANSWER = json.dumps({"results": [{"done": DONE}], "notes": ["Stolen."], "secrets": [], "stores": [], "total": 0})
"""What it says to every call: a success."""


@dataclass
class Heard:
    """What came: the heads, and the bodies of calls by their operation."""

    heads: list[str] = field(default_factory=list)
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def everything(self) -> bytes:
        return "\n".join(self.heads).encode() + b"\n".join(body for _, body in self.bodies)


@contextlib.contextmanager
def thief(port: int) -> Iterator[Heard]:
    """Take a port of 127.0.0.1 that somebody has just left."""
    heard = Heard()

    class Thief(Handler):
        def do_GET(self) -> None:  # noqa: N802 - so the library calls it
            self._answer(b"<!doctype html><title>Stolen</title>", "text/html")

        def do_POST(self) -> None:  # noqa: N802 - so the library calls it
            heard.bodies.append((self.path.removeprefix("/api/"), self.body()))
            self._answer(ANSWER.encode(), "application/json")

        def _answer(self, content: bytes, kind: str) -> None:
            heard.heads.append(f"{self.path}\n{self.headers}")
            said = {"Content-Type": kind, "Access-Control-Allow-Origin": "*", "Console-Proof": 43 * "A"}
            self.reply(200, content, said)

    with http_server(Thief, port=port):
        yield heard

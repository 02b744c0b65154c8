"""Somebody who listens where a console did, answers everything with success, and keeps what comes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_INVENTED = b'{"results":[{"done":{"uri":"vault://x","outcome":"UPLOADED","request_id":""}}],"notes":[],"keys":[]}'


@dataclass(slots=True)
class Loot:
    """What the thief got: each request's path with its whole head, and its body."""

    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    allow_reuse_address = True


@contextlib.contextmanager
def thief(port: int) -> Iterator[Loot]:
    """Listen at 127.0.0.1 and `port`."""
    loot = Loot()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            loot.heads.append(f"{self.path}\n{self.headers}")
            loot.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Console-Proof", "A" * 43)
            self.send_header("Content-Length", str(len(_INVENTED)))
            self.end_headers()
            self.wfile.write(_INVENTED)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with _Server(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield loot
        finally:
            server.shutdown()
            thread.join()

"""A web page of somebody else, on an origin of its own on this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    def send(self, content: bytes, **fields: str) -> None:
        """Answer; an underscore in a field's name stands for its hyphen."""
        self.send_response(200)
        for name, text in ({"Content_Length": str(len(content))} | fields).items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextlib.contextmanager
def answering(answer: type[Answer], port: int = 0) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", port), answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def foreign_page(html: str = "<!doctype html><html lang=en><title>Foreign</title><p>Foreign") -> Iterator[str]:
    """Serve `html` at every path of a free port, and return the origin."""

    class Page(Answer):
        def do_GET(self) -> None:
            self.send(html.encode(), Content_Type="text/html; charset=utf-8")

    with answering(Page) as port:
        yield f"http://127.0.0.1:{port}"

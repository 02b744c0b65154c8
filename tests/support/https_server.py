"""An HTTPS server of a test's own, at a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextlib.contextmanager
def https_server(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext) -> Iterator[str]:
    """Serve until the end of the block, and yield the URL. At the end of it no request may wait for anything."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            with contextlib.suppress(OSError):  # of which ssl.SSLError is one
                secured = context.wrap_socket(request, server_side=True)
                with contextlib.closing(secured):
                    super().finish_request(secured, client_address)

    server = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

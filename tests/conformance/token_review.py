"""A stand-in for a Kubernetes API server that answers TokenReview and nothing else, for OpenBao's login `kubernetes`.

It is not a Kubernetes API server: it follows the published form of `authentication.k8s.io/v1` TokenReview, and believes
the tokens that a test says it should.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from monoskope.testing.engines import openbao_files


class TokenReview:
    """What the server believes and was asked."""

    def __init__(self, folder: Path) -> None:
        openbao_files.make_certificate(folder)
        self.ca = (folder / openbao_files.CA).read_text(encoding="ascii")
        self.address = ""
        self.believed: dict[str, tuple[str, str]] = {}
        """Token -> namespace and name of its service account."""
        self.reviewers: list[str] = []
        """Whose token each question came with."""

    def answer(self, review: dict[str, Any], reviewer: str) -> dict[str, Any]:
        self.reviewers.append(reviewer)
        account = self.believed.get(review["spec"]["token"])
        status: dict[str, Any] = {"authenticated": False, "error": "it is not known"}
        if account is not None:
            namespace, name = account
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
            user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": "u1", "groups": groups}
            status = {"authenticated": True, "user": user, "audiences": review["spec"].get("audiences", [])}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


@contextmanager
def serving(folder: Path) -> Iterator[TokenReview]:
    """Serve on a free port of 127.0.0.1, over TLS."""
    review = TokenReview(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own signature
            pass

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
            body = json.dumps(review.answer(asked, self.headers["Authorization"].removeprefix("Bearer "))).encode()
            self.send_response(201 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    review.address = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield review
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

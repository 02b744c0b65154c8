"""A tiny issuer over HTTPS: a discovery document and a JWKS, which a test changes, breaks and counts."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monoskope.m8.http import tls
from tests.support.certificates import Handler, http_server

DOCUMENT = "/.well-known/openid-configuration"


@dataclass
class HttpsIssuer:
    """What it answers, by path: a status, headers and a body. `asked` has each request's path and its authorization."""

    url: str
    ca_file: Path
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    wait: threading.Event = field(default_factory=threading.Event)
    """Cleared, it lets every request wait."""

    def publish(self, jwks: bytes, **document: Any) -> None:
        """Answer with these keys, and with a discovery document that names them."""
        said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **document}
        self.answers[DOCUMENT] = (200, {}, json.dumps(said).encode())
        self.answers["/keys"] = (200, {}, jwks)

    def asked_for(self, path: str) -> int:
        return sum(1 for one, _ in self.asked if one == path)


@contextlib.contextmanager
def https_issuer(folder: Path) -> Iterator[HttpsIssuer]:
    made = tls.make((), now=dt.datetime.now(dt.UTC))
    for name, content in (("issuer-ca.crt", made.ca), ("pair.pem", made.certificate + made.key)):
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    found = HttpsIssuer("", folder / "issuer-ca.crt")
    found.wait.set()

    class Answering(Handler):
        def answer(self) -> None:
            found.asked.append((self.path, self.headers.get("Authorization", "")))
            found.wait.wait(30)
            status, headers, body = found.answers.get(self.path, (404, {}, b""))
            self.reply(status, body, headers)

    with http_server(Answering, context) as port:
        found.url = f"https://127.0.0.1:{port}"
        try:
            yield found
        finally:
            found.wait.set()

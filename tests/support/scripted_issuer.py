"""An issuer over HTTPS that answers what a test says, and signs what a test wants."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import ECKey

from monoskope.client.login.issuer import Issuer
from monoskope.m8.http import tls
from tests.support.certificates import Handler, http_server

Answer = tuple[int, Any]
"""A status, and what is sent as JSON; bytes as they are."""


class ScriptedIssuer:
    """What it answers stands in `answers`: a path to what the next calls get, the last one for ever."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.url = f"https://localhost:{port}"
        self.ca_file = ca_file
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Each request's path and query, and the fields of its form."""
        self.authorizations: list[str | None] = []
        self.reset()

    def reset(self) -> None:
        """Be an honest provider."""
        self.asked.clear()
        self.authorizations.clear()
        self.answers = {
            "/.well-known/openid-configuration": [(200, self.document())],
            "/jwks": [(200, {"keys": [self.key.as_dict(private=False)]})],
        }

    def document(self, **changed: Any) -> dict[str, Any]:
        ends = ("authorization", "token", "device_authorization", "revocation")
        said: dict[str, Any] = {f"{name}_endpoint": f"{self.url}/{name}" for name in ends}
        return said | {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"} | changed

    def says(self, **changed: Any) -> None:
        self.answers["/.well-known/openid-configuration"] = [(200, self.document(**changed))]

    def issuer(self, **changed: str) -> Issuer:
        return Issuer(self.url, ca_file=str(self.ca_file), **changed)

    def id_token(self, *, header: dict[str, Any] | None = None, key: Any = None, **changed: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "monoctl",
            "sub": "anna",
            "iat": now,
            "exp": now + 3600,
            "nonce": "n",
        } | changed
        head = {"alg": "ES256", "kid": "one"} | (header or {})
        return jwt.encode(head, {name: one for name, one in claims.items() if one is not None}, key or self.key)

    def take(self, path: str, fields: dict[str, str]) -> Answer:
        self.asked.append((path, fields))
        left = self.answers.get(path.partition("?")[0], [(404, {"error": "not_found"})])
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serving(folder: Path) -> Iterator[ScriptedIssuer]:
    made = tls.make(["localhost", "127.0.0.1"], now=dt.datetime.now(dt.UTC))
    for name, content in (("ca.crt", made.ca), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")

    class Answering(Handler):
        def answer(self) -> None:
            scripted.authorizations.append(self.headers.get("authorization"))
            status, content = scripted.take(self.path, dict(parse_qsl(self.body().decode())))
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            moved = {"Location": "/jwks"} if 300 <= status < 400 else {}
            self.reply(status, body, moved | {"Content-Type": "application/json"})

    with http_server(Answering, context) as port:
        scripted = ScriptedIssuer(port, folder / "ca.crt")
        yield scripted

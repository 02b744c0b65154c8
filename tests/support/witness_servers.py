"""Witnesses of tests: keys that cosign, a server over TLS that says what a test wants, and real litewitnesses."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.client
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from monoskope.m8.http import tls
from monoskope.m8.tree.witnesses import Witnesses
from monoskope.protocol.tlog.checkpoint import Checkpoint, Kind, VerifierKey, cosigned_message, cosigned_text
from monoskope.protocol.tlog.note import NoteSignature
from monoskope.testing.engines.litewitness import Litewitness
from tests.support.certificates import Handler, http_server

LITEWITNESS = Path(__file__).resolve().parents[2] / "build" / "litewitness" / "litewitness"


Asking: TypeAlias = Callable[..., AbstractAsyncContextManager[Witnesses]]
"""Asks servers, each given with its key or verifier key, and a quorum."""


class WitnessKey:
    def __init__(self, name: str, *, kind: Kind = Kind.COSIGNATURE_ED25519) -> None:
        self._private: Ed25519PrivateKey | MLDSA44PrivateKey
        self._private = (
            Ed25519PrivateKey.generate() if kind is Kind.COSIGNATURE_ED25519 else MLDSA44PrivateKey.generate()
        )
        self.vkey = VerifierKey(name, kind, self._private.public_key().public_bytes_raw())

    def cosign(self, checkpoint: Checkpoint, at_s: int) -> NoteSignature:
        if self.vkey.kind is Kind.COSIGNATURE_ED25519:
            message = cosigned_text(checkpoint, at_s)
        else:
            message = cosigned_message(self.vkey.name, checkpoint, at_s)
        signature = at_s.to_bytes(8, "big") + self._private.sign(message)
        return NoteSignature(self.vkey.name, self.vkey.key_id, signature)


@dataclass
class Request:
    method: str
    path: str
    body: bytes


@dataclass
class Reply:
    """What it says. With `wait` the head comes when the event is set; `endless` is repeated until the client goes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    endless: bytes = b""


Says = Callable[[Request], Reply]


@dataclass
class WitnessServer:
    """`says` may be changed at any time. `asked` has every request."""

    url: str
    ca_file: Path | None
    says: Says
    asked: list[Request] = field(default_factory=list)

    def toml(self, vkey: VerifierKey | str) -> str:
        lines = [f'url = "{self.url}"', f'vkey = "{vkey}"', f'ca_file = "{self.ca_file}"']
        return "\n".join(["[[witness]]", *lines, ""])


@contextlib.contextmanager
def witness_server(folder: Path, says: Says) -> Iterator[WitnessServer]:
    """Serve at a free port of 127.0.0.1 until the end of the block, with the certificate of `folder`."""
    ca_file, pair = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    found = WitnessServer("", ca_file, says)
    over = threading.Event()

    class Answering(Handler):
        def answer(self) -> None:
            request = Request(self.command, self.path, self.body())
            found.asked.append(request)
            reply = found.says(request)
            while reply.wait is not None and not over.is_set() and not reply.wait.wait(0.02):
                pass
            if not reply.endless:
                self.reply(reply.status, reply.body, reply.headers)
                return
            self.close_connection = True
            self.send_response(reply.status)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(reply.body)
                while not over.is_set():
                    self.wfile.write(reply.endless)

    with http_server(Answering, context) as port:
        found.url = f"https://127.0.0.1:{port}"
        try:
            yield found
        finally:
            over.set()


def before(port: int) -> Says:
    """Say what the HTTP server at a port of this machine says: TLS ends here. 502 if it is away."""

    def says(request: Request) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            try:
                connection.request(request.method, request.path, request.body)
                answer = connection.getresponse()
                return Reply(answer.status, answer.read(), {"Content-Type": answer.headers.get("Content-Type", "")})
            except OSError:
                return Reply(502)

    return says


def mirrored(port: int) -> Says:
    """As `before`, and show the checkpoint that was cosigned last, as c2sp.org/tlog-witness wants it of a witness."""
    shown: dict[str, bytes] = {}
    ask = before(port)

    def says(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, shown[request.path]) if request.path in shown else Reply(404)
        reply = ask(request)
        if reply.status == 200:
            note = request.body.partition(b"\n\n")[2]
            origin = note.partition(b"\n")[0]
            shown[f"/{hashlib.sha256(origin).hexdigest()}/checkpoint"] = note + reply.body
        return reply

    return says


def needed() -> Path:
    """Return where litewitness is. Where it was not built the test is skipped, and in CI it fails."""
    if not LITEWITNESS.exists() or shutil.which("witnessctl") is None:
        pytest.skip("there is no litewitness: apt-get install litetlog golang-go gcc, then tools/get_litewitness.py")
    return LITEWITNESS


@contextlib.contextmanager
def real_witness(folder: Path, name: str) -> Iterator[tuple[Litewitness, WitnessServer]]:
    with Litewitness(needed(), name) as witness, witness_server(folder, before(witness.port)) as server:
        yield witness, server


def _certificate(folder: Path) -> tuple[Path, Path]:
    ca_file, pair = folder / "witness-ca.crt", folder / "witness.pem"
    if not pair.exists():
        made = tls.make((), now=dt.datetime.now(dt.UTC))
        ca_file.write_bytes(made.ca)
        pair.write_bytes(made.certificate + made.key)
    return ca_file, pair

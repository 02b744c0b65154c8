"""A hostile m8 between examples/http/put.py and a store: the program sends nothing to, and believes nothing of, a liar.

m8 is a small server here, which holds a store's keys and says what a test wants it to say.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from msgspec import structs

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.http import tls
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import RECEIPT, SEALED_SECRET, UPLOAD_GRANT, labelled
from monoskope.protocol.payload import decode
from monoskope.protocol.receipt import Receipt, make_receipt, sealed_digest
from monoskope.protocol.request import parse_request
from monoskope.protocol.signed_request import statement
from monoskope.protocol.sshsig import parse
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from tests.support.ssh import keygen

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "http" / "put.py"
URI = "vault://team-a/db"
VALUE = b"correct horse battery staple"
KEY_ID = "0123456789abcdef"
HASH = f"fp1:{KEY_ID}:{'ab' * 32}"


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def token(subject: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


@dataclass
class Liar:
    """m8 and the store's reactor in one. The functions are what a test replaces."""

    identity: Identity = field(default_factory=Identity)
    key: OneTimeKey = field(default_factory=OneTimeKey)
    grants: Callable[[Grant], Grant] = lambda grant: grant
    receipts: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
    signs_grant: Identity | None = None
    signs_receipt: Identity | None = None
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    grant: Grant | None = None
    opened: list[dict[str, bytes]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    signed: bool = False
    """Whether the store takes signed requests alone."""

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(method)
        if method in self.answers:
            return self.answers[method]
        if method == "RequestSecretUploadKey":
            return {"key": self._granted(base64.b64decode(asked["request"]))}
        sealed = base64.b64decode(asked["encapsulatedKey"]), base64.b64decode(asked["ciphertext"])
        signer = self._signer(base64.b64decode(asked["requestSignature"]), sealed_digest(*sealed))
        return {"upload": {"state": "UPLOAD_STATE_ENDED", "receipt": self._written(*sealed, signer)}}

    def _signer(self, signature: bytes, sealed_sha256: bytes) -> dict[str, str]:
        """What a receipt says of who signed, if the request is signed as it must be."""
        assert self.grant is not None
        if not self.grant.signature_required:
            assert signature == b""
            return {}
        found = parse(signature)
        found.verify(statement(self.grant.sha256, sealed_sha256))
        return {"signer": "anna@example.org", "signer_key": found.key.fingerprint}

    def _granted(self, content: bytes) -> dict[str, Any]:
        grant = make_grant(
            request=parse_request(content),
            subject="anna",
            public_key=self.key.public,
            replica=self.key.replica,
            lifetime_s=60,
            max_plaintext=1024,
            fingerprint_key_id=KEY_ID,
            signature_required=self.signed,
        )
        self.grant = self.grants(grant)
        return {"grant": self._signed(self.signs_grant, UPLOAD_GRANT, self.grant.content)}

    def _written(self, encapsulated_key: bytes, ciphertext: bytes, signer: dict[str, str]) -> dict[str, str]:
        assert self.grant is not None
        suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
        private = MLKEM768X25519PrivateKey(self.key.mlkem, self.key.x25519)
        plaintext = suite.decrypt(encapsulated_key + ciphertext, private, labelled(SEALED_SECRET, self.grant.content))
        self.opened.append(dict(decode(plaintext)))
        fields = {
            "grant": self.grant,
            "sealed_sha256": sealed_digest(encapsulated_key, ciphertext),
            "outcome": upload_pb2.OUTCOME_UPLOADED,
            "upstream_version": "1@now",
            "fingerprint": HASH,
            "values": [("password", HASH)],
            **signer,
        }
        receipt: Receipt = make_receipt(**self.receipts(fields))
        return self._signed(self.signs_receipt, RECEIPT, receipt.content)

    def _signed(self, signer: Identity | None, label: bytes, content: bytes) -> dict[str, str]:
        signed = (signer or self.identity).sign(label, content)
        return {
            "content": text(signed.content),
            "signature": text(signed.signature),
            "identityKey": text(signed.identity_key),
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    folder = tmp_path_factory.mktemp("liar")
    for name, content in (("ca.crt", made.ca), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_bytes(content)
    (folder / "token").write_text(token("anna") + "\n")
    return folder


@contextmanager
def serving(liar: Liar, folder: Path) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(liar.answer(self.path.rpartition("/")[2], asked)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def put(
    liar: Liar, folder: Path, *, value: bytes = VALUE, scheme: str = "", signing_key: Path | None = None
) -> subprocess.CompletedProcess[str]:
    with serving(liar, folder) as server:
        arguments: list[str] = [scheme + server, "ca.crt", "token", URI, liar.identity.shown, "password"]
        arguments += [] if signing_key is None else ["--signing-key", str(signing_key)]
        return subprocess.run(
            [sys.executable, str(PROGRAM), *arguments],
            cwd=folder,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            input=value.decode(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def test_what_an_honest_store_got_is_what_was_put(folder: Path) -> None:
    liar = Liar()
    done = put(liar, folder, scheme="https://")
    assert (done.returncode, done.stdout) == (0, f"UPLOADED {HASH}\n"), done.stderr
    assert liar.opened == [{"password": VALUE}]
    assert VALUE.decode() not in done.stderr


@pytest.mark.parametrize("public", ["", ".pub"], ids=["private key", "public key beside it"])
def test_where_the_store_asks_for_it_the_request_is_signed(folder: Path, tmp_path: Path, public: str) -> None:
    liar = Liar(signed=True)
    done = put(liar, folder, signing_key=Path(f"{keygen(tmp_path / 'key')}{public}"))
    assert (done.returncode, done.stdout) == (0, f"UPLOADED {HASH}\n"), done.stderr


def test_without_a_signing_key_nothing_is_sent(folder: Path) -> None:
    liar = Liar(signed=True)
    done = put(liar, folder)
    assert done.returncode == 1
    assert "takes signed requests alone" in done.stderr
    assert liar.calls == ["RequestSecretUploadKey"]


def test_a_receipt_that_names_another_key_is_not_believed(folder: Path, tmp_path: Path) -> None:
    liar = Liar(signed=True, receipts=lambda fields: fields | {"signer_key": f"SHA256:{'a' * 43}"})
    done = put(liar, folder, signing_key=keygen(tmp_path / "key"))
    assert done.returncode == 1
    assert "another key" in done.stderr


def for_another_request(grant: Grant) -> Grant:
    message = upload_pb2.UploadRequest.FromString(grant.request.content)
    message.uri = "vault://team-b/db"
    return regranted(grant, request=message.SerializeToString(deterministic=True))


def regranted(grant: Grant, **changed: Any) -> Grant:
    message = upload_pb2.UploadGrant.FromString(grant.content)
    for name, found in changed.items():
        setattr(message, name, found)
    return structs.replace(grant, content=message.SerializeToString(deterministic=True))


BEFORE_SENDING: dict[str, tuple[Liar, str]] = {
    "another identity": (Liar(signs_grant=Identity()), "another identity than the one that you gave"),
    "another request": (Liar(grants=for_another_request), "The grant is for another request"),
    "another user": (Liar(grants=lambda grant: regranted(grant, subject="eve")), "The grant is for another request"),
    "another suite": (Liar(grants=lambda grant: regranted(grant, suite=2)), "The grant is for another request"),
    "no key": (
        Liar(answers={"RequestSecretUploadKey": {"key": {"state": "UPLOAD_STATE_ENDED"}}}),
        "There is no key, so nothing was sent",
    ),
}


@pytest.mark.parametrize("lie", BEFORE_SENDING)
def test_nothing_is_sent_to_a_liar(folder: Path, lie: str) -> None:
    liar, sentence = BEFORE_SENDING[lie]
    done = put(liar, folder)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert liar.calls == ["RequestSecretUploadKey"]


def test_a_grant_with_the_identitys_name_and_another_signature_is_not_believed(folder: Path) -> None:
    liar = Liar()
    liar.signs_grant = Forger(liar.identity)
    done = put(liar, folder)
    assert "InvalidSignature" in done.stderr
    assert liar.calls == ["RequestSecretUploadKey"]


def test_what_does_not_fit_is_not_sent(folder: Path) -> None:
    liar = Liar()
    for value in (b"", b"x" * 1000):
        assert "empty, or too large" in put(liar, folder, value=value).stderr
    assert set(liar.calls) == {"RequestSecretUploadKey"}


class Forger(Identity):
    """Shows a store's key and signs with another."""

    def __init__(self, shown: Identity) -> None:
        super().__init__()
        object.__setattr__(self, "_shown", shown)

    def sign(self, label: bytes, content: bytes) -> upload_pb2.Signed:
        signed = super().sign(label, content)
        signed.identity_key = self._shown.key  # type: ignore[attr-defined]
        return signed


def failed(reason: upload_pb2.Reason) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda fields: {
        "grant": fields["grant"],
        "sealed_sha256": fields["sealed_sha256"],
        "outcome": upload_pb2.OUTCOME_FAILED,
        "reason": reason,
    }


def started(fields: dict[str, Any]) -> dict[str, Any]:
    about = {name: fields[name] for name in ("grant", "sealed_sha256")}
    return about | {"outcome": upload_pb2.OUTCOME_STARTED, "intent": bytes(32)}


AFTER_SENDING: dict[str, tuple[Liar, str]] = {
    "another identity": (Liar(signs_receipt=Identity()), "another identity than the one that you gave"),
    "other bytes": (
        Liar(receipts=lambda fields: fields | {"sealed_sha256": bytes(32)}),
        "The receipt is not for what was sent",
    ),
    "another grant": (
        Liar(receipts=lambda fields: fields | {"grant": regranted(fields["grant"], lifetime_s=61)}),
        "The receipt is not for what was sent",
    ),
    "a refusal": (Liar(receipts=failed(upload_pb2.REASON_CONFLICT)), "FAILED, and nothing was written. The reason is"),
    "a key that was lost": (Liar(receipts=failed(upload_pb2.REASON_KEY_LOST)), "does not say that it was written"),
    "a beginning": (Liar(receipts=started), "does not say that it was written"),
    "no receipt": (Liar(answers={"RequestUploadSecret": {"upload": {}}}), "KeyError: 'receipt'"),
}


@pytest.mark.parametrize("lie", AFTER_SENDING)
def test_only_a_receipt_for_what_was_sent_is_success(folder: Path, lie: str) -> None:
    liar, sentence = AFTER_SENDING[lie]
    done = put(liar, folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "without a receipt, it may or may not have been written" in done.stderr
    assert liar.calls == ["RequestSecretUploadKey", "RequestUploadSecret"]

"""A hostile m8 between examples/http/put.py and a store: the program sends nothing to a liar, and believes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.identity import RECEIPT, SEALED_SECRET, UPLOAD_GRANT, labelled
from monoskope.protocol.payload import decode
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.m8 import FINGERPRINT, Attempt
from monoskope.uri import SecretUri
from tests.lies.signed.grants import ended, sets
from tests.lies.signed.row import another, ends, failure, receipt, rewritten, shows_grant, unsigned
from tests.protocol.purposes import URI, ShowingM8, success
from tests.support.ssh import keygen

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "http" / "put.py"
VALUE = b"correct horse battery staple"
Tell = Callable[[ShowingM8], Any]


def put(
    m8: ShowingM8, folder: Path, *, value: bytes = VALUE, scheme: str = "", signing_key: Path | None = None
) -> subprocess.CompletedProcess[str]:
    (folder / "token").write_text(token("alice") + "\n")
    with m8.serving_in_thread(folder):
        arguments: list[str] = [scheme + m8.server, "ca.crt", "token", URI, m8.identity.shown, "password"]
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


def opened(attempt: Attempt) -> dict[str, bytes]:
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    private = MLKEM768X25519PrivateKey(attempt.key.mlkem, attempt.key.x25519)
    return dict(decode(suite.decrypt(attempt.sealed[0], private, labelled(SEALED_SECRET, attempt.grant.content))))


def test_what_an_honest_store_got_is_what_was_put(tmp_path: Path) -> None:
    m8 = ShowingM8()
    done = put(m8, tmp_path, scheme="https://")
    assert (done.returncode, done.stdout) == (0, f"UPLOADED {FINGERPRINT}\n"), done.stderr
    assert opened(m8.attempts[0]) == {"password": VALUE}
    assert VALUE.decode() not in done.stderr


@pytest.mark.parametrize("public", ["", ".pub"], ids=["private key", "public key beside it"])
def test_where_the_store_asks_for_it_the_request_is_signed(tmp_path: Path, public: str) -> None:
    m8 = ShowingM8()
    m8.signed = True
    done = put(m8, tmp_path, signing_key=Path(f"{keygen(tmp_path / 'key')}{public}"))
    assert (done.returncode, done.stdout) == (0, f"UPLOADED {FINGERPRINT}\n"), done.stderr
    m8.attempts[0].check_signature()


def of_a_forger(_: ShowingM8, attempt: Attempt) -> upload_pb2.Signed:
    """Show the store's key, and sign with another."""
    signed = Identity().sign(UPLOAD_GRANT, attempt.grant.content)
    signed.identity_key = attempt.signer.key
    return signed


def elsewhere(m8: ShowingM8, attempt: Attempt) -> upload_pb2.Signed:
    uri = SecretUri.parse("vault://team-b/db")
    return another(m8, attempt, request_id=attempt.request.request_id, uri=uri).signed_grant()


def takes_signed_requests(m8: ShowingM8) -> None:
    m8.signed = True


BEFORE_SENDING: dict[str, tuple[Tell, str]] = {
    "another identity": (
        shows_grant(lambda _, attempt: Identity().sign(UPLOAD_GRANT, attempt.grant.content)),
        "another identity than the one that you gave",
    ),
    "another signature": (shows_grant(of_a_forger), "InvalidSignature"),
    "another request": (shows_grant(elsewhere), "The grant is for another request"),
    "another user": (sets("subject", "eve"), "The grant is for another request"),
    "another suite": (sets("suite", 2), "The grant is for another request"),
    "no key": (ended(upload_pb2.REASON_NO_REACTOR), "There is no key, so nothing was sent"),
    "signed requests alone": (takes_signed_requests, "takes signed requests alone"),
}


@pytest.mark.parametrize("lie", BEFORE_SENDING)
def test_nothing_is_sent_to_a_liar(tmp_path: Path, lie: str) -> None:
    m8 = ShowingM8()
    tell, sentence = BEFORE_SENDING[lie]
    tell(m8)
    done = put(m8, tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert m8.calls == ["RequestSecretUploadKey"]


@pytest.mark.parametrize("value", [b"", b"x" * 1000])
def test_what_does_not_fit_is_not_sent(tmp_path: Path, value: bytes) -> None:
    m8 = ShowingM8()
    sets("max_plaintext", 1024)(m8)
    assert "empty, or too large" in put(m8, tmp_path, value=value).stderr
    assert m8.calls == ["RequestSecretUploadKey"]


def begun(attempt: Attempt) -> upload_pb2.Signed:
    return attempt.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32))


AFTER_SENDING: dict[str, tuple[Tell, str]] = {
    "another identity": (
        ends(receipt(lambda attempt: Identity().sign(RECEIPT, success(attempt).content))),
        "another identity than the one that you gave",
    ),
    "other bytes": (ends(rewritten(sealed_sha256=bytes(32))), "The receipt is not for what was sent"),
    "another grant": (ends(rewritten(grant_sha256=bytes(32))), "The receipt is not for what was sent"),
    "a refusal": (ends(failure(upload_pb2.REASON_CONFLICT)), "FAILED, and nothing was written. The reason is"),
    "a key that was lost": (ends(failure(upload_pb2.REASON_KEY_LOST)), "does not say that it was written"),
    "a beginning": (ends(receipt(begun)), "does not say that it was written"),
    "no receipt": (ends(unsigned(upload_pb2.REASON_UNSPECIFIED)), "KeyError: 'receipt'"),
    "another key": (ends(rewritten(signer_key=f"SHA256:{'a' * 43}")), "another key"),
}


@pytest.mark.parametrize("lie", AFTER_SENDING)
def test_only_a_receipt_for_what_was_sent_is_success(tmp_path: Path, lie: str) -> None:
    m8 = ShowingM8()
    tell, sentence = AFTER_SENDING[lie]
    tell(m8)
    m8.signed = lie == "another key"
    done = put(m8, tmp_path, signing_key=keygen(tmp_path / "key") if m8.signed else None)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "without a receipt, it may or may not have been written" in done.stderr
    assert m8.calls == ["RequestSecretUploadKey", "RequestUploadSecret"]

"""tests/vectors-messages.json, by which another implementation checks itself: here ours is checked by it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.client.seal import seal
from monoskope.client.walk.trust import chain
from monoskope.errors import UsageError
from monoskope.protocol.grant import open_grant, parse_grant
from monoskope.protocol.hello import open_hello
from monoskope.protocol.identity import SEALED_SECRET, Namespace, ProofError, labelled, statement
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import ENDS
from monoskope.protocol.payload import BadPayloadError, Payload, decode, encode
from monoskope.protocol.receipt import Receipt, sealed_digest
from monoskope.protocol.request import parse_request
from monoskope.protocol.sshsig import container
from monoskope.protocol.wire import MalformedError, parse
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.testing.parts import needed
from monoskope.uri import SecretUri
from tests.support.typescript import bundle
from tools.message_vectors.__main__ import made, text_of

FILE = Path(__file__).parents[2] / "vectors-messages.json"
TEXT = FILE.read_text(encoding="utf-8")
VECTORS: dict[str, Any] = json.loads(TEXT)
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

Vector = dict[str, Any]

FAULTS = {
    "IDENTITY": ("a message is signed by",),
    "SIGNATURE": ("a signature does not",),
    "REQUEST": ("the grant is for another request",),
    "SUBJECT": ("the grant is for another user",),
    "GRANT": ("the receipt is for another grant",),
    "SECRET": ("the receipt is for another secret",),
    "OUTCOME": ("the receipt's outcome",),
    "CHANGE": ("the receipt is for another change", "the receipt does not say that the glass"),
    "SIGNER": ("the receipt does not say who signed",),
    "PUBLIC_VALUES": ("the receipt's public halves",),
    "PAGE": ("the receipt lists another page",),
    "RESTORED": ("the receipt is not about the version", "the receipt brings back another version"),
    "SOURCE": ("the receipt copied another version", "the receipt copied other keys"),
    "DESTINATION": ("the destination's",),
    "SEALED": ("the receipt is for other sealed bytes",),
    "CHALLENGE": ("the hello answers another challenge",),
    "SERVER": ("the hello was made for the server",),
    "STORE": ("an identity rotation is for another store",),
    "CHAIN": ("the identity rotations do not form a chain",),
    "BACK": ("an identity rotation leads back",),
    "STEPS": ("more than 64 identity rotations",),
}
"""How our errors begin, by the classes of the vectors."""


def _fault(error: UsageError | ProofError) -> Vector:
    """What an error of ours says, in the words of the vectors."""
    if isinstance(error, MalformedError):
        return {"fault": "MALFORMED", "field": error.field}
    if isinstance(error, UsageError):
        return {"fault": "MALFORMED", "field": "store"}  # the one field that is checked by a rule of all rooms
    found = [word for word, begins in FAULTS.items() if error.message.startswith(begins)]
    return {"fault": found[0] if len(found) == 1 else error.message}


def _says(kind: type[Message], content: bytes) -> Vector:
    return {"says": MessageToDict(parse(kind, content))}


def _signed(vector: Vector) -> upload_pb2.Signed:
    return upload_pb2.Signed(**{name: bytes.fromhex(digits) for name, digits in vector["signed"].items()})


def _uri(vector: Vector) -> Vector:
    try:
        uri = SecretUri.parse(vector["uri"])
    except UsageError:
        return {"fault": "URI"}
    assert str(uri) == vector["uri"]
    return {"store": uri.store, "path": list(uri.path)}


def _request(vector: Vector) -> Vector:
    content = bytes.fromhex(vector["content"])
    assert parse_request(content).content == content
    return _says(upload_pb2.UploadRequest, content)


def _grant(vector: Vector) -> Vector:
    request = bytes.fromhex(vector["request"])
    grant = open_grant(_signed(vector), identity=vector["identity"], request=request, subject=vector["subject"])
    return _says(upload_pb2.UploadGrant, grant.content)


def _hello(vector: Vector) -> Vector:
    challenge, signed = bytes.fromhex(vector["challenge"]), _signed(vector)
    hello = open_hello(signed, identity=vector["identity"], challenge=challenge, servers=vector["servers"])
    assert hello.serialise() == signed.content
    return _says(identity_pb2.ReactorHello, signed.content)


def _rotation(vector: Vector) -> Vector:
    steps = [VECTORS["steps"][name] for name in vector["steps"]]
    rotations = [
        identity_pb2.SignedRotation(**{name: bytes.fromhex(digits) for name, digits in step.items()}) for step in steps
    ]
    try:
        return {"identity": [vector["pin"], *chain(vector["pin"], rotations, store=vector["store"])][-1]}
    except ProofError as error:
        if error.message == "an identity rotation is malformed.":  # which field, the client does not say
            return {"fault": "MALFORMED", "field": vector["expected"]["field"]}
        raise


def _receipt(vector: Vector) -> Vector:
    grant = parse_grant(bytes.fromhex(VECTORS["receipt_grants"][vector["grant"]]))
    sealed = bytes.fromhex(vector["sealed_sha256"])
    receipt = open_receipt(_signed(vector), identity=vector["identity"], grant=grant, sealed_sha256=sealed)
    return {"proves": _proves(receipt), **_says(upload_pb2.Receipt, receipt.content)}


def _proves(receipt: Receipt) -> str:
    if receipt.outcome not in ENDS:
        return "NO_END"
    if receipt.outcome != upload_pb2.OUTCOME_FAILED:
        return "SUCCESS"
    open_ends = {upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_OUTCOME_UNKNOWN}
    return "NOTHING" if receipt.reason in open_ends else "FAILURE"


def _values(shown: dict[str, str]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in shown.items()}


def _plaintext(vector: Vector) -> Vector:
    plaintext = bytes.fromhex(vector["plaintext"])
    try:
        payload = decode(plaintext)
    except BadPayloadError:
        return {"fault": "BAD_PAYLOAD"}
    assert encode(Payload(_values(vector["expected"]["values"]))) == plaintext
    return {"values": {key: base64.b64encode(payload[key]).decode() for key in payload}}


def _hashes(vector: Vector) -> Vector:
    found = FingerprintKey(bytes.fromhex(vector["fingerprint_key"])).fingerprints(_values(vector["values"]))
    return {"values": dict(found.values), "whole": found.whole}


def _signed_request(vector: Vector) -> Vector:
    said = statement(bytes.fromhex(vector["grant_sha256"]), bytes.fromhex(vector["sealed_sha256"]))
    signature = container.parse(bytes.fromhex(vector["expected"]["signature"]), Namespace.REQUEST)
    signature.verify(said)
    return {"statement": said.hex(), "signature": signature.serialise().hex(), "signer_key": signature.key.fingerprint}


def _private_key(vector: Vector) -> MLKEM768X25519PrivateKey:
    expanded = hashlib.shake_256(bytes.fromhex(vector["private_key"])).digest(96)
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    return MLKEM768X25519PrivateKey(MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), curve)


def _sealed(vector: Vector) -> Vector:
    info = labelled(SEALED_SECRET, bytes.fromhex(vector["grant"]))
    encapsulated_key, ciphertext = bytes.fromhex(vector["encapsulated_key"]), bytes.fromhex(vector["ciphertext"])
    assert sealed_digest(encapsulated_key, ciphertext).hex() == vector["sealed_sha256"]
    try:
        return {"plaintext": SUITE.decrypt(encapsulated_key + ciphertext, _private_key(vector), info).hex()}
    except InvalidTag:
        return {"fault": "OPEN"}


SECTIONS: dict[str, Callable[[Vector], Vector]] = {
    "uris": _uri,
    "requests": _request,
    "grants": _grant,
    "hellos": _hello,
    "rotations": _rotation,
    "plaintexts": _plaintext,
    "sealed": _sealed,
    "hashes": _hashes,
    "signed_requests": _signed_request,
    "receipts": _receipt,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_message_is_read_as_its_vector_says(section: str) -> None:
    wrong = []
    for vector in VECTORS[section]:
        try:
            found = SECTIONS[section](vector)
        except (UsageError, ProofError) as error:
            found = _fault(error)
        if found != vector["expected"]:
            wrong.append((vector.get("name", vector.get("uri")), found, vector["expected"]))
    assert wrong == []
    assert len(VECTORS[section]) > 1


@pytest.mark.parametrize("vector", VECTORS["unsealable"], ids=lambda vector: ascii(vector["name"]))
def test_what_no_reactor_would_open_is_not_sealed(vector: Vector) -> None:
    with pytest.raises(UsageError):
        encode(Payload({key: bytes(size) for key, size in vector["sizes"].items()}))


@pytest.mark.parametrize("vector", VECTORS["public_keys"], ids=lambda vector: vector["name"])
def test_nothing_is_sealed_for_a_key_that_is_none(vector: Vector) -> None:
    with pytest.raises(ProofError, match="the reactor's public key is not one"):
        seal(bytes(512), parse_grant(bytes.fromhex(vector["grant"])))


def test_what_is_sealed_here_opens_with_the_key_of_the_vectors() -> None:
    vector = VECTORS["sealed"][0]
    plaintext = bytes.fromhex(vector["expected"]["plaintext"])
    sealed = seal(plaintext, parse_grant(bytes.fromhex(vector["grant"])))
    parts = {"encapsulated_key": sealed.encapsulated_key.hex(), "ciphertext": sealed.ciphertext.hex()}
    assert _sealed(vector | parts | {"sealed_sha256": sealed.sha256.hex()}) == vector["expected"]


def test_the_vectors_are_what_their_tool_makes() -> None:
    assert text_of(made(VECTORS)) == TEXT


TESTS = Path(__file__).resolve().parents[2]


def test_the_typescript_client_agrees_with_every_vector_and_claims_nothing_unproven(tmp_path: Path) -> None:
    node, script = needed("node", "nodejs"), bundle("test/all.test.ts", tmp_path)
    done = subprocess.run(
        [node, "--no-warnings", "--test-reporter=tap", script],
        env={"VECTORS": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    counted = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert counted is not None
    assert int(counted[1]) > 40

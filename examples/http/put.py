"""Put the value on stdin as one key of a secret, with the standard library and `cryptography` alone.

python put.py localhost:7443 ca.crt token vault://team-a/db SHA256:… password < password.txt

With `--signing-key FILE` at the end it signs for stores that ask for it, by OpenSSH's `ssh-keygen`. With
`--id-token-file FILE`, and `-` in place of the token's file, it exchanges a token of an issuer that m8 knows.
"""

import base64
import hashlib
import http.client
import io
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

server, ca_file, token_file, uri, identity, key, *more = sys.argv[1:]
options = dict(zip(more[::2], more[1::2], strict=True))
signing_key, id_token_file = (options.get(name, "") for name in ("--signing-key", "--id-token-file"))
host, value = server.removeprefix("https://"), sys.stdin.buffer.read()


def exchanged(id_token: str) -> str:
    """Return m8's own token for one of an issuer (RFC 8693)."""
    kind = "urn:ietf:params:oauth:token-type:id_token"
    grant = "urn:ietf:params:oauth:grant-type:token-exchange"
    form = urlencode({"grant_type": grant, "subject_token_type": kind, "subject_token": id_token})
    connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=ca_file), timeout=90)
    connection.request("POST", "/oauth2/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer: dict[str, str] = json.load(connection.getresponse())
    return (
        answer["access_token"] if "access_token" in answer else sys.exit(f"m8 refuses: {answer['error_description']}")
    )


def text_of(file: str) -> str:
    """Return what stands in a file."""
    return Path(file).read_text().strip()


token = exchanged(text_of(id_token_file)) if id_token_file else text_of(token_file)


def call(method: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return m8's answer to one call."""
    connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=ca_file), timeout=90)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Connect-Timeout-Ms": "60000"}
    path = f"/monoskope.api.gateway.v1.SecretCommandService/{method}"
    connection.request("POST", path, json.dumps(message), headers)
    response = connection.getresponse()
    answer: dict[str, Any] = json.load(response)
    if response.status != 200:
        sys.exit(f"m8 refuses {method}: {answer['message']}")
    return answer


def base64_of(content: bytes) -> str:
    """Return bytes as JSON has them."""
    return base64.b64encode(content).decode()


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message: a number below 16, and fewer than 16,384 bytes."""
    size = len(content)
    return bytes([number << 3 | 2, size] if size < 128 else [number << 3 | 2, size & 127 | 128, size >> 7]) + content


def fields(message: bytes) -> dict[int, Any]:
    """Return the fields of a protobuf message by their numbers; of a repeated field the last."""
    stream, found = io.BytesIO(message), dict[int, Any]()

    def integer() -> int:
        byte = stream.read(1)[0]
        return byte if byte < 128 else byte & 127 | integer() << 7

    while stream.tell() < len(message):
        tag, size = integer(), integer()
        found[tag >> 3] = stream.read(size) if tag & 7 == 2 else size
    return found


def verified(signed: dict[str, str], label: bytes) -> tuple[bytes, dict[int, Any]]:
    """Return the content that the store's pinned identity has signed, and its fields."""
    content, signature, signer = (base64.b64decode(signed[name]) for name in ("content", "signature", "identityKey"))
    if "SHA256:" + base64_of(hashlib.sha256(signer).digest()).rstrip("=") != identity:
        sys.exit("The store has another identity than the one that you gave.")
    Ed25519PublicKey.from_public_bytes(signer).verify(signature, label + b"\0" + content)
    return content, fields(content)


def ssh_keygen(*words: str, content: bytes = b"") -> bytes:
    """Return what ssh-keygen prints."""
    return subprocess.run(["ssh-keygen", *words], input=content, stdout=subprocess.PIPE, check=True).stdout


# Ask the store's reactor for a one-time key: UPLOAD, EXPECT_ANY, suite 1.
request_id = os.urandom(16)
request = field(1, request_id) + b"\x10\x01" + field(3, uri.encode()) + b"\x20\x01" + field(6, b"\x01")
asked = call("RequestSecretUploadKey", {"request": base64_of(request), "wait": True})["key"]
if "grant" not in asked:
    sys.exit(f"There is no key, so nothing was sent: {asked}")

# Believe the grant only if the pinned identity signed it, for this request and this user.
grant, granted = verified(asked["grant"], b"m8/upload-grant/v1")
subject = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sub"]
if (granted[1], granted[2], granted[3]) != (request, subject.encode(), 1):
    sys.exit("The grant is for another request.")

if granted.get(9) and not signing_key:
    sys.exit("The store takes signed requests alone, so nothing was sent. Give --signing-key.")

# Pad, and seal once.
plaintext = json.dumps({key: base64_of(value)}, separators=(",", ":")).encode()
size = 512
while size < len(plaintext):
    size *= 2
if not value or size > granted[7]:
    sys.exit("The value is empty, or too large for this store.")
public_key = MLKEM768X25519PublicKey(
    MLKEM768PublicKey.from_public_bytes(granted[4][:1184]), X25519PublicKey.from_public_bytes(granted[4][1184:])
)
suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
sealed = suite.encrypt(plaintext.ljust(size), public_key, b"m8/sealed-secret/v1\0" + grant)

# Sign what is sealed, for this grant alone, if the grant asks for it.
digests = hashlib.sha256(grant).digest(), hashlib.sha256(sealed).digest()
signature, signer_key = b"", b""
if granted.get(9):
    statement = b"m8/signed-request/v1\0" + digests[0] + digests[1]
    armoured = ssh_keygen("-Y", "sign", "-q", "-f", signing_key, "-n", "request@monoskope", content=statement)
    signature = base64.b64decode(b"".join(armoured.splitlines()[1:-1]))
    signer_key = ssh_keygen("-l", "-f", signing_key).split()[1]

# Send it. From here on only a receipt tells how it ended.
print(f"Request {request_id.hex()}: without a receipt, it may or may not have been written.", file=sys.stderr)
parts = {"encapsulatedKey": base64_of(sealed[:1120]), "ciphertext": base64_of(sealed[1120:])}
parts["requestSignature"] = base64_of(signature)
upload = call("RequestUploadSecret", {"requestId": base64_of(request_id), **parts})["upload"]
_, receipt = verified(upload["receipt"], b"m8/receipt/v1")
if (receipt[1], receipt.get(2), receipt[3]) != (*digests, uri.encode()):
    sys.exit("The receipt is not for what was sent.")
if receipt[4] == 5 and receipt[5] not in {3, 4}:
    sys.exit(f"FAILED, and nothing was written. The reason is number {receipt[5]} in docs/protocol.md.")
if receipt[4] not in {1, 2}:
    sys.exit("The receipt does not say that it was written.")
if receipt.get(16, b"") != signer_key:
    sys.exit("The receipt names another key than the one that signed.")
print("UPLOADED" if receipt[4] == 1 else "UNCHANGED", receipt.get(8, b"").decode())

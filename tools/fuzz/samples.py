"""Good inputs: what the fuzzers start from. Keys are made anew each time; the corpus keeps what is committed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import events_pb2, options_pb2, proof_pb2, upload_pb2
from monoskope.client.known.logs import LogPin
from monoskope.protocol.hello import Hello
from monoskope.protocol.listing import Listing, message_of
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.wire import serialise
from monoskope.uri import SecretUri
from tests.support import ssh_blobs
from tests.support.receipts import GOOD, GRANT, GRANTS, receipt
from tests.support.signed_requests import APPROVALS, CHANGES
from tests.support.vectors import KEY_ID, VECTORS, Signer, a_grant, a_request, step


def requests() -> Iterator[bytes]:
    """Requests of many purposes."""
    yield a_request().content
    yield a_request(labels=(("team", "a"),), expires_on="2027-01-31").content
    yield a_request(purpose=upload_pb2.PURPOSE_COMPARE).content
    yield a_request(options='{"a":1}').content
    yield a_request(options=options_pb2.KubernetesOptions(type="Opaque")).content
    for vector in VECTORS["requests"]:
        yield bytes.fromhex(vector["request"])

    yield a_request(change_sha256=b"c" * 32).content
    yield a_request(break_glass="the database is down").content
    copy: dict[str, Any] = {"purpose": upload_pb2.PURPOSE_COPY, "destination": SecretUri.parse("local://app/db")}
    yield a_request(**copy, source_version="7@x").content
    yield a_request(**copy, keys=("password", "user")).content


def changes() -> Iterator[bytes]:
    """The changes of the vectors, good ones and others."""
    for vector in CHANGES:
        yield bytes.fromhex(vector["content"])


def approvals() -> Iterator[bytes]:
    """The approvals of the vectors."""
    for vector in APPROVALS:
        yield base64.b64decode(vector["signature"])


def grants() -> Iterator[bytes]:
    """Grants, some of which ask for a signature, or for approvals."""
    yield a_grant(a_request(), signature_required=True, approvals=2).content
    yield a_grant(a_request()).content
    yield a_grant(a_request(purpose=upload_pb2.PURPOSE_COMPARE), signature_required=True).content


def receipts() -> Iterator[bytes]:
    """A receipt of each outcome, and those of the vectors."""
    for kind in GOOD:
        yield receipt(kind, grant=GRANTS.get(kind, GRANT)).content
    anna: dict[str, Any] = {"signer": "anna", "signer_key": f"SHA256:{'a' * 43}"}
    yield receipt("UPLOADED", grant=a_grant(a_request(break_glass="the database is down")), **anna).content
    approved = a_grant(a_request(change_sha256=b"c" * 32))
    yield receipt("UPLOADED", grant=approved, **anna, approvers=[("ben", f"SHA256:{'b' * 43}")]).content
    for vector in VECTORS["receipts"]:
        yield bytes.fromhex(vector["receipt"])


def hellos() -> Iterator[bytes]:
    """A hello."""
    yield Hello("m8.example.org:7443", "vault", b"r" * 16, b"c" * 32, KEY_ID).serialise()


def rotations() -> Iterator[bytes]:
    """A step that both keys have signed."""
    yield step(Signer(), Signer()).SerializeToString()


def listings() -> Iterator[bytes]:
    """A page of names."""
    yield serialise(message_of(Listing(("a", "b/"), 3)))


def capabilities() -> Iterator[bytes]:
    """What a reactor announces."""
    yield events_pb2.StoreCapabilities(max_plaintext=512, options_schema='{"type":"object"}').SerializeToString()


def edits() -> Iterator[bytes]:
    """Edits of notes."""
    yield events_pb2.NotesEdit(set_labels=[options_pb2.Label(name="a", value="b")]).SerializeToString()
    yield events_pb2.NotesEdit(remove_labels=["x"], expires_on="2027-01-31").SerializeToString()


def payloads() -> Iterator[bytes]:
    """Padded plaintexts."""
    yield encode(Payload({"password": b"correct horse"}))
    yield encode(Payload({"a": b"", "b": bytes(range(256))}))


def signatures() -> Iterator[bytes]:
    """SSHSIG containers: a plain one, and one by a certificate."""
    key, ca = ssh_blobs.ed25519(), ssh_blobs.ecdsa(256)
    yield ssh_blobs.signed(key, b"the statement")
    yield ssh_blobs.signed(key, b"the statement", ssh_blobs.certificate(key, ca, valid=(1_800_000_000, 1_800_003_600)))
    yield ssh_blobs.signed(ca, b"the statement")


def public_keys() -> Iterator[bytes]:
    """Lines of public keys."""
    for key in (ssh_blobs.ed25519(), ssh_blobs.ecdsa(256), ssh_blobs.ed25519(b"ssh:")):
        yield f"{key.line} a comment".encode()


def part(content: object) -> str:
    """Return JSON in base64url without padding, as it stands in a JWT."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode("ascii")


def jwt(header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    """Return a JWT with a signature of zero bytes."""
    return f"{part(header)}.{part(claims)}.{base64.urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}".encode()


def jwts() -> Iterator[bytes]:
    """Tokens with the headers of several algorithms."""
    claims = {"iss": "https://issuer", "aud": "m8", "sub": "anna", "exp": 2_000_000_000, "iat": 1_700_000_000}
    for algorithm in ("EdDSA", "RS256", "ES256", "HS256", "none"):
        yield jwt({"alg": algorithm, "kid": "k", "typ": "JWT"}, claims)


def known_logs() -> Iterator[bytes]:
    """Two lines of `known_logs`, one of which has a note."""
    key = LogKey.make("monoskope/0123456789abcdef")
    keys = (str(key.vkeys[0]), str(key.vkeys[1]))
    note = key.sign(Checkpoint(key.origin, 1, bytes(32)), 1_800_000_000)
    yield f"{LogPin(keys, note).line('m8.example.org:7443')}{LogPin(keys).line('other.example.org:7443')}".encode()


def upload_proofs() -> Iterator[bytes]:
    """A proof of an upload that nothing is known of but its request."""
    key = LogKey.make("monoskope/0123456789abcdef")
    note = Note.parse(key.sign(Checkpoint(key.origin, 1, bytes(32)), 1_800_000_000))
    evidence = proof_pb2.UploadEvidence(request=a_request().content, record=b"r")
    yield bytes(ProofFile(0, (), note, serialise(evidence)))

"""Approvals of one change: good ones by each kind of key, and one fault each; and lists of approvers.

What is wrong within a key, a signature or a certificate is in the vectors of signed requests: the rules are the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from tests.support import ssh_blobs
from tests.support.ssh_blobs import container, signed, to_sign
from tools.signed_vectors.changes import GOOD, PUT, change, serialised
from tools.signed_vectors.openssh import KINDS, OpenSsh
from tools.signed_vectors.vector import NOW, STATEMENT, Vector, authority, fingerprint, plain

NAMESPACE = "approval@monoskope"
BEN = "ben@example.org"
_CHANGE = hashlib.sha256(serialised(GOOD)).digest()
_APPROVED = b"m8/approval/v1\x00" + _CHANGE
_OTHER = b"m8/approval/v1\x00" + hashlib.sha256(serialised(change(PUT))).digest()
_HAND = NAMESPACE.encode()


def approvals(ssh: OpenSsh) -> Iterator[Vector]:
    """Yield all of them."""
    yield from _good(ssh)
    yield from _by_ssh_keygen(ssh)
    yield from _by_hand()
    yield from _listed(ssh)


def _vector(
    name: str,
    signature: bytes,
    approvers: str,
    *,
    made_by: str = "ssh-keygen",
    key: str = "",
    fault: str = "",
    revoked: str | None = "",
    now: int = NOW,
) -> Vector:
    """Return one vector: good with `key`, the line of the key that signed, else with the word of its fault."""
    return {
        "name": name,
        "made_by": made_by,
        "change_sha256": _CHANGE.hex(),
        "statement": _APPROVED.hex(),
        "namespace": NAMESPACE,
        "signature": base64.b64encode(signature).decode(),
        "allowed_approvers": approvers,
        "revoked": revoked,
        "max_certificate_hours": 16,
        "now": now,
        "expected": {"fault": fault} if fault else {"principal": BEN, "key": fingerprint(key)},
    }


def _sign(ssh: OpenSsh, name: str, *options: str, namespace: str = NAMESPACE, message: bytes = _APPROVED) -> bytes:
    return ssh.sign(name, *options, namespace=namespace, message=message)


def _certified(ssh: OpenSsh, name: str, ca: str, **fields: str) -> bytes:
    return _sign(ssh, ssh.certify(name, ca, principals=BEN, **fields))


def _good(ssh: OpenSsh) -> Iterator[Vector]:
    ca = ssh.make("ca-of-approvers", "ed25519")
    for kind in KINDS:
        name = f"approver-{kind}"
        line = ssh.make(name, kind)
        yield _vector(kind, _sign(ssh, name), plain(line, principal=BEN), key=line)
    for kind in ("ed25519", "sk-ed25519"):
        line = (ssh.folder / f"approver-{kind}.pub").read_text().strip()
        certified = _certified(ssh, f"approver-{kind}", "ca-of-approvers")
        yield _vector(f"certificate-{kind}", certified, authority(ca), key=line)
    line = (ssh.folder / "approver-ed25519.pub").read_text().strip()
    for name, options in (
        ("listed-for-the-namespace", f'namespaces="{NAMESPACE}"'),
        ("listed-for-a-time", 'valid-after="20270115Z",valid-before="20270115080001Z"'),
    ):
        yield _vector(name, _sign(ssh, "approver-ed25519"), plain(line, principal=BEN, options=options), key=line)
    others = f"{fingerprint(ca)}\n"
    yield _vector(
        "another-revoked", _sign(ssh, "approver-ed25519"), plain(line, principal=BEN), key=line, revoked=others
    )


def _by_ssh_keygen(ssh: OpenSsh) -> Iterator[Vector]:
    line = ssh.make("approves", "ed25519")
    listed = plain(line, principal=BEN)
    for name, signature, fault in (
        ("namespace-of-requests", _sign(ssh, "approves", namespace="request@monoskope"), "namespace"),
        ("a-signed-request", ssh.sign("approves"), "namespace"),
        ("namespace-of-files", _sign(ssh, "approves", namespace="file"), "namespace"),
        ("another-change", _sign(ssh, "approves", message=_OTHER), "signature"),
        ("a-request-in-this-namespace", _sign(ssh, "approves", message=STATEMENT), "signature"),
        ("the-change-itself", _sign(ssh, "approves", message=serialised(GOOD)), "signature"),
        ("the-digest-without-its-label", _sign(ssh, "approves", message=_CHANGE), "signature"),
        ("hash-sha256", _sign(ssh, "approves", "-O", "hashalg=sha256"), "hash"),
    ):
        yield _vector(name, signature, listed, fault=fault)
    untouched = ssh.make("untouched-approver", "ed25519-sk", "-O", "no-touch-required")
    approved = _sign(ssh, "untouched-approver")
    yield _vector("without-touch", approved, plain(untouched, principal=BEN), fault="sk-no-touch")


def _by_hand() -> Iterator[Vector]:
    key = ssh_blobs.ed25519()
    of_request = key.sign(to_sign(_APPROVED, namespace=b"request@monoskope"))
    good = container(key.blob, key.sign(to_sign(_APPROVED, namespace=_HAND)), namespace=_HAND)
    listed = plain(key.line, principal=BEN)
    for name, signature, fault in (
        ("no-signature", b"", "missing"),
        ("another-namespace-around-it", container(key.blob, of_request, namespace=_HAND), "signature"),
        ("namespace-with-a-zero-byte", container(key.blob, of_request, namespace=_HAND + b"\0"), "namespace"),
        ("namespace-in-capitals", container(key.blob, of_request, namespace=_HAND.upper()), "namespace"),
        ("a-good-request-of-the-same-statement", signed(key, _APPROVED), "namespace"),
        ("trailing", good + b"\0", "trailing"),
        ("too-large", good + bytes(8193 - len(good)), "size"),
        ("cut-short", good[:-1], "malformed"),
    ):
        yield _vector(name, signature, listed, made_by="hand", fault=fault)
    ca = ssh_blobs.ed25519()
    for name, valid, fault in (
        ("certificate-that-ended-since", (NOW - 3600, NOW), "time"),
        ("certificate-that-begins-later", (NOW + 1, NOW + 3600), "time"),
        ("certificate-of-a-day", (NOW - 300, NOW - 300 + 24 * 3600), "too-long-validity"),
    ):
        certificate = ssh_blobs.certificate(key, ca, valid=valid, principals=(BEN.encode(),))
        signature = container(certificate, key.sign(to_sign(_APPROVED, namespace=_HAND)), namespace=_HAND)
        yield _vector(name, signature, authority(ca.line), made_by="hand", fault=fault)


def _listed(ssh: OpenSsh) -> Iterator[Vector]:
    line, ca, other = (ssh.make(f"approver-{name}", "ed25519") for name in ("listed", "ca", "other"))
    plainly, certified = _sign(ssh, "approver-listed"), _certified(ssh, "approver-listed", "approver-ca")
    listed, authorities = plain(line, principal=BEN), authority(ca)
    for name, signature, approvers, revoked, fault in (
        ("unlisted", plainly, plain(other, principal=BEN), "", "unlisted"),
        ("list-empty", plainly, "", "", "unlisted"),
        ("plain-key-listed-as-ca", plainly, authority(line), "", "unlisted"),
        ("ca-of-other-names", certified, authority(ca, principals="*@example.com"), "", "unlisted"),
        ("line-expired", plainly, plain(line, principal=BEN, options='valid-before="20270115080000Z"'), "", "time"),
        ("revoked-since", plainly, listed, f"{fingerprint(line)}\n", "revoked"),
        ("revoked-key-in-a-certificate", certified, authorities, f"{fingerprint(line)}\n", "revoked"),
        ("revoked-ca", certified, authorities, f"{fingerprint(ca)}\n", "revoked"),
        ("revoked-serial", certified, authorities, f"{fingerprint(ca)} serial 5\n", "revoked"),
        ("revocations-missing", plainly, listed, None, "revocations"),
    ):
        yield _vector(name, signature, approvers, fault=fault, revoked=revoked)


def lists() -> Iterator[dict[str, Any]]:
    """Yield lists of approvers, each good or bad as a whole."""
    key = ssh_blobs.ed25519()
    for name, text, good in (
        ("plain", f"ben {key.line}\n", True),
        ("for-its-namespace", f'ben namespaces="{NAMESPACE}" {key.line}\n', True),
        ("for-requests", f'ben namespaces="request@monoskope" {key.line}\n', False),
        ("for-both", f'ben namespaces="{NAMESPACE},request@monoskope" {key.line}\n', False),
    ):
        yield {"list": "allowed_approvers", "name": name, "text": text, "good": good}

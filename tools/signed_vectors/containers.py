"""Containers, keys and signatures with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.support import ssh_blobs
from tests.support.ssh_blobs import SshKey, container, mpint, signed, string, to_sign, u32
from tools.signed_vectors.openssh import OpenSsh
from tools.signed_vectors.vector import STATEMENT, Vector, plain, vector

_ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_NEUTRAL = b"\x01" + bytes(31)
"""The neutral point of Ed25519."""


def by_ssh_keygen(ssh: OpenSsh) -> Iterator[Vector]:
    """Yield faults that `ssh-keygen` makes."""
    line = ssh.make("faulty", "ed25519")
    for name, signature, fault in (
        ("namespace-of-files", ssh.sign("faulty", namespace="file"), "namespace"),
        ("namespace-of-approvals", ssh.sign("faulty", namespace="approval@monoskope"), "namespace"),
        ("namespace-of-git", ssh.sign("faulty", namespace="git"), "namespace"),
        ("hash-sha256", ssh.sign("faulty", "-O", "hashalg=sha256"), "hash"),
        ("another-statement", ssh.sign("faulty", message=STATEMENT[:-1] + b"\x00"), "signature"),
    ):
        yield vector(name, signature, plain(line), made_by="ssh-keygen", fault=fault)
    ssh.make("small", "rsa", "-b", "2048")
    yield vector("rsa-2048", ssh.sign("small"), plain(line), made_by="ssh-keygen", fault="rsa-modulus")
    for kind in ("ed25519-sk", "ecdsa-sk"):
        untouched = ssh.make(f"untouched-{kind}", kind, "-O", "no-touch-required")
        yield vector(
            f"{kind}-without-touch",
            ssh.sign(f"untouched-{kind}"),
            plain(untouched),
            made_by="ssh-keygen",
            fault="sk-no-touch",
        )


def by_hand() -> Iterator[Vector]:
    """Yield faults that are assembled."""
    for name, signature, key, fault in (*_containers(), *_keys(), *_signatures(), *_hardware()):
        yield vector(name, signature, plain(key.line), made_by="hand", fault=fault)


_Fault = tuple[str, bytes, SshKey, str]


def _containers() -> Iterator[_Fault]:
    key = ssh_blobs.ed25519()
    signature = key.sign(to_sign(STATEMENT))
    good = signed(key, STATEMENT)
    reserved = container(key.blob, key.sign(to_sign(STATEMENT, reserved=b"x")), reserved=b"x")
    named = b"request@monoskope\x00"
    longer = container(key.blob, key.sign(to_sign(STATEMENT, namespace=named)), namespace=named)
    yield "no-signature", b"", key, "missing"
    yield "another-magic", container(key.blob, signature, magic=b"SSHSIH"), key, "malformed"
    yield "cut-short", good[:-1], key, "malformed"
    yield "length-beyond-the-end", good[:10] + u32(2**32 - 1) + good[14:], key, "malformed"
    yield "version-0", container(key.blob, signature, version=0), key, "version"
    yield "version-2", container(key.blob, signature, version=2), key, "version"
    yield "namespace-empty", container(key.blob, signature, namespace=b""), key, "namespace"
    yield "namespace-with-a-zero-byte", longer, key, "namespace"
    yield "reserved-not-empty", reserved, key, "reserved"
    yield "hash-unknown", container(key.blob, signature, hashed=b"sha3-512"), key, "hash"
    yield "trailing", good + b"\x00", key, "trailing"
    yield "trailing-in-the-key", container(key.blob + b"\x00", signature), key, "trailing"
    yield "trailing-in-the-signature", container(key.blob, signature + b"\x00"), key, "trailing"
    yield "too-large", good + bytes(8193 - len(good)), key, "size"


def _keys() -> Iterator[_Fault]:
    key = ssh_blobs.ed25519()
    signature = key.sign(to_sign(STATEMENT))
    dss = string(b"ssh-dss") + mpint(2**1023 + 1) + mpint(2**159 + 1) + mpint(2) + mpint(3)
    yield "dsa", container(dss, string(b"ssh-dss") + string(bytes(40))), key, "key-type"
    yield "ed448", container(string(b"ssh-ed448") + string(bytes(57)), signature), key, "key-type"
    yield "unknown-kind", container(string(b"\xff\xfe") + string(bytes(32)), signature), key, "key-type"
    short = string(b"ssh-ed25519") + string(bytes(31))
    yield "ed25519-of-31-bytes", container(short, signature), key, "point"
    # R is the key's own point and S is 0: good for every statement under the neutral point.
    forged = string(b"ssh-ed25519") + string(_NEUTRAL + bytes(32))
    yield "ed25519-neutral", container(string(b"ssh-ed25519") + string(_NEUTRAL), forged), key, "point"
    above = (2**255 - 19 + 1).to_bytes(32, "little")
    yield "ed25519-not-reduced", container(string(b"ssh-ed25519") + string(above), forged), key, "point"
    curve = ssh_blobs.ecdsa(256)
    compressed = ssh_blobs.ecdsa(256, compressed=True)
    other = string(curve.name) + string(b"nistp384") + curve.fields[12:]
    off = curve.blob[:-1] + bytes([curve.blob[-1] ^ 1])
    yield "ecdsa-compressed", signed(compressed, STATEMENT), curve, "point"
    yield "ecdsa-off-the-curve", container(off, curve.sign(to_sign(STATEMENT))), curve, "point"
    yield "ecdsa-another-curve", container(other, curve.sign(to_sign(STATEMENT))), curve, "key-type"
    rsa = ssh_blobs.rsa_key()
    number = int.from_bytes(rsa.fields[-384:], "big")
    by_rsa = rsa.sign(to_sign(STATEMENT))
    for name, fields, fault in (
        ("rsa-exponent-3", mpint(3) + mpint(number), "rsa-exponent"),
        ("rsa-exponent-65539", mpint(65539) + mpint(number), "rsa-exponent"),
        ("rsa-even", mpint(65537) + mpint(number - 1), "rsa-modulus"),
        ("rsa-of-3071-bits", mpint(65537) + mpint(number >> 1 | 1), "rsa-modulus"),
        ("rsa-of-8193-bits", mpint(65537) + mpint(2**8192 + 1), "rsa-modulus"),
        ("mpint-modulus-padded", mpint(65537) + mpint(number, padding_bytes=1), "mpint"),
        ("mpint-exponent-padded", mpint(65537, padding_bytes=1) + mpint(number), "mpint"),
        ("mpint-modulus-negative", mpint(65537) + string(rsa.fields[-384:]), "mpint"),
    ):
        yield name, container(string(b"ssh-rsa") + fields, by_rsa), rsa, fault


def _signatures() -> Iterator[_Fault]:
    key, curve, rsa = ssh_blobs.ed25519(), ssh_blobs.ecdsa(256), ssh_blobs.rsa_key()
    message = to_sign(STATEMENT)
    body = key.sign_body(b"", message)
    larger = body[:32] + (int.from_bytes(body[32:], "little") + _ED25519_ORDER).to_bytes(32, "little")

    def by(signer: SshKey, algorithm: bytes, content: bytes) -> bytes:
        return container(signer.blob, string(algorithm) + string(content))

    yield "flipped-bit", by(key, key.name, body[:-1] + bytes([body[-1] ^ 1])), key, "signature"
    yield "ed25519-larger-than-its-order", by(key, key.name, larger), key, "signature"
    yield "ed25519-of-63-bytes", by(key, key.name, body[:-1]), key, "signature-form"
    yield "ed25519-of-65-bytes", by(key, key.name, body + b"\x00"), key, "signature-form"
    yield "algorithm-of-another-key", by(key, b"rsa-sha2-512", body), key, "algorithm"
    yield "algorithm-of-a-certificate", by(key, b"ssh-ed25519-cert-v01@openssh.com", body), key, "algorithm"
    numbers = curve.sign_body(b"", message)
    size = int.from_bytes(numbers[:4], "big")
    r, s = (int.from_bytes(part, "big") for part in (numbers[4 : 4 + size], numbers[8 + size :]))
    for name, content, fault in (
        ("mpint-r-padded", mpint(r, padding_bytes=1) + mpint(s), "mpint"),
        ("mpint-r-negative", string((r | 1 << 255).to_bytes(32, "big")) + mpint(s), "mpint"),
        ("ecdsa-r-is-0", mpint(0) + mpint(s), "signature-form"),
        ("ecdsa-s-too-long", mpint(r) + mpint(s + 2**256), "signature-form"),
        ("ecdsa-trailing", mpint(r) + mpint(s) + b"\x00", "trailing"),
        ("ecdsa-exchanged", mpint(s) + mpint(r), "signature"),
    ):
        yield name, by(curve, curve.name, content), curve, fault
    by_rsa = rsa.sign_body(b"rsa-sha2-512", message)
    yield "rsa-sha-1", by(rsa, b"ssh-rsa", rsa.sign_body(b"ssh-rsa", message)), rsa, "algorithm"
    yield "rsa-signature-shorter", by(rsa, b"rsa-sha2-512", by_rsa[1:]), rsa, "rsa-length"
    yield "rsa-signature-longer", by(rsa, b"rsa-sha2-512", b"\x00" + by_rsa), rsa, "rsa-length"
    yield "rsa-another-hash", by(rsa, b"rsa-sha2-256", by_rsa), rsa, "signature"


def _hardware() -> Iterator[_Fault]:
    key, curve = ssh_blobs.ed25519(b"ssh:"), ssh_blobs.ecdsa(256, b"ssh:")
    message = to_sign(STATEMENT)
    good = key.sign(message)
    webauthn = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
    yield "sk-flags-0", container(key.blob, key.sign(message, flags=0)), key, "sk-no-touch"
    yield "sk-verified-without-touch", container(curve.blob, curve.sign(message, flags=4)), curve, "sk-no-touch"
    yield "sk-counter-changed", container(key.blob, good[:-1] + b"\x00"), key, "signature"
    yield "sk-flags-changed", container(key.blob, good[:-5] + b"\x05" + good[-4:]), key, "signature"
    yield "sk-without-counter", container(key.blob, good[:-4]), key, "malformed"
    yield "webauthn", container(curve.blob, curve.sign(message, algorithm=webauthn)), curve, "algorithm"
    for name, application in (
        ("application-of-a-web-page", b"https://example.org"),
        ("application-empty", b""),
        ("application-with-a-zero-byte", b"ssh:\x00work"),
    ):
        other = ssh_blobs.ed25519(application)
        yield name, signed(other, STATEMENT), key, "application"
    renamed = replace(key, fields=key.fields[:36] + string(b"ssh:other"), application=b"ssh:other")
    yield "application-exchanged", container(renamed.blob, good), renamed, "signature"

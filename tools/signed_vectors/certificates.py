"""Certificates with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support import ssh_blobs
from tests.support.ssh_blobs import DEFAULT_EXTENSIONS, certificate, signed
from tools.signed_vectors.openssh import OpenSsh
from tools.signed_vectors.vector import ANNA, NOW, STATEMENT, VALID, Vector, authority, plain, vector


def by_ssh_keygen(ssh: OpenSsh) -> Iterator[Vector]:
    """Yield certificates that `ssh-keygen` makes."""
    ssh.make("certified", "ed25519")
    ca = ssh.make("authority", "ed25519")
    for name, options, names, valid, fault in (
        ("host-certificate", ("-h",), ANNA, "", "host-certificate"),
        ("force-command", ("-O", "force-command=/bin/true"), ANNA, "", "critical-option"),
        ("source-address", ("-O", "source-address=192.0.2.0/24"), ANNA, "", "critical-option"),
        ("verify-required", ("-O", "verify-required"), ANNA, "", "critical-option"),
        ("unknown-critical-option", ("-O", "critical:not@example.org=x"), ANNA, "", "critical-option"),
        ("unknown-extension", ("-O", "extension:login@example.org=x"), ANNA, "", "extension"),
        ("no-touch-required", ("-O", "no-touch-required"), ANNA, "", "extension"),
        ("two-principals", (), f"{ANNA},bert@example.org", "", "principals"),
        ("no-principal", (), "", "", "principals"),
        ("open-validity", (), ANNA, "always:forever", "open-validity"),
        ("open-beginning", (), ANNA, "always:20270115155500Z", "open-validity"),
        ("open-end", (), ANNA, "20270115075500Z:forever", "open-validity"),
        ("too-long-validity", (), ANNA, "20270115075500Z:20270115235501Z", "too-long-validity"),
        ("a-year", (), ANNA, "20270101000000Z:20280101000000Z", "too-long-validity"),
        ("expired", (), ANNA, "20270114200000Z:20270115080000Z", "time"),
        ("not-yet", (), ANNA, "20270115080001Z:20270115160000Z", "time"),
    ):
        signature = ssh.sign(ssh.certify("certified", "authority", *options, principals=names, **_valid(valid)))
        yield vector(name, signature, authority(ca), made_by="ssh-keygen", fault=fault)


def _valid(text: str) -> dict[str, Any]:
    return {"valid": text} if text else {}


def by_hand() -> Iterator[Vector]:
    """Yield certificates that are assembled."""
    key, ca = ssh_blobs.ed25519(), ssh_blobs.ed25519()
    for name, changes, fault in (
        ("kind-0", {"kind": 0}, "host-certificate"),
        ("principal-not-one", {"principals": (b"anna example",)}, "principals"),
        ("principal-twice", {"principals": (ANNA.encode(), ANNA.encode())}, "principals"),
        ("principal-with-a-zero-byte", {"principals": (ANNA.encode() + b"\x00",)}, "principals"),
        ("ends-before-it-begins", {"valid": (NOW, NOW - 60)}, "open-validity"),
        ("ends-as-it-begins", {"valid": (NOW, NOW)}, "open-validity"),
        ("extension-with-a-value", {"extensions": ((b"permit-pty", b"x"),)}, "extension"),
        ("extension-twice", {"extensions": (DEFAULT_EXTENSIONS[3], DEFAULT_EXTENSIONS[3])}, "extension"),
        ("extensions-out-of-order", {"extensions": DEFAULT_EXTENSIONS[::-1]}, "extension"),
        ("certificate-reserved", {"reserved": b"x"}, "reserved"),
        ("certificate-trailing", {"after": b"\x00"}, "trailing"),
        ("key-id-with-a-zero-byte", {"key_id": b"an\x00na"}, "key-id"),
        ("key-id-with-a-newline", {"key_id": b"anna\n"}, "key-id"),
        ("key-id-not-utf-8", {"key_id": b"\xff"}, "key-id"),
        ("ca-is-a-certificate", {"ca_blob": certificate(ca, ca, valid=VALID)}, "ca-key"),
        ("ca-signed-another", {"ca_blob": ssh_blobs.ed25519().blob}, "unlisted"),
    ):
        fields: dict[str, Any] = {"valid": VALID, **changes}
        signature = signed(key, STATEMENT, certificate(key, ca, **fields))
        yield vector(name, signature, authority(ca.line), made_by="hand", fault=fault)
    yield from _other_authorities()
    changed = certificate(key, ca, valid=VALID, key_id=b"anna").replace(
        b"\x00\x00\x00\x04anna", b"\x00\x00\x00\x04bert"
    )
    signature = signed(key, STATEMENT, changed)
    yield vector("changed-after-the-ca", signature, authority(ca.line), made_by="hand", fault="ca-signature")
    other = ssh_blobs.ed25519()
    stolen = ssh_blobs.container(certificate(key, ca, valid=VALID), other.sign(ssh_blobs.to_sign(STATEMENT)))
    yield vector("signed-by-another-key", stolen, authority(ca.line), made_by="hand", fault="signature")


def _other_authorities() -> Iterator[Vector]:
    key = ssh_blobs.ed25519()
    rsa = ssh_blobs.rsa_key()
    hardware = ssh_blobs.ed25519(b"ssh:")
    for name, ca, changes, signers, fault in (
        ("ca-is-a-hardware-key", hardware, {}, plain(key.line), "ca-key"),
        ("ca-of-2048-bits", ssh_blobs.rsa_key(2048), {}, plain(key.line), "rsa-modulus"),
        ("ca-with-sha-1", rsa, {"ca_algorithm": b"ssh-rsa"}, authority(rsa.line), "algorithm"),
        ("ca-listed-as-a-plain-key", rsa, {}, plain(rsa.line), "unlisted"),
        ("ca-not-listed-for-the-name", rsa, {}, authority(rsa.line, principals="*@example.com,anna"), "unlisted"),
        ("key-listed-but-not-the-ca", rsa, {}, plain(key.line), "unlisted"),
    ):
        fields: dict[str, Any] = {"valid": VALID, **changes}
        signature = signed(key, STATEMENT, certificate(key, ca, **fields))
        yield vector(name, signature, signers, made_by="hand", fault=fault)
    inner = ssh_blobs.SshKey(key.certificate_name, key.fields, key.algorithm, key.sign_body)
    yield vector(
        "certificate-over-a-certificate",
        signed(key, STATEMENT, certificate(inner, rsa, valid=VALID)),
        authority(rsa.line),
        made_by="hand",
        fault="key-type",
    )

"""Good signatures that lists or the table do not allow, and lists that are good or bad as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support import ssh_blobs
from tools.signed_vectors.openssh import OpenSsh
from tools.signed_vectors.vector import ANNA, MAY, Vector, authority, fingerprint, plain, vector

_NEUTRAL = "AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""The neutral point of Ed25519 as a key, in base64."""


def faults(ssh: OpenSsh) -> Iterator[Vector]:
    """Yield good signatures that do not count here."""
    line, ca, other = ssh.make("listed", "ed25519"), ssh.make("listed-ca", "ed25519"), ssh.make("other", "ed25519")
    plainly, certified = ssh.sign("listed"), ssh.sign(ssh.certify("listed", "listed-ca"))
    key, authorities = fingerprint(line), fingerprint(ca)
    for name, signature, signers, revoked, fault in (
        ("unlisted", plainly, plain(other), "", "unlisted"),
        ("list-empty", plainly, "", "", "unlisted"),
        ("plain-key-listed-as-ca", plainly, authority(line), "", "unlisted"),
        ("line-expired", plainly, plain(line, options='valid-before="20270115080000Z"'), "", "time"),
        ("line-not-yet", plainly, plain(line, options='valid-after="202701150801Z"'), "", "time"),
        ("ca-line-expired", certified, authority(ca, options=',valid-before="20270115Z"'), "", "time"),
        ("revoked", plainly, plain(line), f"{key}\n", "revoked"),
        ("revoked-key-in-a-certificate", certified, authority(ca), f"{key}\n", "revoked"),
        ("revoked-ca", certified, authority(ca), f"{authorities}\n", "revoked"),
        ("revoked-serial", certified, authority(ca), f"{fingerprint(other)}\n{authorities} serial 5\n", "revoked"),
        ("revocations-missing", plainly, plain(line), None, "revocations"),
    ):
        yield vector(name, signature, signers, made_by="ssh-keygen", fault=fault, revoked=revoked)
    for name, request, may in (
        ("not-permitted-prefix", _asks("upload", "vault://team-b/db"), MAY),
        ("not-permitted-half-a-segment", _asks("upload", "vault://team-ab/db"), MAY),
        ("not-permitted-another-store", _asks("upload", "other://team-a/db"), MAY),
        ("not-permitted-purpose", _asks("delete", "vault://team-a/db"), MAY),
        ("not-permitted-entries-never-combine", _asks("compare", "vault://team-a/db"), MAY),
        ("not-permitted-another-principal", _asks("upload", "vault://team-c/db"), MAY),
        ("not-permitted-no-entry", _asks("upload", "vault://team-a/db"), []),
        ("not-permitted-destination", _asks("copy", "vault://team-b/db", "local://team-c/db"), MAY),
        ("not-permitted-destination-store", _asks("copy", "vault://team-b/db", "third://team-b/db"), MAY),
    ):
        yield vector(name, plainly, plain(line), made_by="ssh-keygen", fault="not-permitted", request=request, may=may)


def _asks(purpose: str, uri: str, destination: str = "") -> dict[str, str]:
    return {"purpose": purpose, "uri": uri, **({"destination": destination} if destination else {})}


def lists() -> Iterator[dict[str, Any]]:
    """Yield lists of signers and of revocations, each good or bad as a whole."""
    key, ca, hardware = ssh_blobs.ed25519(), ssh_blobs.ecdsa(384), ssh_blobs.ed25519(b"ssh:")
    certified = ssh_blobs.public_line(ssh_blobs.certificate(key, ca, valid=(1, 2)))
    for name, text, good in (
        ("empty", "", True),
        ("comments", "# none\n \t\n", True),
        ("plain", f"anna {key.line}\n", True),
        ("plain-with-tabs", f"anna\t{key.line} a comment\n", True),
        ("plain-and-ca", f"anna {key.line}\n*.corp cert-authority {ca.line}\n", True),
        ("no-newline-at-the-end", f"anna {key.line}", False),
        ("carriage-return", f"anna {key.line}\r\n", False),
        ("zero-byte", f"anna {key.line} a\x00b\n", False),
        ("only-a-principal", "anna\n", False),
        ("no-key", "anna ssh-ed25519\n", False),
        ("not-base64", "anna ssh-ed25519 AAAA!\n", False),
        ("another-kind-than-named", f"anna ssh-rsa {key.line.split()[1]}\n", False),
        ("two-principals", f"anna,bert {key.line}\n", False),
        ("pattern-for-a-plain-key", f"*@corp {key.line}\n", False),
        ("question-mark", f"*.cor? cert-authority {ca.line}\n", False),
        ("star-in-the-middle", f"an*na cert-authority {ca.line}\n", False),
        ("star-alone", f"* cert-authority {ca.line}\n", False),
        ("negated", f"!anna,*.corp cert-authority {ca.line}\n", False),
        ("principal-twice", f"anna,anna cert-authority {ca.line}\n", False),
        ("quoted-principal", f'"anna" {key.line}\n', False),
        ("key-twice", f"anna {key.line}\nbert {key.line}\n", False),
        ("key-plain-and-ca", f"anna {ca.line}\n*.corp cert-authority {ca.line}\n", False),
        ("ca-hardware", f"*.corp cert-authority {hardware.line}\n", False),
        ("certificate", f"anna {certified}\n", False),
        ("certificate-as-ca", f"anna cert-authority {certified}\n", False),
        ("another-namespace", f'anna namespaces="file" {key.line}\n', False),
        ("namespace-of-approvals", f'anna namespaces="approval@monoskope" {key.line}\n', False),
        ("namespace-pattern", f'anna namespaces="*" {key.line}\n', False),
        ("two-namespaces", f'anna namespaces="request@monoskope,file" {key.line}\n', False),
        ("namespace-twice", f'anna namespaces="request@monoskope",namespaces="request@monoskope" {key.line}\n', False),
        ("unknown-option", f"anna restrict {key.line}\n", False),
        ("option-in-capitals", f"anna CERT-AUTHORITY {ca.line}\n", False),
        ("time-without-zone", f'anna valid-before="20280101" {key.line}\n', False),
        ("time-no-day", f'anna valid-before="20280230Z" {key.line}\n', False),
        ("time-at-the-epoch", f'anna valid-before="19700101Z" {key.line}\n', False),
        ("time-before-the-epoch", f'anna valid-after="19691231Z" {key.line}\n', False),
        ("unknown-kind", "anna ssh-dss AAAAB3NzaC1kc3M=\n", False),
        ("ends-before-it-begins", f'anna valid-after="20280101Z",valid-before="20270101Z" {key.line}\n', False),
        ("rsa-2048", f"anna {ssh_blobs.rsa_key(2048).line}\n", False),
        ("ed25519-neutral", f"anna ssh-ed25519 {_NEUTRAL}\n", False),
        ("compressed-point", f"anna {ssh_blobs.ecdsa(compressed=True).line}\n", False),
    ):
        yield {"name": name, "list": "allowed_signers", "text": text, "good": good}
    shown = key.fingerprint
    for name, text, good in (
        ("empty", "", True),
        ("comments", "# left the company\n\n", True),
        ("keys-and-serials", f"{shown}\n{ca.fingerprint} serial 1\n{ca.fingerprint} serial {2**64 - 1}\n", True),
        ("no-newline-at-the-end", shown, False),
        ("cut-short", f"{shown[:-1]}\n", False),
        ("padded", f"{shown}=\n", False),
        ("md5", "MD5:00:11\n", False),
        ("serial-0", f"{ca.fingerprint} serial 0\n", True),
        ("key-id", f"{ca.fingerprint} id anna's laptop\n", True),
        ("key-id-missing", f"{ca.fingerprint} id\n", False),
        ("serial-with-a-zero", f"{ca.fingerprint} serial 01\n", False),
        ("serial-too-large", f"{ca.fingerprint} serial {2**64}\n", False),
        ("serials", f"{ca.fingerprint} serial 1-5\n", False),
        ("a-comment-behind", f"{shown} # anna\n", False),
        ("a-key", f"{key.line}\n", False),
        ("a-principal", f"{ANNA}\n", False),
    ):
        yield {"name": name, "list": "revoked", "text": text, "good": good}

"""Good signatures: one of each kind of key, plain and certified, by ssh-keygen; and what lists may say."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support import ssh_blobs
from tools.signed_vectors.openssh import KINDS, OpenSsh
from tools.signed_vectors.vector import NOW, STATEMENT, VALID, Vector, authority, fingerprint, plain, vector

_CA_OF = {"ed25519": "rsa-3072", "ecdsa-256": "ecdsa-521", "ecdsa-384": "ecdsa-256", "ecdsa-521": "ecdsa-384"}


def good(ssh: OpenSsh) -> Iterator[Vector]:
    """Yield all good vectors."""
    lines = {kind: ssh.make(kind, kind) for kind in KINDS}
    cas = {kind: ssh.make(f"ca-{kind}", kind) for kind in KINDS if not kind.startswith("sk-")}
    for kind, line in lines.items():
        yield vector(kind, ssh.sign(kind), plain(line), made_by="ssh-keygen", key=line)
    rsa = lines["rsa-3072"]
    by_openssl = ssh.sign_by_openssl("rsa-3072", rsa, digest="sha256", algorithm=b"rsa-sha2-256")
    yield vector("rsa-sha2-256", by_openssl, plain(rsa), made_by="openssl", key=rsa)
    for kind, line in lines.items():
        ca = _CA_OF.get(kind, "ed25519")
        certified = ssh.sign(ssh.certify(kind, f"ca-{ca}"))
        signers = authority(cas[ca])
        yield vector(f"certificate-{kind}-by-{ca}", certified, signers, made_by="ssh-keygen", key=line)
    yield from _by_hand()
    yield from _lists(ssh, lines["ed25519"], cas["ed25519"])


def _by_hand() -> Iterator[Vector]:
    """What ssh-keygen has no option for."""
    for bits in (4096, 8192):
        key = ssh_blobs.rsa_key(bits)
        signature = ssh_blobs.signed(key, STATEMENT)
        yield vector(f"rsa-{bits}", signature, plain(key.line), made_by="hand", key=key.line)
    named = ssh_blobs.ed25519(b"ssh:work")
    verified = ssh_blobs.container(named.blob, named.sign(ssh_blobs.to_sign(STATEMENT), flags=5, counter=2**32 - 1))
    yield vector("sk-user-verified-too", verified, plain(named.line), made_by="hand", key=named.line)
    rsa = ssh_blobs.rsa_key(algorithm=b"rsa-sha2-256")
    certified = ssh_blobs.signed(rsa, STATEMENT, ssh_blobs.certificate(rsa, rsa, valid=VALID))
    yield vector("certificate-rsa-sha2-256", certified, authority(rsa.line), made_by="hand", key=rsa.line)
    key, ca = ssh_blobs.ed25519(), ssh_blobs.ed25519()
    for name, changes in (
        ("certificate-without-extensions", {"extensions": ()}),
        ("certificate-of-16-hours", {"valid": (NOW, NOW + 16 * 3600)}),
        ("certificate-in-its-last-second", {"valid": (NOW - 3600, NOW + 1)}),
        ("certificate-with-serial-0", {"serial": 0}),
    ):
        fields = {"valid": VALID, **changes}
        signature = ssh_blobs.signed(key, STATEMENT, ssh_blobs.certificate(key, ca, **fields))  # type: ignore[arg-type]
        yield vector(name, signature, authority(ca.line), made_by="hand", key=key.line)


def _lists(ssh: OpenSsh, line: str, ca: str) -> Iterator[Vector]:
    """What the lists and the table may say."""
    plainly, certified = ssh.sign("ed25519"), ssh.sign(ssh.certify("ed25519", "ca-ed25519"))
    other = fingerprint(ca)
    for name, signers in (
        ("listed-with-comments", f"# who signs\n\n{plain(line).strip()} anna's notebook\n"),
        ("listed-for-the-namespace", plain(line, options='namespaces="request@monoskope"')),
        ("listed-for-a-time", plain(line, options='valid-after="20270115Z",valid-before="20270115080001Z"')),
    ):
        yield vector(name, plainly, signers, made_by="ssh-keygen", key=line)
    for name, signers in (
        ("ca-listed-for-exact-names", authority(ca, principals="bert,anna@example.org")),
        ("ca-listed-with-options", authority(ca, options=',namespaces="request@monoskope",valid-before="20280101Z"')),
    ):
        yield vector(name, certified, signers, made_by="ssh-keygen", key=line)
    yield vector("another-revoked", plainly, plain(line), made_by="ssh-keygen", key=line, revoked=f"# left\n{other}\n")
    yield vector(
        "another-serial-revoked",
        certified,
        authority(ca),
        made_by="ssh-keygen",
        key=line,
        revoked=f"{other} serial 6\n{fingerprint(line)} serial 5\n",
    )
    yield vector(
        "copy-to-a-destination",
        plainly,
        plain(line),
        made_by="ssh-keygen",
        key=line,
        request={"purpose": "copy", "uri": "vault://team-b/db", "destination": "local://team-b/x"},
    )

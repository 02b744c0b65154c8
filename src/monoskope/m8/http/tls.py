"""TLS: it makes a CA and the certificates that the CA signs. There is no plaintext.

A CA signs one server certificate after the other. Its key is kept, or not, as `m8 init` and `m8 tls renew` are told.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from monoskope.value import Unshared

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""In every certificate that m8 makes."""

VALID = dt.timedelta(days=1826)
"""How long a server certificate that m8 makes is valid: five years, or as long as its CA."""

CA_VALID = dt.timedelta(days=3652)
"""How long a CA that m8 makes is valid: ten years, so that it can sign a second certificate for five."""

_BACKDATED = dt.timedelta(hours=1)  # for clients whose clock is slow


@dataclass(frozen=True, slots=True)
class Certificate(Unshared):
    """PEM: a CA's certificate, the server's certificate, and the private keys of both (PKCS 8)."""

    ca: bytes
    certificate: bytes
    key: bytes
    ca_key: bytes

    def __repr__(self) -> str:
        return "<Certificate>"


@dataclass(frozen=True, slots=True)
class Authority(Unshared):
    """A CA that can sign: its certificate, and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return "<Authority>"


def make(names: Sequence[str], *, now: dt.datetime) -> Certificate:
    """Make a CA and a server certificate for `names` (host names, IP addresses) and `LOCAL_NAMES`."""
    authority = make_authority(now=now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(authority, names, key.public_key(), now=now)
    return Certificate(pem(authority.certificate), pem(certificate), key_pem(key), key_pem(authority.key))


def make_authority(*, now: dt.datetime) -> Authority:
    """Make a CA. Its name ends with a part of its key's hash, so that two CAs in one file can be told apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    common_name = f"Monoskope m8 CA {identifier.digest.hex()[:8]}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        _builder(name, name, key.public_key(), now, now + CA_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def sign(
    authority: Authority, names: Sequence[str], key: ec.EllipticCurvePublicKey, *, now: dt.datetime
) -> x509.Certificate:
    """Return the certificate of `key` for `names` and `LOCAL_NAMES`, valid no longer than its CA."""
    every = tuple(dict.fromkeys((*names, *LOCAL_NAMES)))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, every[0][:64])])
    issuer = authority.certificate
    until = min(now + VALID, issuer.not_valid_after_utc)
    return (
        _builder(subject, issuer.subject, key, now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in every]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> bytes:
    """Return `certificate` as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM (PKCS 8), without a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

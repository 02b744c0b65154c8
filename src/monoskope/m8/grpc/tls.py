"""TLS: it makes a CA and a certificate, and loads those that the server presents. There is no plaintext.

The CA signs one certificate, and its key is not kept, so nobody can steal it. A new certificate needs a new CA, whose
`ca.crt` must be given to the clients again. gRPC's library supports no TLS below 1.2.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from monoskope.errors import UsageError
from monoskope.m8.settings import ServerSettings
from monoskope.protocol.unshared import Unshared
from monoskope.settings import read_private

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""In every certificate that m8 makes."""

VALID = dt.timedelta(days=1826)
"""How long a certificate that m8 makes is valid: five years."""

_BACKDATED = dt.timedelta(hours=1)  # for clients whose clock is slow


@dataclass(frozen=True, slots=True)
class Certificate(Unshared):
    """PEM: the CA's certificate, the server's, and the server's private key (PKCS 8)."""

    ca: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "<Certificate>"


def make(names: Sequence[str], *, now: dt.datetime) -> Certificate:
    """Make a CA and a server certificate for `names` (host names, IP addresses) and `LOCAL_NAMES`."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Monoskope m8 CA")])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    every = tuple(dict.fromkeys((*names, *LOCAL_NAMES)))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, every[0][:64])])
    certificate = (
        _builder(subject, ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in every]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Certificate(
        ca=ca.public_bytes(serialization.Encoding.PEM),
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + VALID)
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


def credentials(settings: ServerSettings) -> grpc.ServerCredentials:
    """Read the server's certificate and key, and check that they belong together and are valid.

    Raises:
        UsageError: a file is missing or not PEM, or the two do not belong together; names the setting.
        RefusedError: others can reach the key.
    """
    key_pem = read_private(settings.tls_key)
    try:
        certificate_pem = settings.tls_certificate.read_bytes()
    except OSError as error:
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} cannot be read: {error.strerror}.", fix="Check the setting."
        ) from None
    _check_pair(settings, certificate_pem, key_pem)
    return grpc.ssl_server_credentials([(key_pem, certificate_pem)])


def _check_pair(settings: ServerSettings, certificate_pem: bytes, key_pem: bytes) -> None:
    """Raise an error that says what is wrong; gRPC alone would say that it could not bind."""
    try:
        certificate = x509.load_pem_x509_certificates(certificate_pem)[0]
    except ValueError:
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} holds no PEM certificate.", fix="Name another file."
        ) from None
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError):
        raise UsageError(
            f"tls_key {settings.tls_key} holds no PEM private key without a passphrase.", fix="Name another file."
        ) from None
    if key.public_key() != certificate.public_key():
        raise UsageError(
            f"tls_key {settings.tls_key} is not the key of tls_certificate {settings.tls_certificate}.",
            fix="Name the two files that belong together, the server's own certificate first in its file.",
        )
    if certificate.not_valid_after_utc < dt.datetime.now(dt.UTC):
        raise UsageError(
            f"tls_certificate {settings.tls_certificate} expired at {certificate.not_valid_after_utc:%Y-%m-%d}.",
            fix="Renew it.",
        )

"""The certificate that m8 makes is one that clients can check, and one that cannot work is named before binding."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from monoskope.errors import AlreadyExistsError, Error, RefusedError, UsageError
from monoskope.host_port import HostPort
from monoskope.m8.http import tls
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.settings import ServerSettings

NOW = dt.datetime.now(dt.UTC)


def lay(folder: Path, *names: str) -> ServerSettings:
    return lay_out(Plan(folder=folder, listen=HostPort("127.0.0.1", 0), names=names))


@pytest.mark.parametrize("name", ["localhost", "m8.example.com"])
def test_the_certificate_holds_for_its_names(name: str) -> None:
    made = tls.make(["m8.example.com", "10.1.2.3"], now=NOW)
    store = verification.Store([x509.load_pem_x509_certificate(made.ca)])
    verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(made.certificate), [])


def test_addresses_are_names_too() -> None:
    made = tls.make(["10.1.2.3"], now=NOW)
    names = x509.load_pem_x509_certificate(made.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = {str(address) for address in names.value.get_values_for_type(x509.IPAddress)}
    assert addresses == {"10.1.2.3", "127.0.0.1", "::1"}


def test_other_names_and_other_authorities_do_not_hold() -> None:
    made, other = tls.make([], now=NOW), tls.make([], now=NOW)
    certificate = x509.load_pem_x509_certificate(made.certificate)
    for ca, name in ((made.ca, "evil.example.com"), (other.ca, "localhost")):
        store = verification.Store([x509.load_pem_x509_certificate(ca)])
        verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
        with pytest.raises(verification.VerificationError):
            verifier.verify(certificate, [])


def keys_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()}


def test_the_authoritys_key_is_kept_for_its_owner_alone_or_not_at_all_and_no_key_is_shown(tmp_path: Path) -> None:
    lay(tmp_path / "m8")
    lay_out(Plan(folder=tmp_path / "other", listen=HostPort("127.0.0.1", 0), keep_ca_key=False))
    assert keys_in(tmp_path / "m8") == {"tls.key", "ca.key", "log.key"}
    assert keys_in(tmp_path / "other") == {"tls.key", "log.key"}
    assert (tmp_path / "m8" / "ca.key").stat().st_mode & 0o777 == 0o600
    for shown in (tls.make([], now=NOW), tls.make_authority(now=NOW), PresentedCertificate(lay(tmp_path / "third"))):
        assert "PRIVATE" not in repr(shown)


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    lay(tmp_path / "m8")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "m8").iterdir()}
    assert (tmp_path / "m8").stat().st_mode & 0o777 == 0o700
    assert modes["tls.key"] == modes["token-signing.key"] == modes["m8.toml"] == 0o600


def test_openssl_takes_the_pair(tmp_path: Path) -> None:
    settings = lay(tmp_path / "m8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    assert PresentedCertificate(settings).context().get_ca_certs() == []


def test_a_server_is_never_overwritten(tmp_path: Path) -> None:
    lay(tmp_path / "m8")
    before = {path: path.read_bytes() for path in (tmp_path / "m8").iterdir()}
    with pytest.raises(AlreadyExistsError, match=r"token-signing\.key"):
        lay(tmp_path / "m8")
    assert {path: path.read_bytes() for path in (tmp_path / "m8").iterdir()} == before


@pytest.mark.parametrize("name", ["", "a b", "-x", "host:port", "::1:99999"])
def test_a_name_that_is_no_host_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        lay(tmp_path / "m8", name)
    assert not (tmp_path / "m8").exists()


def foreign_key(settings: ServerSettings) -> None:
    settings.tls_key.write_bytes(tls.make([], now=NOW).key)


def no_key(settings: ServerSettings) -> None:
    settings.tls_key.unlink()


def loose_key(settings: ServerSettings) -> None:
    settings.tls_key.chmod(0o644)


def broken_key(settings: ServerSettings) -> None:
    settings.tls_key.write_bytes(b"x")


def broken_certificate(settings: ServerSettings) -> None:
    settings.tls_certificate.write_bytes(b"x")


def no_certificate(settings: ServerSettings) -> None:
    settings.tls_certificate.unlink()


def expired_certificate(settings: ServerSettings) -> None:
    made = tls.make([], now=NOW - tls.VALID - dt.timedelta(days=1))
    settings.tls_certificate.write_bytes(made.certificate)
    settings.tls_key.write_bytes(made.key)


@pytest.mark.parametrize(
    ("spoil", "error", "match"),
    [
        (foreign_key, UsageError, "is not the key of"),
        (no_key, UsageError, r"tls\.key does not exist"),
        (loose_key, RefusedError, "mode 0644"),
        (broken_key, UsageError, "tls_key"),
        (broken_certificate, UsageError, "tls_certificate"),
        (no_certificate, UsageError, "tls_certificate"),
        (expired_certificate, UsageError, "expired"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_pair_that_cannot_work_is_named(
    tmp_path: Path, spoil: Callable[[ServerSettings], None], error: type[Error], match: str
) -> None:
    settings = lay(tmp_path / "m8")
    spoil(settings)
    with pytest.raises(error, match=match):
        PresentedCertificate(settings)

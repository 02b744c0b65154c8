"""The certificate that m8 makes is one that clients can check, and it is renewed while m8 runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

from monoskope import operating_log
from monoskope.checks.certificate import names_of
from monoskope.client.http.transport import find_roots, trusting
from monoskope.errors import AlreadyExistsError, Error, NotFoundError, RefusedError, UsageError
from monoskope.host_port import HostPort
from monoskope.m8 import renewal
from monoskope.m8.background.watches import CertificateWatch
from monoskope.m8.doctor.certificates import certificate_checks
from monoskope.m8.http import tls
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.init import lay_out
from monoskope.m8.renewal import activate, authorities, renew
from monoskope.m8.settings import ServerSettings
from monoskope.reactor.link.link import trust
from tests.support.programs import m8
from tests.unit.m8_cli.served import PATIENCE_S, Server, administrator, served

NOW = dt.datetime.now(dt.UTC)


def lay(folder: Path, *names: str) -> ServerSettings:
    return lay_out(folder=folder, listen=HostPort("127.0.0.1", 0), names=names)


def verify(ca: bytes, certificate: bytes, name: str) -> None:
    store = verification.Store([x509.load_pem_x509_certificate(ca)])
    verifier = verification.PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(certificate), [])


def test_the_certificate_holds_for_its_names_and_addresses_and_no_others() -> None:
    made, other = tls.make(["m8.example.com", "10.1.2.3"], now=NOW), tls.make([], now=NOW)
    for name in ("localhost", "m8.example.com"):
        verify(made.ca, made.certificate, name)
    for ca, name in ((made.ca, "evil.example.com"), (other.ca, "localhost")):
        with pytest.raises(verification.VerificationError):
            verify(ca, made.certificate, name)
    extensions = x509.load_pem_x509_certificate(made.certificate).extensions
    addresses = extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.IPAddress
    )
    assert {str(address) for address in addresses} == {"10.1.2.3", "127.0.0.1", "::1"}


def keys_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()}


def test_the_authoritys_key_is_kept_for_its_owner_alone_or_not_at_all_and_no_key_is_shown(tmp_path: Path) -> None:
    lay(tmp_path / "m8")
    lay_out(folder=tmp_path / "other", listen=HostPort("127.0.0.1", 0), keep_ca_key=False)
    assert keys_in(tmp_path / "m8") == {"tls.key", "ca.key", "log.key"}
    assert keys_in(tmp_path / "other") == {"tls.key", "log.key"}
    assert (tmp_path / "m8" / "ca.key").stat().st_mode & 0o777 == 0o600
    for shown in (tls.make([], now=NOW), tls.make_authority(now=NOW), PresentedCertificate(lay(tmp_path / "third"))):
        assert "PRIVATE" not in repr(shown)


def test_a_new_folder_is_for_its_owner_alone_and_openssl_takes_the_pair(tmp_path: Path) -> None:
    settings = lay(tmp_path / "m8")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    assert PresentedCertificate(settings).context().get_ca_certs() == []
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "m8").iterdir()}
    assert (tmp_path / "m8").stat().st_mode & 0o777 == 0o700
    assert modes["tls.key"] == modes["token-signing.key"] == modes["m8.toml"] == 0o600


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


def present(settings: ServerSettings, made: tls.Certificate) -> None:
    """Put a certificate and its key in the place of the server's."""
    settings.tls_certificate.write_bytes(made.certificate)
    settings.tls_key.write_bytes(made.key)


Spoils = dict[str, tuple[Callable[[ServerSettings], object], type[Error], str]]
LONG_AGO = NOW - tls.VALID - dt.timedelta(days=1)
SPOILT: Spoils = {
    "a foreign key": (lambda of: of.tls_key.write_bytes(tls.make([], now=NOW).key), UsageError, "is not the key of"),
    "no key": (lambda of: of.tls_key.unlink(), UsageError, r"tls\.key does not exist"),
    "a loose key": (lambda of: of.tls_key.chmod(0o644), RefusedError, "mode 0644"),
    "a broken key": (lambda of: of.tls_key.write_bytes(b"x"), UsageError, "tls_key"),
    "a broken certificate": (lambda of: of.tls_certificate.write_bytes(b"x"), UsageError, "tls_certificate"),
    "no certificate": (lambda of: of.tls_certificate.unlink(), UsageError, "tls_certificate"),
    "an expired certificate": (lambda of: present(of, tls.make([], now=LONG_AGO)), UsageError, "expired"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_pair_that_cannot_work_is_named(tmp_path: Path, what: str) -> None:
    spoil, error, match = SPOILT[what]
    settings = lay(tmp_path / "m8")
    spoil(settings)
    with pytest.raises(error, match=match):
        PresentedCertificate(settings)


DAY_MS = 86_400_000


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return lay_out(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0), names=["m8.example.com"])


@pytest.fixture
def server(settings: ServerSettings) -> Iterator[Server]:
    with served(settings) as running:
        yield running


def trusts(ca: bytes, server: Server) -> bool:
    """Whether a new connection of a client with that `ca.crt` reaches the server."""
    try:
        with closing(server.https(trusting=ca)) as connection:
            connection.connect()
    except ssl.SSLCertVerificationError:
        return False
    return True


def certificate(settings: ServerSettings) -> x509.Certificate:
    return x509.load_pem_x509_certificate(settings.tls_certificate.read_bytes())


def ca_of(settings: ServerSettings) -> bytes:
    return (settings.folder / "ca.crt").read_bytes()


def tls_command(settings: ServerSettings, *arguments: str, code: int = 0) -> str:
    ended = m8("tls", *arguments, "--dir", str(settings.folder), home=settings.folder.parent, code=code)
    return ended.stdout + ended.stderr


def test_a_running_server_presents_the_renewed_certificate_and_its_clients_need_nothing(server: Server) -> None:
    settings, before = server.settings, ca_of(server.settings)
    said = tls_command(settings, "renew", "--name", "new.example.com")
    assert "Clients need nothing" in said
    assert '"new.example.com:PORT"' in said
    assert ca_of(settings) == before
    assert {"new.example.com", "m8.example.com", "localhost"} <= set(names_of(certificate(settings)))
    assert trusts(before, server)
    host, port = server.address.rsplit(":", 1)
    shown = ssl.get_server_certificate((host, int(port)), timeout=PATIENCE_S).encode()
    assert x509.load_pem_x509_certificate(shown) == certificate(settings), "a new handshake meets the new certificate"


def test_without_the_key_of_the_ca_clients_move_first_and_the_server_afterwards(server: Server) -> None:
    settings, old = server.settings, ca_of(server.settings)
    (settings.folder / "ca.key").unlink()
    assert "m8 tls activate" in tls_command(settings, "renew")
    bundle = ca_of(settings)
    assert old in bundle
    assert trusts(old, server)
    assert trusts(bundle, server)
    tls_command(settings, "activate", "--forget-old-ca")
    assert not trusts(old, server)
    assert trusts(bundle, server)
    new = ca_of(settings)
    assert trusts(new, server)
    assert old not in new
    # The key of the new CA is kept: from now on one step is enough.
    assert "Clients need nothing" in tls_command(settings, "renew")
    assert trusts(new, server)


def test_who_may_ask_m8_is_told_when_its_certificate_expires(server: Server) -> None:
    settings = server.settings
    expires = certificate(settings).not_valid_after_utc
    assert server.get_server(administrator(settings)).certificate_expires_at_ms == int(expires.timestamp() * 1000)


def test_the_certificates_are_shown_with_names_and_days(settings: ServerSettings) -> None:
    (settings.folder / "ca.key").unlink()
    renew(settings, keep_ca_key=False, now=NOW)
    presented, waiting, *authorities = certificate_checks(settings, NOW)
    assert "m8.example.com" in presented.said
    assert f"{NOW + tls.VALID:%Y-%m-%d}" in presented.said
    assert waiting.said.startswith("tls-next.crt waits: for m8.example.com")
    assert waiting.said.endswith(f"until {NOW + tls.VALID:%Y-%m-%d}.")
    assert [f"{NOW + tls.CA_VALID:%Y-%m-%d}, its key is not kept here" in one.said for one in authorities] == [True] * 2


def test_a_ca_key_that_is_kept_elsewhere_signs_too(settings: ServerSettings, tmp_path: Path) -> None:
    (settings.folder / "ca.key").rename(tmp_path / "offline.key")
    renewed = renew(settings, ca_key=tmp_path / "offline.key", now=NOW)
    assert (renewed.is_in_place, renewed.is_new_ca) == (True, False)
    with pytest.raises(UsageError, match="does not exist"):
        renew(settings, ca_key=tmp_path / "nowhere.key", now=NOW)


def test_an_expired_certificate_is_replaced_at_once(settings: ServerSettings) -> None:
    (settings.folder / "ca.key").unlink()
    renewed = renew(settings, now=certificate(settings).not_valid_after_utc)
    assert (renewed.is_in_place, renewed.is_new_ca) == (True, True)
    assert PresentedCertificate(settings).expires_at_ms == int(renewed.expires.timestamp() * 1000)


def test_a_certificate_never_outlives_its_ca(settings: ServerSettings) -> None:
    [ca] = authorities(settings.folder)
    assert renew(settings, now=ca.not_valid_after_utc - renewal.LEAST).expires == ca.not_valid_after_utc


def test_a_second_renewal_without_a_key_does_not_lose_the_first(settings: ServerSettings) -> None:
    (settings.folder / "ca.key").unlink()
    renew(settings, keep_ca_key=False, now=NOW)
    with pytest.raises(UsageError, match="waits already"):
        renew(settings, now=NOW)


def test_an_activation_that_broke_in_the_middle_is_finished_by_the_next(settings: ServerSettings) -> None:
    (settings.folder / "ca.key").unlink()
    renew(settings, now=NOW)
    (settings.folder / "tls-next.key").replace(settings.tls_key)
    activate(settings)
    assert PresentedCertificate(settings).expires_at_ms
    with pytest.raises(NotFoundError, match="waits"):
        activate(settings)


def ca_key(settings: ServerSettings, content: bytes) -> None:
    (settings.folder / "ca.key").write_bytes(content)


OTHER_KIND = tls.key_pem(ec.generate_private_key(ec.SECP384R1()))
NOT_RENEWED: Spoils = {
    "of another CA": (lambda of: ca_key(of, tls.make([], now=NOW).ca_key), UsageError, "is not the key of a CA"),
    "of another kind": (lambda of: ca_key(of, OTHER_KIND), UsageError, "is not the key of a CA"),
    "too open": (lambda of: (of.folder / "ca.key").chmod(0o644), RefusedError, "mode 0644"),
    "no key": (lambda of: ca_key(of, b"x"), UsageError, "no PEM private key"),
    "somebody else's": (lambda of: present(of, tls.make([], now=NOW)), UsageError, "m8 did not make"),
}


@pytest.mark.parametrize("what", NOT_RENEWED)
def test_what_cannot_be_renewed_is_left_as_it_is(settings: ServerSettings, what: str) -> None:
    spoil, error, match = NOT_RENEWED[what]
    spoil(settings)
    before = {path: path.read_bytes() for path in settings.folder.iterdir()}
    with pytest.raises(error, match=match):
        renew(settings, now=NOW)
    assert {path: path.read_bytes() for path in settings.folder.iterdir()} == before


def test_certificate_files_of_ones_own_are_not_written_over(settings: ServerSettings) -> None:
    toml = settings.folder / "m8.toml"
    toml.write_text(toml.read_text() + 'tls_certificate = "/etc/ssl/m8.pem"\n')
    said = tls_command(settings, "renew", code=2)
    assert "/etc/ssl/m8.pem" in said
    assert "takes them by itself" in said


def test_a_name_that_is_no_host_is_refused(settings: ServerSettings) -> None:
    assert "neither a host name nor an address" in tls_command(settings, "renew", "--name", "a b", code=2)


def test_files_that_do_not_fit_together_are_not_presented(settings: ServerSettings) -> None:
    presented = PresentedCertificate(settings)
    expires = presented.expires_at_ms
    other = tls.make([], now=NOW - dt.timedelta(days=9))
    settings.tls_key.write_bytes(other.key)
    assert not presented.refresh()
    assert "is not the key of" in str(presented.failure)
    assert presented.expires_at_ms == expires
    settings.tls_certificate.write_bytes(other.certificate)
    assert presented.refresh()
    assert presented.failure is None
    assert 8 * DAY_MS < expires - presented.expires_at_ms < 10 * DAY_MS


def handshake(server: ssl.SSLContext, ca: bytes, *, ciphers: str = "DEFAULT", **wanted: Any) -> ssl.SSLObject:
    """Shake hands with the HTTP door in memory, and return the client's end. Raises `SSLError`."""
    client = ssl.create_default_context(cadata=ca.decode())
    client.set_ciphers(ciphers)
    for name, value in wanted.items():
        setattr(client, name, value)
    client.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[0]


def test_the_http_door_presents_what_the_files_hold_at_each_handshake(settings: ServerSettings) -> None:
    presented = PresentedCertificate(settings)
    context = presented.context()
    before = handshake(context, ca_of(settings))
    assert before.selected_alpn_protocol() == "http/1.1"
    settings.tls_key.write_bytes(tls.make([], now=NOW).key)
    # Half of a renewal: the certificate of before is presented until the other half is there.
    assert handshake(context, ca_of(settings)).getpeercert(True) == before.getpeercert(True)
    assert presented.failure is not None
    other = tls.make([], now=NOW)
    present(settings, other)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, ca_of(settings))
    after = handshake(context, other.ca)
    assert after.getpeercert(True) != before.getpeercert(True)
    assert after.version() == "TLSv1.3"


def test_the_http_door_speaks_no_old_tls(settings: ServerSettings) -> None:
    context = PresentedCertificate(settings).context()
    assert handshake(context, ca_of(settings), maximum_version=ssl.TLSVersion.TLSv1_2).version() == "TLSv1.2"
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("ciphers", ["AES128", "AES256", "ECDHE-ECDSA-AES128-SHA256"])
def test_the_http_door_takes_no_cbc_from_tls_1_2(settings: ServerSettings, ciphers: str) -> None:
    context = PresentedCertificate(settings).context()
    cbc = f"{ciphers}:!AESGCM:!AESCCM:!CHACHA20"
    with pytest.raises(ssl.SSLError):
        handshake(context, ca_of(settings), ciphers=cbc, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_m8s_clients_and_reactors_offer_no_cbc(settings: ServerSettings) -> None:
    ca_file = settings.folder / "ca.crt"
    for context in (trust(ca_file), trusting(find_roots(ca_file, ""))):
        assert all(one["aead"] for one in context.get_ciphers())


class Lines:
    """The operating log, and a certificate that expires when a test says so."""

    def __init__(self, left_ms: int) -> None:
        self.stream = StringIO()
        operating_log.set_up(self.stream)
        self.now_ms = 1_800_000_000_000
        self.ticks_ms = 0.0
        self.presented: Any = SimpleNamespace(expires_at_ms=self.now_ms + left_ms, failure=None, refresh=lambda: False)
        app: Any = SimpleNamespace(clock=lambda: self.now_ms, ticks=lambda: self.ticks_ms)
        self.watch = CertificateWatch(app, self.presented)

    def pass_ms(self, passed_ms: int) -> list[dict[str, str]]:
        """What is said when so much time has passed."""
        self.now_ms += passed_ms
        self.ticks_ms += passed_ms
        self.stream.truncate(0)
        self.stream.seek(0)
        asyncio.run(self.watch.look())
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_thirty_days_before_the_operating_log_warns_once_a_day() -> None:
    lines = Lines(left_ms=31 * DAY_MS)
    assert lines.pass_ms(0) == []
    [warning] = lines.pass_ms(DAY_MS)
    assert (warning["event"], warning["fix"]) == ("the certificate expires soon", "Renew it: m8 tls renew")
    assert "in 30 days" in warning["message"]
    assert (lines.pass_ms(DAY_MS - 1), len(lines.pass_ms(1))) == ([], 1)
    assert lines.pass_ms(29 * DAY_MS)[0]["event"] == "the certificate has expired"


def test_a_renewed_certificate_ends_the_warnings_and_is_said() -> None:
    lines = Lines(left_ms=DAY_MS)
    assert len(lines.pass_ms(0)) == 1
    lines.presented.expires_at_ms += 365 * DAY_MS
    assert [line["event"] for line in lines.pass_ms(DAY_MS)] == ["certificate renewed"]


def test_files_that_cannot_be_used_are_said_once() -> None:
    lines = Lines(left_ms=365 * DAY_MS)
    lines.presented.failure = UsageError("tls_key is not the key of tls_certificate.", fix="Name the two files.")
    assert [line["event"] for line in lines.pass_ms(0)] == ["the new certificate is not used"]
    assert lines.pass_ms(DAY_MS) == []

"""`m8 tls`: renew the certificate of a server that exists, and change to another CA without leaving clients behind.

Where the key of the CA is kept, a new certificate is signed with it and put in place. Clients notice nothing.

Where it is not, a new CA is needed, and no client knows it yet. So this takes two steps. `renew` puts the new
certificate aside, and both CAs into `ca.crt`, which is then given to the clients. `activate` puts the new certificate
in place once they have it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from monoskope.checks.certificate import names_of
from monoskope.errors import NotFoundError, UsageError
from monoskope.host_port import is_host
from monoskope.m8.http import tls
from monoskope.m8.settings import ServerSettings
from monoskope.settings import find_private, write_private

CA_FILE, CA_KEY_FILE = "ca.crt", "ca.key"
NEXT_CERTIFICATE, NEXT_KEY = "tls-next.crt", "tls-next.key"

LEAST = dt.timedelta(days=90)
"""A CA that expires sooner signs no new certificate: it would expire with it."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What `m8 tls renew` did.

    Attributes:
        expires: When the new certificate expires.
        names: What it carries.
        is_in_place: Whether it is the server's certificate now. If not, it waits for `activate`.
        is_new_ca: Whether a new CA signed it, which clients must be given.
    """

    expires: dt.datetime
    names: tuple[str, ...]
    is_in_place: bool
    is_new_ca: bool


def renew(
    settings: ServerSettings,
    *,
    now: dt.datetime,
    names: Sequence[str] = (),
    ca_key: Path | None = None,
    new_ca: bool = False,
    keep_ca_key: bool = True,
) -> Renewed:
    """Make a new key and certificate for the server.

    Args:
        settings: Of the server.
        now: The time.
        names: Further host names or addresses for the certificate.
        ca_key: Where the key of the CA is, None for `ca.key` in the folder.
        new_ca: Whether to make a new CA although the key of the present one is there.
        keep_ca_key: Whether the key of a new CA is kept.

    Raises:
        UsageError: the certificate is not one of m8's own, a name is no host, or the key of the CA does not fit.
        RefusedError: others can reach the key of the CA.
    """
    _require_own(settings)
    present = _present(settings)
    authority = None if new_ca else _kept(settings.folder, ca_key, now)
    is_new_ca = authority is None
    if authority is None:
        if not new_ca and (settings.folder / NEXT_CERTIFICATE).exists():
            raise UsageError(
                "a renewed certificate waits already, and the key of its CA was not kept.",
                fix="Put it in place: m8 tls activate. For another one: m8 tls renew --new-ca",
            )
        authority = _new_authority(settings.folder, keep_key=keep_ca_key, now=now)
    carried = _names(settings, present, names)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = tls.sign(authority, carried, key.public_key(), now=now)
    is_in_place = present is None or present.not_valid_after_utc <= now or issued_by(present, authority.certificate)
    into = (settings.tls_key, settings.tls_certificate)
    if not is_in_place:
        into = (settings.folder / NEXT_KEY, settings.folder / NEXT_CERTIFICATE)
    # The key first. A server that runs keeps what it has until both files belong together.
    write_private(into[0], tls.key_pem(key), replace=True)
    write_public(into[1], tls.pem(certificate))
    return Renewed(certificate.not_valid_after_utc, tuple(names_of(certificate)), is_in_place, is_new_ca)


def activate(settings: ServerSettings, *, forget_old_ca: bool = False) -> x509.Certificate:
    """Put the certificate that waits in place, and return it. After a crash in the middle a second call finishes it.

    Args:
        settings: Of the server.
        forget_old_ca: Whether `ca.crt` is to hold only the CA that signed the certificate.

    Raises:
        NotFoundError: none waits.
        UsageError: the certificate is not one of m8's own.
    """
    _require_own(settings)
    key, certificate = settings.folder / NEXT_KEY, settings.folder / NEXT_CERTIFICATE
    if certificate.exists():
        if key.exists():
            os.replace(key, settings.tls_key)  # noqa: PTH105  as settings.write_private
        os.replace(certificate, settings.tls_certificate)  # noqa: PTH105
    elif not forget_old_ca:
        raise NotFoundError("no renewed certificate waits.", fix="Make one: m8 tls renew")
    present = _present(settings)
    if present is None:
        raise UsageError(f"{settings.tls_certificate} holds no certificate.", fix="Make one: m8 tls renew")
    if forget_old_ca:
        kept = [ca for ca in authorities(settings.folder) if issued_by(present, ca)]
        if kept:
            write_public(settings.folder / CA_FILE, b"".join(map(tls.pem, kept)))
    return present


def authorities(folder: Path) -> list[x509.Certificate]:
    """Return the CAs in `ca.crt`, [] without one."""
    try:
        return x509.load_pem_x509_certificates((folder / CA_FILE).read_bytes())
    except (OSError, ValueError):
        return []


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def write_public(path: Path, content: bytes) -> None:
    """Write a file that others may read (mode 0644), whole or not at all. Raises `UsageError`."""
    write_private(path, content, replace=True)
    path.chmod(0o644)


def _require_own(settings: ServerSettings) -> None:
    """Raise unless m8 made the server's certificate, so that no operator's own files are written over."""
    own = settings.folder / "tls.crt", settings.folder / "tls.key"
    if (settings.tls_certificate, settings.tls_key) != own:
        raise UsageError(
            f"m8 did not make {settings.tls_certificate}: tls_certificate or tls_key in m8.toml names another file.",
            fix="Renew it where it came from, and replace both files: a server that runs takes them by itself.",
        )
    present = _present(settings)
    if present is not None and not any(issued_by(present, ca) for ca in authorities(settings.folder)):
        raise UsageError(
            f"m8 did not make {settings.tls_certificate}: no CA in {settings.folder / CA_FILE} signed it.",
            fix="Renew it where it came from, and replace both files: a server that runs takes them by itself.",
        )


def _present(settings: ServerSettings) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _kept(folder: Path, named: Path | None, now: dt.datetime) -> tls.Authority | None:
    """Return the CA whose key is kept, None if none is."""
    path = named or folder / CA_KEY_FILE
    content = find_private(path)
    if content is None:
        if named is not None:
            raise UsageError(f"{named} does not exist.", fix="Name the file that holds the key of the CA.")
        return None
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise UsageError(f"{path} holds no PEM private key without a passphrase.", fix="Name another file.") from None
    for certificate in authorities(folder):
        if isinstance(key, ec.EllipticCurvePrivateKey) and certificate.public_key() == key.public_key():
            if certificate.not_valid_after_utc - now < LEAST:
                raise UsageError(
                    f"the CA itself expires at {certificate.not_valid_after_utc:%Y-%m-%d}.",
                    fix="Make a new one, and give ca.crt to the clients: m8 tls renew --new-ca",
                )
            return tls.Authority(certificate, key)
    raise UsageError(
        f"{path} is not the key of a CA in {folder / CA_FILE}.",
        fix="Name the right file with --ca-key, or make a new CA: m8 tls renew --new-ca",
    )


def _new_authority(folder: Path, *, keep_key: bool, now: dt.datetime) -> tls.Authority:
    """Make a CA and add it to those in `ca.crt` that have not expired."""
    made = tls.make_authority(now=now)
    known = [ca for ca in authorities(folder) if ca.not_valid_after_utc > now]
    if keep_key:
        write_private(folder / CA_KEY_FILE, tls.key_pem(made.key), replace=True)
    write_public(folder / CA_FILE, b"".join(map(tls.pem, (*known, made.certificate))))
    return made


def _names(settings: ServerSettings, present: x509.Certificate | None, added: Sequence[str]) -> list[str]:
    """Return those of the present certificate, those of m8.toml and those that are asked for."""
    for name in added:
        if not is_host(name):
            raise UsageError(
                f"--name {name!r} is neither a host name nor an address.", fix="Write for example m8.example.com."
            )
    known = names_of(present) if present is not None else []
    return list(dict.fromkeys((*known, *(name.host for name in settings.names), *added)))

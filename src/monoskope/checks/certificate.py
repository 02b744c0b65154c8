"""What is wrong with a certificate: its dates, what its key may do, its names. Callers know whom they trust."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from monoskope.checks.check import Check
from monoskope.text import counted, some

SOON_DAYS = 30
"""Days before its end from which on a certificate is warned of."""


UNREADABLE = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What a malformed certificate raises: when it is parsed, or later when a part of it is asked for."""

_MOST_NAME = 100
"""Characters of a holder's name that are shown."""
_MOST_NAMES = 8


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the host names and addresses that `certificate` carries."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]


def common_name(name: x509.Name) -> str:
    """Return how people call the holder of a certificate, cut at 100 characters."""
    return name.rfc4514_string().removeprefix("CN=")[:_MOST_NAME]


def server_check(
    name: str, certificate: x509.Certificate, *, hosts: Collection[str], trust: str, now: dt.datetime, renew: str
) -> Check:
    """Return the check of a server's own certificate.

    Args:
        name: Of the check.
        certificate: The server's own.
        hosts: By which clients dial the server.
        trust: Who signed it and where that authority stands, as the end of a sentence.
        now: The time.
        renew: What to do if something is wrong.
    """
    try:
        return _server_check(name, certificate, hosts, trust, now, renew)
    except UNREADABLE:
        return Check.fail(name, "It is malformed, and cannot be read.", renew)


def _server_check(  # noqa: PLR0917 - as its caller names them
    name: str, certificate: x509.Certificate, hosts: Collection[str], trust: str, now: dt.datetime, renew: str
) -> Check:
    wrong = _out_of_time(certificate, now) or _unfit_for_a_server(certificate)
    if wrong:
        return Check.fail(name, f"It {wrong}: clients refuse the server.", renew)
    carried = names_of(certificate)
    missing = [host for host in hosts if not _carries(carried, host)]
    if missing:
        return Check.fail(name, f"It is not for {', '.join(missing)}: who dials that refuses the server.", renew)
    said = (
        f"For {some(carried, _MOST_NAMES)}, to sign with (digitalSignature), valid until {_day(certificate)}, {trust}."
    )
    return _ending(name, certificate, said, now, renew)


def authority_check(name: str, certificate: x509.Certificate, *, use: str, now: dt.datetime, renew: str) -> Check:
    """Return the check of an authority's certificate; `use` says what it is for, as the end of a sentence."""
    wrong = _out_of_time(certificate, now) or _unfit_for_an_authority(certificate)
    if wrong:
        return Check.fail(name, f"{common_name(certificate.subject)} {wrong}: clients refuse what it signed.", renew)
    said = f"{common_name(certificate.subject)}, valid until {_day(certificate)}, {use}."
    return _ending(name, certificate, said, now, renew)


def _ending(name: str, certificate: x509.Certificate, said: str, now: dt.datetime, renew: str) -> Check:
    days = (certificate.not_valid_after_utc - now).days
    if days < SOON_DAYS:
        return Check.warn(name, f"It expires in {counted(days, 'day')}. {said}", renew)
    return Check.ok(name, said)


def _out_of_time(certificate: x509.Certificate, now: dt.datetime) -> str:
    if certificate.not_valid_after_utc <= now:
        return f"expired at {_day(certificate)}"
    if certificate.not_valid_before_utc > now:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z"
    return ""


def _unfit_for_a_server(certificate: x509.Certificate) -> str:
    """Return why TLS takes it from no server (RFC 8446, 4.4.2.2; RFC 5280, 4.2.1.3), "" if it does."""
    usage = _usage(certificate)
    if usage is not None and not usage.digital_signature:
        return "may not sign (its keyUsage has no digitalSignature)"
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        return "is for no server (its extendedKeyUsage has no serverAuth)"
    return ""


def _unfit_for_an_authority(certificate: x509.Certificate) -> str:
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        return "is no authority (its basicConstraints say so)"
    usage = _usage(certificate)
    if usage is not None and not usage.key_cert_sign:
        return "may sign no certificates (its keyUsage has no keyCertSign)"
    return ""


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _carries(carried: Collection[str], host: str) -> bool:
    """Whether one of the names fits a host; a star stands for one label (RFC 9525, 6.3)."""
    wanted = host.lower()
    _, _, parent = wanted.partition(".")
    return any(name.lower() == wanted or (parent and name.lower() == f"*.{parent}") for name in carried)


def _day(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"

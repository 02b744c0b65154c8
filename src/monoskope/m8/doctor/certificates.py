"""The certificate that m8 presents, one that waits, and the authorities in `ca.crt`."""

from __future__ import annotations

import datetime as dt

from cryptography import x509

from monoskope.checks.certificate import UNREADABLE, authority_check, common_name, names_of, server_check
from monoskope.checks.check import Check, Verdict
from monoskope.errors import Error, docs_page
from monoskope.m8 import renewal
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.settings import ServerSettings

CERTIFICATE, NEXT, AUTHORITY = "certificate", "next certificate", "CA"
"""Names of checks."""

_ELSEWHERE = f"Renew it where it came from, and replace both files: {docs_page('operate/certificates.md')}"


def certificate_checks(loaded: ServerSettings, now: dt.datetime) -> list[Check]:
    """Return the checks of all certificates of a server."""
    authorities = renewal.authorities(loaded.folder)
    is_kept = (loaded.folder / renewal.CA_KEY_FILE).exists()
    use = "its key is kept here" if is_kept else "its key is not kept here"
    renew = f"Make a new one: m8 tls renew --new-ca --dir {loaded.folder}"
    return [
        _presented(loaded, authorities, now),
        *_next(loaded),
        *(authority_check(AUTHORITY, one, use=use, now=now, renew=renew) for one in authorities),
    ]


def _presented(loaded: ServerSettings, authorities: list[x509.Certificate], now: dt.datetime) -> Check:
    own = _first(loaded.tls_certificate.read_bytes() if loaded.tls_certificate.exists() else b"")
    found = Check.not_known(CERTIFICATE, "There is none.")
    if own is not None:
        signer = next((one for one in authorities if renewal.issued_by(own, one)), None)
        trust = (
            f"signed by {common_name(own.issuer)}, a CA that is not in ca.crt"
            if signer is None
            else f"signed by {common_name(signer.subject)} in ca.crt"
        )
        is_own = signer is not None and not loaded.tls_key.is_symlink()
        renew = f"m8 tls renew --dir {loaded.folder}" if is_own else _ELSEWHERE
        hosts = list(dict.fromkeys(name.host for name in loaded.names))
        found = server_check(CERTIFICATE, own, hosts=hosts, trust=trust, now=now, renew=renew)
        if found.verdict is Verdict.FAIL:
            return found
    try:
        PresentedCertificate(loaded)
    except Error as error:
        return Check.failed(CERTIFICATE, error)
    return found


def _next(loaded: ServerSettings) -> list[Check]:
    file = loaded.folder / renewal.NEXT_CERTIFICATE
    waiting = _first(file.read_bytes()) if file.exists() else None
    if waiting is None:
        return []
    said = f"{file.name} waits: for {', '.join(names_of(waiting))}, until {waiting.not_valid_after_utc:%Y-%m-%d}."
    fix = (
        f"Give {loaded.folder / renewal.CA_FILE} to every client and reactor, then: m8 tls activate --dir"
        f" {loaded.folder} ({docs_page('operate/certificates.md#change-to-a-new-ca')})"
    )
    return [Check.warn(NEXT, said, fix)]


def _first(content: bytes) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except UNREADABLE:
        return None

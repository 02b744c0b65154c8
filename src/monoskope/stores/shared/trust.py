"""Whom a driver trusts: TLS 1.2 or newer, with the certificates of one file or text, or of the operating system."""

from __future__ import annotations

import ssl

from monoskope.stores.driver import StoreRefusedError


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return TLS that trusts the certificates in `ca_file`, None for those of the operating system.

    Raises:
        StoreRefusedError: the file cannot be used.
    """
    try:
        return _modern(ssl.create_default_context(cafile=ca_file))
    except (OSError, ssl.SSLError):
        raise StoreRefusedError(
            f"the certificates in {ca_file} cannot be read.", fix="Name a readable PEM file as ca_file."
        ) from None


def trusting_text(authority: str | None, source: str) -> ssl.SSLContext:
    """Return TLS that trusts the certificates in a PEM text that came from `source`, None as for `trusting`.

    Raises:
        StoreRefusedError: the text holds none.
    """
    try:
        return _modern(ssl.create_default_context(cadata=authority))
    except (ssl.SSLError, ValueError):
        raise StoreRefusedError(f"{source} holds no certificates to trust.", fix="Give them as PEM.") from None


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

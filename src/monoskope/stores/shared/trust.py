"""Whom a driver trusts, and the private files by which it shows who it is.

TLS is 1.2 or newer, with the certificates of one file or text, or of the operating system. The TLS library reads the
key of a client certificate from a file only: an anonymous one in memory. On systems without such files it lies in the
reactor's folder for a moment. A driver refuses if a private file cannot be used.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monoskope.errors import Error
from monoskope.settings import read_private
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


def show_pair(tls: ssl.SSLContext, key: bytes, certificate: bytes, folder: Path) -> None:
    """Make `tls` show a client certificate. When this returns, the key is in no file of the reactor's.

    Args:
        tls: Where both go.
        key: The private key, PEM, without a passphrase.
        certificate: The certificate, PEM; those of the authorities between may follow it.
        folder: The reactor's own folder, mode 0700.

    Raises:
        OSError: they are not a pair, or the file cannot be made.
        ValueError: the key has a passphrase.
    """
    with _file(folder) as (descriptor, name):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(b"\n".join((key, certificate, b"")))
        # A key that asks for a passphrase would otherwise ask on a terminal.
        tls.load_cert_chain(name, password="")


def show_files(tls: ssl.SSLContext, certificate_file: str, key_file: str, folder: Path) -> None:
    """Make `tls` show the client certificate that is in two files now, as `show_pair` does. The key's is mode 0600.

    Raises:
        StoreRefusedError: a file cannot be used, they are not a pair, or the key has a passphrase.
    """
    with refused():
        key = read_private(Path(key_file))
    try:
        show_pair(tls, key, Path(certificate_file).read_bytes(), folder)
    except (OSError, ValueError):
        raise StoreRefusedError(
            f"{certificate_file} and {key_file} do not hold a certificate and its key.",
            fix="Write both as PEM, the key without a passphrase.",
        ) from None


@contextmanager
def _file(folder: Path) -> Iterator[tuple[int, str]]:
    """Yield an empty file, open for writing, and a name by which only this process can open it; then remove it."""
    descriptor = _memory()
    if descriptor is not None:
        try:
            yield descriptor, f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, name = tempfile.mkstemp(prefix=".client-key.", dir=folder)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)
        Path(name).unlink()


def _memory() -> int | None:
    """Open an anonymous file in memory; return None where the system has none, or gives it no name."""
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.memfd_create("client-key", os.MFD_CLOEXEC)
    except OSError:
        return None


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Turn an error of `monoskope.settings` about a private file into a `StoreRefusedError`."""
    try:
        yield
    except Error as error:
        raise StoreRefusedError(error.message, fix=error.fix) from None

"""Give a client certificate and its private key to the TLS library, which reads keys from files only.

The file is an anonymous one in memory. On systems without such files it lies in the reactor's folder for a moment.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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

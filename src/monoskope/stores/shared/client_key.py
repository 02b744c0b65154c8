"""How a client certificate's private key reaches the TLS library, which reads it from files alone.

It lies in a file of memory without a name, or, on systems that have none, for a moment in the reactor's own folder.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def show_pair(tls: ssl.SSLContext, key: bytes, certificate: bytes, folder: Path) -> None:
    """Make `tls` show a client certificate. When this returns, the key lies in no file of ours.

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
    """Give an empty file, open to write, and the name under which this process alone can open it; then remove it."""
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
    """Open a file that is memory alone, None where the system has no such files or does not let them be named."""
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.memfd_create("client-key", os.MFD_CLOEXEC)
    except OSError:
        return None

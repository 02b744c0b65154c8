"""Whom a sink trusts, and what it shows: TLS 1.2 or newer, with the server's name checked."""

from __future__ import annotations

import ssl

from monoskope.errors import UsageError
from monoskope.m8.sink_settings import TlsFiles
from monoskope.settings import read_private


class Trust:
    """TLS for the connections of one sink. After a failure the files are read anew: they may have been renewed.

    Args:
        files: What to read.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with. Blocks.

        Raises:
            UsageError: a file cannot be read, or holds something else.
            RefusedError: others can reach the private key.
        """
        if self._context is None:
            self._context = _made(self._files)
        return self._context

    def forget(self) -> None:
        """Read the files anew for the next connection."""
        self._context = None


def _made(files: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
    except (OSError, ssl.SSLError):
        raise UsageError(
            f"the certificates in {files.ca_file} cannot be read.", fix="Name a readable PEM file as ca_file."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate_file is not None and files.key_file is not None:
        try:
            read_private(files.key_file)
            # A key that asks for a passphrase would otherwise ask on a terminal.
            context.load_cert_chain(files.certificate_file, files.key_file, password="")
        except (OSError, ssl.SSLError, ValueError):
            raise UsageError(
                f"{files.certificate_file} and {files.key_file} are no pair that can be read.",
                fix="Name a certificate and its private key, both PEM, the key without a passphrase.",
            ) from None
    return context

"""Lay out the folder of a new server. It never overwrites one, and completes what was stopped half-way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.errors import AlreadyExistsError, UsageError
from monoskope.host_port import HostPort, is_host
from monoskope.m8 import settings
from monoskope.m8.http import tls
from monoskope.m8.renewal import CA_FILE, CA_KEY_FILE, write_public
from monoskope.m8.tree import key_file
from monoskope.ownership import check_folder, check_owner
from monoskope.settings import convert, write_private

_FILES = frozenset(
    {
        settings.SETTINGS_FILE,
        "log.db",
        "log-id",
        "token-signing.key",
        "tls.key",
        "tls.crt",
        CA_FILE,
        CA_KEY_FILE,
        key_file.FILE,
    }
)

UNFINISHED = ".unfinished"
"""In a folder whose keys nobody uses yet: `lay_out` was stopped there, and makes them anew."""


def lay_out(
    folder: Path,
    listen: HostPort,
    *,
    names: Sequence[str] = (),
    keep_ca_key: bool = True,
    log_origin: str = "",
    database: Mapping[str, str] | None = None,
) -> settings.ServerSettings:
    """Make the folder (0700), its settings, token key and certificate, and return the settings.

    Stopped at any moment, it leaves a folder that the next call completes.

    Args:
        folder: Missing, or without any file of a server.
        listen: Where the server is to listen.
        names: Hosts, or `host:port`, by which it will be dialled, besides this machine's own.
        keep_ca_key: Whether the key of the CA is kept, so that it can sign the next certificate, too.
        log_origin: What the log is called towards those who hold it to account, "" for a name by chance.
        database: The settings of `m8.toml` about a PostgreSQL database, by name; none for the SQLite file.

    Raises:
        UsageError: a name is not a host, the origin of the log is none, a setting of the database breaks its rule, or
            the folder cannot be made.
        RefusedError: others can reach the file with the database's password, or own the folder.
        AlreadyExistsError: the folder holds a server, or a part of one that no call of this left.
    """
    addresses = _addresses(names, listen.port)
    table = {
        "listen": str(listen),
        "names": [str(address) for address in addresses],
        "operations_listen": _operations(listen),
        **(database or {}),
    }
    # Before anything is made: a folder that is half made is refused at the next try.
    file = folder / settings.SETTINGS_FILE
    settings.check(convert(table, settings.File, where=str(file)), file)
    log_key = key_file.make(log_origin)
    make_folder(folder)
    write_private(folder / UNFINISHED, b"", replace=True)
    key = Ed25519PrivateKey.generate()
    certificate = tls.make([address.host for address in addresses], now=dt.datetime.now(dt.UTC))
    write_private(folder / "token-signing.key", key.private_bytes_raw(), replace=True)
    write_private(folder / key_file.FILE, log_key.to_pem(), replace=True)
    write_private(folder / "tls.key", certificate.key, replace=True)
    write_public(folder / "tls.crt", certificate.certificate)
    write_public(folder / CA_FILE, certificate.ca)
    (folder / CA_KEY_FILE).unlink(missing_ok=True)
    if keep_ca_key:
        write_private(folder / CA_KEY_FILE, certificate.ca_key)
    # Last, because a folder with settings in it counts as complete.
    write_private(folder / settings.SETTINGS_FILE, tomli_w.dumps(table).encode())
    (folder / UNFINISHED).unlink()
    return settings.load(folder)


def check_owners(loaded: settings.ServerSettings) -> None:
    """Return if root and this user alone can change the folder of a server, its settings and its keys.

    Raises:
        UsageError: one of them cannot be looked at.
        RefusedError: others own it, or can write it.
    """
    folder = loaded.folder
    keys = (loaded.signing_key, loaded.tls_key, folder / key_file.FILE, folder / CA_KEY_FILE)
    check_folder(folder, folder / settings.SETTINGS_FILE, *keys)


def _operations(listen: HostPort) -> str:
    """Return the usual address beside the usual port, and a free port beside another, as of a second server."""
    usual = settings.DEFAULT_OPERATIONS_LISTEN
    is_usual = listen.port == HostPort.parse(settings.DEFAULT_LISTEN).port
    return usual if is_usual else str(HostPort(HostPort.parse(usual).host, 0))


def _addresses(names: Sequence[str], port: int) -> list[HostPort]:
    """Return every name with a port; the names that were asked for come first."""
    wanted = [_address(name, port) for name in names]
    local = [HostPort(name, port) for name in tls.LOCAL_NAMES]
    return list(dict.fromkeys((*wanted, *local)))


def _address(name: str, port: int) -> HostPort:
    if is_host(name):
        return HostPort(name, port)
    try:
        return HostPort.parse(name)
    except UsageError:
        raise UsageError(
            f"--name {name!r} is neither a host nor host:port.", fix="Write for example m8.example.com."
        ) from None


def make_folder(folder: Path) -> None:
    """Make the folder (0700) for a server, or complete it. Raises as `lay_out`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted(path.name for path in folder.iterdir() if path.name in _FILES)
        is_unfinished = (folder / UNFINISHED).exists() and settings.SETTINGS_FILE not in found
        if found and not is_unfinished:
            raise AlreadyExistsError(
                f"{folder} already holds {', '.join(found)}.",
                fix="Nothing was changed. Name another folder with --dir.",
            )
        check_owner(folder, folder.stat())
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}.", fix="Name another one.") from None

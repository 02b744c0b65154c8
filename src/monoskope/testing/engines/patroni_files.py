"""The settings of a cluster of PostgreSQL servers under Patroni: what docs/operate/high-availability.md recommends."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.engines.unprivileged import give
from monoskope.testing.parts import free_port

HOST = "127.0.0.1"
SCOPE = "m8"
LOSSLESS = {"synchronous_mode": "quorum", "synchronous_mode_strict": True}
"""A commit is acknowledged once a standby has it on disk, and never without one."""
LOSSY = {"synchronous_mode": False}
"""Asynchronous replication, which loses what was acknowledged: the negative control of the tests."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Made anew for each cluster."""

    superuser: str = field(default_factory=secrets.token_urlsafe, repr=False)
    replication: str = field(default_factory=secrets.token_urlsafe, repr=False)
    m8: str = field(default_factory=secrets.token_urlsafe, repr=False)
    rewind: str = field(default_factory=secrets.token_urlsafe, repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one node is.

    Attributes:
        name: Its name in the cluster.
        folder: Its own folder.
        port: PostgreSQL's.
        rest: The port of Patroni's REST interface.
    """

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "data"

    @property
    def settings(self) -> Path:
        """Patroni's settings."""
        return self.folder / "patroni.yml"


def make_authority(folder: Path) -> tls.Certificate:
    """Make a certificate for every node, and write the authority's own to `ca.pem` in `folder`."""
    made = tls.make([HOST], now=dt.datetime.now(dt.UTC))
    (folder / "ca.pem").write_bytes(made.ca)
    return made


def write(
    place: Place, made: tls.Certificate, *, etcd: int, programs: Path, passwords: Passwords, mode: dict[str, Any]
) -> None:
    """Lay out the folder of one node.

    Args:
        place: The node.
        made: The certificate and its key.
        etcd: etcd's port.
        programs: The folder with PostgreSQL's programs.
        passwords: The cluster's.
        mode: `LOSSLESS` or `LOSSY`.
    """
    place.folder.mkdir(mode=0o700)
    give(place.folder)
    settings = _settings(place, etcd, programs, passwords, mode)
    (place.folder / "server.pem").write_bytes(made.certificate)
    write_private(place.folder / "server.key", made.key)
    write_private(place.settings, yaml.safe_dump(settings).encode())
    for file in place.folder.iterdir():
        give(file)


def _settings(place: Place, etcd: int, programs: Path, passwords: Passwords, mode: dict[str, Any]) -> dict[str, Any]:
    return {
        "scope": SCOPE,
        "name": place.name,
        "restapi": {"listen": f"{HOST}:{place.rest}", "connect_address": f"{HOST}:{place.rest}"},
        "etcd3": {"host": f"{HOST}:{etcd}"},
        "bootstrap": {"dcs": mode | DCS, "initdb": ["data-checksums", {"encoding": "UTF8"}, {"locale": "C"}]},
        "postgresql": {
            "listen": f"{HOST}:{place.port}",
            "connect_address": f"{HOST}:{place.port}",
            "data_dir": str(place.data),
            "bin_dir": str(programs),
            "pgpass": str(place.folder / "pgpass"),
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "authentication": {
                "superuser": {"username": "postgres", "password": passwords.superuser, "sslmode": "require"},
                "replication": {"username": "replicator", "password": passwords.replication, "sslmode": "require"},
                "rewind": {"username": "rewinder", "password": passwords.rewind, "sslmode": "require"},
            },
            "pg_hba": [
                f"hostssl replication replicator {HOST}/32 scram-sha-256",
                f"hostssl all all {HOST}/32 scram-sha-256",
            ],
            "parameters": {
                "ssl": True,
                "ssl_cert_file": str(place.folder / "server.pem"),
                "ssl_key_file": str(place.folder / "server.key"),
                "ssl_min_protocol_version": "TLSv1.3",
                "password_encryption": "scram-sha-256",
                "unix_socket_directories": "",
                "shared_buffers": "64MB",
            },
        },
    }


DCS: dict[str, Any] = {
    "ttl": 20,
    "loop_wait": 2,
    "retry_timeout": 3,
    "maximum_lag_on_failover": 1_048_576,
    "primary_start_timeout": 0,
    "failsafe_mode": True,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            "wal_log_hints": "on",
            "wal_keep_size": "256MB",
            "wal_sender_timeout": "5s",
            "wal_receiver_timeout": "5s",
            "max_connections": 100,
        },
    },
}
"""What the whole cluster shares, beside its mode."""

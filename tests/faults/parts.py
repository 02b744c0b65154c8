"""What the clusters that break have in common: short waits, and where their log is."""

from __future__ import annotations

from pathlib import Path

from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.settings import write_private
from monoskope.testing.cluster import editing

M8_TIMINGS = {
    "requested": 20.0,  # a reactor that was killed before its grant starts anew in it, on a busy machine too
    "granted_grace": 1.0,
    "issuer_gone": 2.5,
    "silence": 2.2,
    "heartbeat": 1,
    "tick": 0.1,
}
REACTOR_TIMINGS = {
    "write_window": 2.0,
    "issuer_gone": 0.5,
    "settle": 2.5,
    "lookups": [0.0, 0.5],
    "lookup_retry": 0.5,
    "lookup_tries": 3,
    "tick": 0.1,
    "backoff_least": 0.1,
    "backoff_most": 0.3,
    "append_retry": 0.3,
    "drain": 3.0,
}
ENGINE_TIMEOUTS = {"timeout_s": 1.25, "connect_timeout_s": 1.25}
LIFETIME_S = 30
"""The shortest that the protocol allows."""


def shorten(file: Path, **tables: dict[str, object]) -> None:
    with editing(file) as known:
        known |= {name: {**known.get(name, {}), **table} for name, table in tables.items()}


def shorten_reactor(home: Path, **engine: object) -> None:
    shorten(home / "reactor.toml", timings=dict(REACTOR_TIMINGS), limits={"lifetime_s": LIFETIME_S}, engine=engine)


def database_settings(target: PostgresTarget, folder: Path) -> dict[str, object]:
    """Return what m8.toml says of a database, with the password in a file of `folder`."""
    assert target.tls is not None
    password = folder / "database-password"
    write_private(password, target.password().encode(), replace=True)
    hosts = ",".join(f"{host}:{port}" for host, port in target.hosts)
    return {
        "database": f"postgresql://{target.user}@{hosts}/{target.database}",
        "database_ca": str(target.tls.ca),
        "database_password_file": str(password),
    }


def store_of(folder: str) -> str:
    """Return the store that a reactor's folder is for: `reactor-<store>`, or with `-2` for another replica."""
    return folder.removeprefix("reactor-").removesuffix("-2")

"""The real pgbouncer in front of a real PostgreSQL; the program comes from the system (Debian: `pgbouncer`)."""

from __future__ import annotations

import dataclasses
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.testing.engines.postgres import USER, Postgres, user
from monoskope.testing.parts import NotInstalledError, Part, free_port, listens, needed


@contextmanager
def pooled(postgres: Postgres, target: PostgresTarget, mode: str, **more: str) -> Iterator[PostgresTarget]:
    """Run a pgbouncer in front of a database for the block, and give what connects to it.

    Args:
        postgres: The server, which runs.
        target: Its database, with its role and password.
        mode: `session`, `transaction` or `statement`.
        more: Further lines of its settings.

    Raises:
        UnavailableError: it is not installed, too old for `more`, or did not start.
    """
    program = needed("pgbouncer", "pgbouncer")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if "max_prepared_statements" in more and [int(part) for part in said.split()[1].split(".")] < [1, 21]:
        raise NotInstalledError("pgbouncer is older than 1.21.", fix="apt-get install pgbouncer on a newer system")
    folder = Path(tempfile.mkdtemp(prefix="m8-pgbouncer-", dir="/tmp"))
    port = free_port()
    _lay_out(folder, port, postgres, target, {"pool_mode": mode, **more})
    part = Part(
        f"pgbouncer ({mode})",
        [program, str(folder / "pgbouncer.ini")],
        log=postgres.folder / f"pgbouncer-{port}.log",
        folder=Path("/"),
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        user=user(),
    )
    part.start()
    try:
        part.wait_for(lambda: listens(f"127.0.0.1:{port}"))
        yield dataclasses.replace(target, hosts=(("127.0.0.1", port),))
    finally:
        part.kill()
        shutil.rmtree(folder)


def _lay_out(folder: Path, port: int, postgres: Postgres, target: PostgresTarget, more: Mapping[str, str]) -> None:
    for name in ("server.pem", "server.key"):
        shutil.copy(postgres.folder / name, folder)
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "auth_type": "scram-sha-256",
        "auth_file": str(folder / "users"),
        "client_tls_sslmode": "require",
        "client_tls_cert_file": str(folder / "server.pem"),
        "client_tls_key_file": str(folder / "server.key"),
        "server_tls_sslmode": "require",
        **more,
    }
    database = f"{target.database} = host=127.0.0.1 port={postgres.port} dbname={target.database}\n"
    text = f"[databases]\n{database}[pgbouncer]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
    (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")
    (folder / "users").write_text(f'"{USER}" "{target.password()}"\n', encoding="utf-8")
    if user():
        owner = pwd.getpwnam(user())
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)

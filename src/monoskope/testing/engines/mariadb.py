"""A real MariaDB in a folder: Debian's `mariadb-server`, with TLS by an authority of its own and a log of all calls.

Its programs are the system's. A test that is root runs it as the user `nobody`, as it runs PostgreSQL.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from monoskope.errors import UnavailableError
from monoskope.testing.engines.openbao_files import make_certificate
from monoskope.testing.engines.postgres import user
from monoskope.testing.engines.unprivileged import owned_folder
from monoskope.testing.parts import Part, Server, free_port, needed

_PACKAGE = "mariadb-server"

ADMIN = "root"
"""The administrator, who needs no password over the socket in the folder."""


class MariaDb(Server):
    """One server on a free port of 127.0.0.1, in a new folder that is removed when its block ends."""

    def __init__(self) -> None:
        server, install, self._client = (
            needed(name, _PACKAGE) for name in ("mariadbd", "mariadb-install-db", "mariadb")
        )
        self.folder = owned_folder("m8-mariadb-")
        self.ca_file = self.folder / "ca.pem"
        self.log_file = self.folder / "mariadb.log"
        self.statements = self.folder / "general.log"
        """All that clients send, as the server logs it."""
        self.port = free_port()
        make_certificate(self.folder)
        owner = pwd.getpwnam(user()) if user() else None
        for file in self.folder.iterdir():
            if owner is not None:
                os.chown(file, owner.pw_uid, owner.pw_gid)
        data = f"--datadir={self.folder / 'data'}"
        # Servers that share a folder for temporary tables remove one another's.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": str(self.folder)}
        done = subprocess.run(
            [
                *(install, "--no-defaults", data, "--auth-root-authentication-method=normal"),
                *("--skip-test-db", "--skip-name-resolve"),
            ],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            user=owner and owner.pw_uid,
            group=owner and owner.pw_gid,
            extra_groups=[] if owner else None,
        )
        if done.returncode != 0:
            raise UnavailableError(f"mariadb-install-db failed: {done.stdout}{done.stderr}")
        self._part = Part(
            "mariadb",
            [
                *(server, "--no-defaults", data, f"--socket={self.folder / 'socket'}"),
                *("--bind-address=127.0.0.1", f"--port={self.port}", "--plugin-load-add=auth_ed25519"),
                *(f"--ssl-ca={self.ca_file}", f"--ssl-cert={self.folder / 'server.pem'}"),
                *(f"--ssl-key={self.folder / 'server.key'}", f"--pid-file={self.folder / 'pid'}"),
                *("--general-log=1", f"--general-log-file={self.statements}", f"--log-bin={self.folder / 'binary'}"),
                *("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
            ],
            log=self.log_file,
            folder=Path("/"),
            environment=environment,
            user=user(),
        )

    def __repr__(self) -> str:
        return f"<MariaDb on port {self.port} in {self.folder}>"

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except UnavailableError:
            return False
        return True

    def close(self) -> None:
        """End it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def sql(self, statements: str) -> str:
        """Run statements as the administrator, and return the rows without headings.

        Raises:
            UnavailableError: the server does not answer, or refuses; holds what it says.
        """
        done = subprocess.run(
            [self._client, "--no-defaults", f"--socket={self.folder / 'socket'}", f"--user={ADMIN}", "-N", "-B"],
            input=statements,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UnavailableError(f"mariadb refuses: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

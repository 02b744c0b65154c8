"""The real litewitness, with its key in a real ssh-agent, managed by the real witnessctl (Debian: `litetlog`).

It speaks HTTP on loopback: what terminates TLS stands before it. Debian's own build of version 0.4.3 cannot cosign
(docs/adr/0055-witnesses.md), so the program is given: tools/get_litewitness.py builds it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TypedDict

from monoskope.errors import UnavailableError
from monoskope.testing.engines.openssh import Agent, make_key, run
from monoskope.testing.parts import Part, Server, free_port, listens, needed


class KnownLog(TypedDict):
    """A log as `witnessctl list-logs` shows it."""

    origin: str
    size: int
    root_hash: str
    keys: list[str]


class Litewitness(Server):
    """One witness, with a database and a key of its own. Usable as a context manager.

    Args:
        program: Where litewitness is.
        name: Of the witness, as in its verifier key.

    Raises:
        UnavailableError: a program is missing, or does not start.
    """

    def __init__(self, program: Path, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="m8-litewitness-", dir="/tmp"))
        self._agent = Agent()
        self._part = Part(
            name,
            [str(program)],
            log=self.folder / "log",
            folder=self.folder,
            # Built as Debian builds it, Go 1.24 reads the patterns of its paths as Go 1.21 did, and finds none.
            environment={"PATH": os.environ.get("PATH", os.defpath), "GODEBUG": "httpmuxgo121=0"},
        )
        self.vkey = ""
        """Its verifier key, once it runs."""

    def __repr__(self) -> str:
        return f"<Litewitness {self.name}>"

    def close(self) -> None:
        """End it, with its key and its database."""
        self.kill()
        self._agent.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def database(self) -> Path:
        """What it remembers of logs."""
        return self.folder / "litewitness.db"

    def start(self) -> None:
        """Start it, with a key and an agent at the first time, and wait until it listens."""
        if not (self.folder / "key").exists():
            self._agent.start()
            make_key(self.folder / "key")
            self._agent.add(self.folder / "key")
        fingerprint = run("ssh-keygen", "-l", "-f", str(self.folder / "key.pub")).split()[1]
        agent = str(self._agent.socket)
        options = ("-db", str(self.database), "-name", self.name, "-key", fingerprint, "-ssh-agent", agent)
        self._part.arguments = (self._part.arguments[0], *options, "-listen", f"127.0.0.1:{self.port}")
        super().start()
        found = re.findall(r"vkey=(\S+)", (self.folder / "log").read_text(encoding="utf-8"))
        self.vkey = found[-1]

    def _answers(self) -> bool:
        return listens(f"127.0.0.1:{self.port}")

    def wipe(self) -> None:
        """Lose everything that it remembers; it must not run."""
        for path in self.folder.glob("litewitness.db*"):
            path.unlink()

    def know(self, origin: str, vkey: str) -> None:
        """Have it take the checkpoints of a log, as its operator does. It may run meanwhile."""
        self._control("add-log", "-origin", origin)
        self._control("add-key", "-origin", origin, "-key", vkey)

    def known(self) -> dict[str, KnownLog]:
        """Return the logs that it takes checkpoints of, by their origins."""
        logs: list[KnownLog] = [json.loads(line) for line in self._control("list-logs").splitlines()]
        return {log["origin"]: log for log in logs}

    def _control(self, command: str, *options: str) -> str:
        program = needed("witnessctl", "litetlog")
        words = [program, command, "-db", str(self.database), *options]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"witnessctl {command} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

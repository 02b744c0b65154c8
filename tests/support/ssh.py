"""Keys by `ssh-keygen`, and a real ssh-agent, for tests of signed requests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa-256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}


def run(*words: str, stdin: str | None = None, **environ: str) -> str:
    """Run one of OpenSSH's programs and return what it printed."""
    environment = os.environ | environ
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True, env=environment).stdout


def keygen(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    """Make a key pair and return the path of its private half."""
    run("ssh-keygen", "-q", *TYPES[kind], "-N", passphrase, "-C", "anna's key", "-f", str(path), "-Z", "aes256-ctr")
    return path


def certify(ca: Path, key: Path, *, principals: str = "anna@example.org", valid: str = "-1m:+1h") -> Path:
    """Have `ca` certify a key, and return the path of the certificate beside it."""
    run("ssh-keygen", "-q", "-s", str(ca), "-I", "a certificate", "-n", principals, "-V", valid, f"{key}.pub")
    return key.with_name(f"{key.name}-cert.pub")


def shown(key: Path) -> str:
    """Return how OpenSSH shows a key: `SHA256:…`."""
    return run("ssh-keygen", "-l", "-f", f"{key}.pub").split()[1]


@dataclass(frozen=True)
class RealAgent:
    """An ssh-agent that runs."""

    socket: Path

    @property
    def environment(self) -> dict[str, str]:
        """What leads a program to it."""
        return {"SSH_AUTH_SOCK": str(self.socket)}

    def add(self, key: Path) -> None:
        """Give it a key, and the certificate beside it."""
        run("ssh-add", "-q", str(key), **self.environment)

    def clear(self) -> None:
        """Take all keys from it."""
        run("ssh-add", "-q", "-D", **self.environment)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock it while the block runs. The passphrase comes from a program, for there is no terminal."""
        asked = self.socket.with_name("askpass")
        asked.write_text("#!/bin/sh\necho locked\n")
        asked.chmod(0o700)
        ask = {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", **self.environment}
        run("ssh-add", "-x", **ask)
        try:
            yield
        finally:
            run("ssh-add", "-X", **ask)


@contextmanager
def real_agent(folder: Path) -> Iterator[RealAgent]:
    """Run an ssh-agent with its socket in `folder`, whose path must be short."""
    socket = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "SSH_AUTH_SOCK" in process.stdout.readline()  # it listens then
            yield RealAgent(socket)
        finally:
            process.terminate()

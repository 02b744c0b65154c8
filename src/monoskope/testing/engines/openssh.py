"""Real OpenSSH for tests: keys of every kind, an ssh-agent, and a security key in software.

`ssh-keygen`, `ssh-add` and `ssh-agent` come from the system (Debian: openssh-client). The security key is
`sk-dummy.so`, the middleware of OpenSSH's own regression tests: it keeps its keys in the "private" key file, and says
of every signature that it was touched, unless the key was made without touch. It proves nothing about hardware.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from monoskope.errors import UnavailableError
from monoskope.testing.parts import NotInstalledError, Part, Server, needed

KeyType = Literal["ed25519", "ecdsa", "rsa", "ed25519-sk", "ecdsa-sk"]

_PACKAGE = "openssh-client"

_MIDDLEWARES = (
    Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"),  # where Debian's package openssh-tests has it
    Path("/usr/local/lib/openssh/sk-dummy.so"),  # where .ci/run puts it, alone: the package brings an SSH server
)


def middleware() -> Path:
    """Return the middleware that is a security key in software.

    Raises:
        NotInstalledError: it is not here.
    """
    for path in _MIDDLEWARES:
        if path.exists():
            return path
    raise NotInstalledError(
        "OpenSSH's middleware for tests, sk-dummy.so, is not installed.",
        fix=f"Take it from Debian's package openssh-tests, and put it at {_MIDDLEWARES[1]}.",
    )


def make_key(file: Path, kind: KeyType = "ed25519", *, bits: int | None = None, touch: bool = True) -> Path:
    """Make a key pair with ssh-keygen: the private half in `file`, the public one beside it. Return the public file.

    Args:
        file: Must not exist; its folder must.
        kind: "ed25519-sk" and "ecdsa-sk" live on the security key in software.
        bits: Of an RSA or ECDSA key, None for ssh-keygen's own choice.
        touch: With False a security key signs without a touch.

    Raises:
        UnavailableError: OpenSSH or its middleware is not installed, or ssh-keygen refused.
    """
    options = ["-b", str(bits)] if bits is not None else []
    if kind.endswith("-sk"):
        options += ["-w", str(middleware()), *([] if touch else ["-O", "no-touch-required"])]
    run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(file), *options)
    return file.with_name(f"{file.name}.pub")


def run(*command: str, environment: dict[str, str] | None = None, data: bytes = b"") -> str:
    """Run one of OpenSSH's programs to its end, without a terminal, and return what it printed.

    Args:
        command: The program's name and its arguments.
        environment: Added to a bare one.
        data: What it reads from standard input.

    Raises:
        UnavailableError: it is not installed, or ended with another exit code than 0.
    """
    whole = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"} | (environment or {})
    words = [needed(command[0], _PACKAGE), *command[1:]]
    done = subprocess.run(words, env=whole, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise UnavailableError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout.decode()


class Agent(Server):
    """A real ssh-agent with a socket of its own, which ends with this process. Usable as a context manager.

    Raises:
        UnavailableError: ssh-agent is not installed, or does not start.
    """

    def __init__(self) -> None:
        program = needed("ssh-agent", _PACKAGE)
        # A short path: a socket's path has at most 108 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="m8-ssh-", dir="/tmp"))
        self.socket = self._folder / "agent"
        """What SSH_AUTH_SOCK names."""
        command = [program, "-D", "-a", str(self.socket)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._folder)}
        log = self._folder / "log"
        self._part = Part("ssh-agent", command, log=log, folder=self._folder, environment=environment)

    def __repr__(self) -> str:
        return f"<Agent {self.socket}>"

    def _answers(self) -> bool:
        # The socket has its name before the agent listens.
        with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
            asking.connect(str(self.socket))
            return True
        return False

    def close(self) -> None:
        """End the agent, with all keys in it."""
        self._part.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a program's environment needs to find this agent."""
        return {"SSH_AUTH_SOCK": str(self.socket)}

    def add(self, key: Path, *options: str) -> None:
        """Give the agent a private key, and the certificate beside it if there is one. Raises `UnavailableError`."""
        provider = next((str(path) for path in _MIDDLEWARES if path.exists()), "")  # "" for none
        environment = self.environment | ({"SSH_SK_PROVIDER": provider} if provider else {})
        run("ssh-add", "-q", *options, str(key), environment=environment)

    def forget(self) -> None:
        """Take all keys out of the agent."""
        run("ssh-add", "-q", "-D", environment=self.environment)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the agent while the block runs. The passphrase comes from a program, for there is no terminal."""
        asked = self._folder / "askpass"
        asked.write_text("#!/bin/sh\necho locked\n")
        asked.chmod(0o700)
        environment = {"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", **self.environment}
        run("ssh-add", "-x", environment=environment)
        try:
            yield
        finally:
            run("ssh-add", "-X", environment=environment)

    def held(self) -> list[str]:
        """Return the public keys and certificates in the agent, as lines of an authorized_keys file."""
        with contextlib.suppress(UnavailableError):  # how ssh-add -L ends where there is none
            return run("ssh-add", "-L", environment=self.environment).splitlines()
        return []

"""OpenSSH in tests: keys, an agent that asks to be touched, and a security key in software."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from monoskope.errors import UnavailableError
from monoskope.testing.engines import openssh
from monoskope.testing.engines.openssh import Agent
from monoskope.testing.parts import needed

TYPES = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa-256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}


def run(*words: str, stdin: str | None = None, **environ: str) -> str:
    needed(words[0], "openssh-client")
    environment = os.environ | environ
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=True, env=environment).stdout


def keygen(path: Path, kind: str = "ed25519", *, passphrase: str = "") -> Path:
    run("ssh-keygen", "-q", *TYPES[kind], "-N", passphrase, "-C", "anna's key", "-f", str(path), "-Z", "aes256-ctr")
    return path


def certify(ca: Path, key: Path, *, principals: str = "anna@example.org", valid: str = "-1m:+1h") -> Path:
    run("ssh-keygen", "-q", "-s", str(ca), "-I", "a certificate", "-n", principals, "-V", valid, f"{key}.pub")
    return key.with_name(f"{key.name}-cert.pub")


def signature(key: Path, message: bytes, namespace: str) -> bytes:
    """Return what `ssh-keygen -Y sign` makes of a message, without its armour."""
    words = ("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key))
    armoured = subprocess.run(words, input=message, capture_output=True, check=True).stdout
    return base64.b64decode(b"".join(armoured.splitlines()[1:-1]))


def shown(key: Path) -> str:
    return run("ssh-keygen", "-l", "-f", f"{key}.pub").split()[1]


def has_security_key() -> bool:
    try:
        openssh.middleware()
    except UnavailableError:
        return False
    return True


def need_security_key(kind: str) -> None:
    """Skip or fail a test with a key of `kind`, if that is one of a security key and there is none."""
    if "-sk" in kind and not has_security_key():
        pytest.skip("there is no sk-dummy.so, of Debian's package openssh-tests (.ci/run)")


_SIGN_REQUEST = 13


class TouchedAgent:
    """Stands before a real agent, and keeps each request to sign until the key is touched.

    Args:
        path: Of the new socket, in a short folder.
    """

    def __init__(self, behind: Agent, path: Path) -> None:
        self._behind = behind
        self.path = path
        self.touched = threading.Event()
        """Set while the user touches the key."""
        self._listening = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.touched.set()
        # A close alone wakes nobody who waits for the next.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"SSH_AUTH_SOCK": str(self.path)}

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                asking, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: socket.socket) -> None:
        """Carry one question and its answer: `monoctl` makes a connection for each."""
        with suppress(OSError), asking, socket.socket(socket.AF_UNIX) as agent:
            question = _message(asking)
            if question[4:5] == bytes([_SIGN_REQUEST]):
                self.touched.wait()
            agent.connect(str(self._behind.socket))
            agent.sendall(question)
            asking.sendall(_message(agent))


def _message(stream: socket.socket) -> bytes:
    head = stream.recv(4, socket.MSG_WAITALL)
    return head + stream.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)

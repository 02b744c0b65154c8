"""Keys and certificates by `ssh-keygen`, for tests of signed requests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from monoskope.testing.parts import needed

TYPES = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa-256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}


def run(*words: str, stdin: str | None = None, **environ: str) -> str:
    """Run one of OpenSSH's programs and return what it printed."""
    needed(words[0], "openssh-client")
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

"""Keys, certificates and signatures by `ssh-keygen`, and RSA with SHA-256 by `openssl`."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from monoskope.testing.engines.openssh import middleware
from tests.support.ssh_blobs import container, string, to_sign
from tools.signed_vectors.vector import ANNA, STATEMENT

KINDS = {
    "ed25519": ("ed25519",),
    "ecdsa-256": ("ecdsa", "-b", "256"),
    "ecdsa-384": ("ecdsa", "-b", "384"),
    "ecdsa-521": ("ecdsa", "-b", "521"),
    "rsa-3072": ("rsa", "-b", "3072", "-m", "PEM"),
    "sk-ed25519": ("ed25519-sk",),
    "sk-ecdsa": ("ecdsa-sk",),
}


class OpenSsh:
    """A folder with keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, message: bytes = b"") -> bytes:
        """Run a program in the folder and return what it wrote."""
        environment = {**os.environ, "SSH_SK_PROVIDER": str(middleware()), "TZ": "UTC"}
        done = subprocess.run(words, cwd=self.folder, input=message, capture_output=True, env=environment, check=True)
        return done.stdout

    def make(self, name: str, kind: str, *options: str) -> str:
        """Make a key and return its public line."""
        self.run("ssh-keygen", "-q", "-t", *KINDS.get(kind, (kind,)), *options, "-N", "", "-C", "", "-f", name)
        return (self.folder / f"{name}.pub").read_text().strip()

    def certify(
        self, name: str, ca: str, *options: str, principals: str = ANNA, valid: str = "20270115075500Z:20270115155500Z"
    ) -> str:
        """Have a CA certify a key; returns the name of the certificate's file."""
        names = ["-n", principals] if principals else []
        until = ["-V", valid] if valid else []
        self.run("ssh-keygen", "-q", "-s", ca, "-I", "anna", "-z", "5", *names, *until, *options, f"{name}.pub")
        return f"{name}-cert.pub"

    def sign(self, name: str, *options: str, namespace: str = "request@monoskope", message: bytes = STATEMENT) -> bytes:
        """Sign as a key or certificate of the folder and return the SSHSIG without armour."""
        armour = self.run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, *options, "-f", name, message=message)
        lines = [line for line in armour.decode().splitlines() if not line.startswith("-----")]
        return base64.b64decode("".join(lines))

    def sign_by_openssl(self, name: str, line: str, *, digest: str, algorithm: bytes) -> bytes:
        """Sign with an RSA key by openssl."""
        body = self.run("openssl", "dgst", f"-{digest}", "-sign", name, message=to_sign(STATEMENT))
        return container(base64.b64decode(line.split()[1]), string(algorithm) + string(body))


def accepts(folder: Path, vector: dict[str, object], principal: str) -> bool:
    """Whether `ssh-keygen -Y verify` accepts a vector, without the reactor's own revocations and permissions."""
    signature = base64.encodebytes(base64.b64decode(str(vector["signature"]))).decode()
    (folder / "sig").write_text(f"-----BEGIN SSH SIGNATURE-----\n{signature}-----END SSH SIGNATURE-----\n")
    listed = vector["allowed_approvers" if "allowed_approvers" in vector else "allowed_signers"]
    (folder / "signers").write_text(str(listed))
    words: Sequence[str] = (
        *("ssh-keygen", "-Y", "verify", "-f", "signers", "-I", principal, "-n", str(vector["namespace"]), "-s", "sig"),
        f"-Overify-time={stamp(int(str(vector['now'])))}",
    )
    statement = bytes.fromhex(str(vector["statement"]))
    return subprocess.run(words, cwd=folder, input=statement, capture_output=True, check=False).returncode == 0


def stamp(seconds: int) -> str:
    """A time as ssh-keygen reads it."""
    import datetime as dt  # noqa: PLC0415 - for this alone

    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y%m%d%H%M%SZ")

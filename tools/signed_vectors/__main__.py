"""`python -m tools.signed_vectors` writes tests/vectors-signed.json."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from tools.signed_vectors import certificates, containers, good, lists
from tools.signed_vectors.openssh import OpenSsh, accepts
from tools.signed_vectors.vector import ANNA

TARGET = Path(__file__).resolve().parents[2] / "tests" / "vectors-signed.json"
ABOUT = [
    "Vectors of signed requests. Each of `vectors` has one fault at most; docs/signatures.md says how to read them.",
    "Input: `signature` (an SSHSIG without armour, base64; empty for none) over `statement`, which is the label",
    "m8/signed-request/v1, a zero byte, grant_sha256 and sealed_sha256; the lists `allowed_signers` and `revoked`",
    "(null: cannot be read); the table `may` of a reactor of the store vault; what is asked for, `request`; the time",
    "`now`, in seconds since 1970. `expected` is the signer and the signer's key, or the word of the fault.",
    "`openssh_accepts` says whether `ssh-keygen -Y verify` of the version `openssh` accepted the signature under the",
    "same list of signers. `lists` are whole lists, each good or bad. Made by `python -m tools.signed_vectors`.",
]


def main() -> None:
    """Make the vectors anew."""
    with tempfile.TemporaryDirectory() as folder:
        ssh = OpenSsh(Path(folder))
        vectors = [
            *good.good(ssh),
            *containers.by_ssh_keygen(ssh),
            *containers.by_hand(),
            *certificates.by_ssh_keygen(ssh),
            *certificates.by_hand(),
            *lists.faults(ssh),
        ]
        for vector in vectors:
            vector["openssh_accepts"] = accepts(ssh.folder, vector, ANNA)
    names = [vector["name"] for vector in vectors]
    if len(set(names)) != len(names):
        raise SystemExit("a name stands there twice")
    whole = list(lists.lists())
    version = subprocess.run(["ssh", "-V"], capture_output=True, check=True, text=True).stderr.split()[0].rstrip(",")
    content = {"about": ABOUT, "openssh": version, "vectors": vectors, "lists": whole}
    TARGET.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{TARGET}: {len(vectors)} vectors, {len(whole)} lists")


if __name__ == "__main__":
    main()

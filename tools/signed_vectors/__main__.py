"""`python -m tools.signed_vectors` writes tests/vectors-signed.json.

With `--anew` all of it. Otherwise vectors that are there stay as they are, by their names, and others are added: those
who check an implementation against them then see what is new.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.signed_vectors import approvals, certificates, changes, containers, good, lists, slips
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
    "same list of signers. `lists` are whole lists, each good or bad. `changes` are changes (`content`, hex),",
    "`executions` requests that execute a change or do not, `approvals` signatures over `change_sha256` by the list",
    "`allowed_approvers`, as `vectors` are over a request. Made by `python -m tools.signed_vectors`.",
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
            *slips.slips(),
        ]
        approved = [*approvals.approvals(ssh)]
        for vector in vectors:
            vector["openssh_accepts"] = accepts(ssh.folder, vector, vector["expected"].get("signer", ANNA))
        for vector in approved:
            vector["openssh_accepts"] = accepts(ssh.folder, vector, approvals.BEN)
    sections = {
        "vectors": vectors,
        "lists": [*lists.lists(), *slips.lists(), *approvals.lists()],
        "changes": [*changes.changes()],
        "executions": [*changes.executions()],
        "approvals": approved,
    }
    if "--anew" not in sys.argv:
        known = json.loads(TARGET.read_text())
        sections = {name: _keeping(known.get(name, []), made) for name, made in sections.items()}
    version = subprocess.run(["ssh", "-V"], capture_output=True, check=True, text=True).stderr.split()[0].rstrip(",")
    TARGET.write_text(json.dumps({"about": ABOUT, "openssh": version, **sections}, indent=1) + "\n")
    print(f"{TARGET}: {', '.join(f'{len(made)} {name}' for name, made in sections.items())}")


def _keeping(known: Iterable[dict[str, Any]], made: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was made, in its order; what is known already as it is known."""
    by_name = {_name(one): one for one in known}
    found = [by_name.get(_name(one), one) for one in made]
    if len(set(map(_name, found))) != len(found):
        raise SystemExit("a name stands there twice")
    return found


def _name(one: dict[str, Any]) -> tuple[str, str]:
    """What names a vector, or a list of one of both kinds."""
    return one.get("list", ""), one["name"]


if __name__ == "__main__":
    main()

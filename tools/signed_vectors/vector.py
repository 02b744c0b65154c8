"""The form of a vector, and what all of them have in common."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.support.ssh_blobs import NAMESPACE

Vector = dict[str, Any]

NOW = 1_800_000_000
"""2027-01-15T08:00:00Z: the time at which each vector is looked at, unless it says otherwise."""
VALID = (NOW - 300, NOW + 8 * 3600)
GRANT_SHA256 = hashlib.sha256(b"a grant").digest()
SEALED_SHA256 = hashlib.sha256(b"encapsulated key and ciphertext").digest()
STATEMENT = b"m8/signed-request/v1\x00" + GRANT_SHA256 + SEALED_SHA256
ANNA = "anna@example.org"
MAY = [
    {"principal": ANNA, "prefixes": ["team-a"], "purposes": ["upload", "patch"]},
    {"principal": ANNA, "prefixes": ["team-b"], "purposes": ["compare", "copy"], "destinations": ["local://team-b"]},
    {"principal": "bert", "prefixes": ["team-c"], "purposes": ["upload"]},
]
REQUEST = {"purpose": "upload", "uri": "vault://team-a/db"}


def fingerprint(line: str) -> str:
    """`SHA256:…` of the key in a line of a `.pub` file."""
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def plain(key: str, *, principal: str = ANNA, options: str = "") -> str:
    """The list of signers with one plain key."""
    return f"{principal} {options} {' '.join(key.split()[:2])}\n".replace("  ", " ")


def authority(ca: str, *, principals: str = "*@example.org", options: str = "") -> str:
    """The list of signers with one CA."""
    return plain(ca, principal=principals, options=f"cert-authority{options}")


def vector(
    name: str,
    signature: bytes,
    signers: str,
    *,
    made_by: str,
    key: str = "",
    fault: str = "",
    revoked: str | None = "",
    request: dict[str, str] | None = None,
    now: int = NOW,
    signer: str = ANNA,
    may: list[dict[str, Any]] | None = None,
) -> Vector:
    """Return one vector: good with `key`, the line of the key that signed, else with the word of its fault.

    Args:
        name: What it is about.
        signature: The SSHSIG without armour.
        signers: The list of signers.
        made_by: The program that made the signature, or "hand".
        key: The line of the key that signed.
        fault: The word of the fault.
        revoked: The list of revocations, None for one that cannot be read.
        request: What is asked for.
        now: Seconds since 1970.
        signer: The principal of a good one.
        may: The table of permissions.
    """
    expected = {"fault": fault} if fault else {"signer": signer, "signer_key": fingerprint(key)}
    return {
        "name": name,
        "made_by": made_by,
        "grant_sha256": GRANT_SHA256.hex(),
        "sealed_sha256": SEALED_SHA256.hex(),
        "statement": STATEMENT.hex(),
        "namespace": NAMESPACE.decode(),
        "signature": base64.b64encode(signature).decode(),
        "allowed_signers": signers,
        "revoked": revoked,
        "max_certificate_hours": 16,
        "may": MAY if may is None else may,
        "request": request or REQUEST,
        "now": now,
        "expected": expected,
    }

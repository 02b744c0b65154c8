"""SCRAM-SHA-256 verifiers, made here so that a password reaches neither PostgreSQL's statements nor its log.

RFC 5802 and 7677, in the form of PostgreSQL's `pg_authid.rolpassword`:
`SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, each in standard base64. Passwords are printable ASCII here,
which SASLprep leaves as it is. The salt tells which write it was, so that a lost answer can be looked up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode

ITERATIONS = 4_096
"""PostgreSQL's own default. Who reads a verifier can try passwords; 20 random characters withstand that."""
MOST_ITERATIONS = 1_000_000
"""What others set with more is not compared: it would take seconds."""
SALT_BYTES = 16

_LABEL = b"m8/account-salt/v1\x00"
_VERSION = re.compile(r"scram@([1-9][0-9]{0,9}):([A-Za-z0-9+/]{4,128}={0,2})(?:,.*)?", re.ASCII)


def salt_of(write_tag: str) -> bytes:
    """Return the salt of the write with that tag, 64 hex digits: it is in no other write's verifier."""
    return hashlib.sha256(_LABEL + bytes.fromhex(write_tag)).digest()[:SALT_BYTES]


def name_of(salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return the version of what has that salt. A login shows both to everybody, so it tells nothing of a password."""
    return f"scram@{iterations}:{b64encode(salt).decode('ascii')}"


def parts_of(version: str) -> tuple[bytes, int] | None:
    """Return salt and iterations that a version names, None where it names none."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    try:
        return b64decode(found[2], validate=True), int(found[1])
    except ValueError:
        return None


def verifier(password: bytes, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return the verifier of a password of printable ASCII. It takes about 1 ms at 4,096 iterations."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = (stored, hmac.digest(salted, b"Server Key", "sha256"))
    shown = ":".join(b64encode(key).decode("ascii") for key in keys)
    return f"SCRAM-SHA-256${iterations}:{b64encode(salt).decode('ascii')}${shown}"

"""A bundle, as tests change it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from msgspec import structs

from monoskope.protocol.bundle import Bundle, Log, Login
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.protocol.tlog.log_key import LogKey

SERVER = "m8.example.org:7443"
IDENTITY = f"SHA256:{'A' * 43}"
OTHER_IDENTITY = f"SHA256:{'B' * 42}E"


@functools.cache
def vkeys(origin: str = "monoskope/0123456789abcdef") -> tuple[str, str]:
    """The two keys of a log that is made once."""
    ed25519, ml_dsa_44 = LogKey.make(origin).vkeys
    return str(ed25519), str(ml_dsa_44)


def witness(name: str = "witness.example.org") -> str:
    return str(VerifierKey(name, Kind.COSIGNATURE_ED25519, hashlib.sha256(name.encode()).digest()))


def a_bundle(**changed: Any) -> Bundle:
    found = Bundle(
        servers=(SERVER,),
        contact="Änna, phone 030 1234",
        login=Login("https://login.example.org/realms/main", "monoctl", scopes="groups"),
        log=Log(vkeys()),
        default_store="vault",
        stores={"vault": IDENTITY, "age": OTHER_IDENTITY},
    )
    return structs.replace(found, **changed) if changed else found

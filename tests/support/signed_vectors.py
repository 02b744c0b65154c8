"""The vectors of signed requests (tests/vectors-signed.json), and a reactor's rules as each of them states them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request, make_request
from monoskope.reactor.signers.decision import Rules
from monoskope.reactor.signers.lists import parse_listed, parse_revoked
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, MayRule, permissions
from monoskope.uri import SecretUri

Vector = dict[str, Any]

SIGNED_VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors-signed.json").read_text())
VECTORS: list[Vector] = SIGNED_VECTORS["vectors"]
LISTS: list[Vector] = SIGNED_VECTORS["lists"]
BY_NAME: dict[str, Vector] = {vector["name"]: vector for vector in VECTORS}
GOOD = [vector for vector in VECTORS if "fault" not in vector["expected"]]


def blob_of(vector: Vector) -> bytes:
    """The SSHSIG of a vector, without armour."""
    return base64.b64decode(vector["signature"])


def rules_of(vector: Vector) -> Rules:
    """What is in force at the reactor of a vector."""
    return Rules(
        parse_listed(vector["allowed_signers"]),
        None if vector["revoked"] is None else parse_revoked(vector["revoked"]),
        permissions(msgspec.convert(vector["may"], list[MayRule]), "vault"),
        vector["max_certificate_hours"] * 3600,
    )


def request_of(vector: Vector) -> Request:
    """What a vector asks for."""
    asked = vector["request"]
    purpose = PURPOSE_BY_WORD[asked["purpose"]]
    return make_request(
        request_id=b"i" * 16,
        purpose=purpose,
        uri=SecretUri.parse(asked["uri"]),
        suites=(1,),
        expect=upload_pb2.EXPECT_ANY if PURPOSES[purpose].writes else upload_pb2.EXPECT_UNSPECIFIED,
        destination=SecretUri.parse(asked["destination"]) if "destination" in asked else None,
    )

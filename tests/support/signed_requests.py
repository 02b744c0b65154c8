"""Keys that sign requests, and the published vectors."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.change import Change
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, approval_statement, statement
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request, make_request
from monoskope.protocol.sshsig import parse_public
from monoskope.protocol.sshsig.container import serialise, signed_bytes
from monoskope.protocol.sshsig.fields import string
from monoskope.protocol.sshsig.lists import parse_listed, parse_revoked
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.decision import Rules
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, ApproveRule, MayRule, SignersFile, permissions
from monoskope.uri import SecretUri


class Person:
    def __init__(self, name: str) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        self._signer = parse_public(self.public)

    @property
    def key(self) -> str:
        return str(getattr(self._signer, "fingerprint"))  # noqa: B009 - a plain key, no certificate

    def signs(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        return self.signs_statement(statement(grant.sha256, sealed_sha256))

    def approves(self, change: Change) -> bytes:
        return self.signs_statement(approval_statement(change.sha256), Namespace.APPROVAL)

    def signs_statement(self, message: bytes, namespace: Namespace = Namespace.REQUEST) -> bytes:
        signature = self._key.sign(signed_bytes(message, namespace))
        return serialise(self._signer.blob, string(b"ssh-ed25519") + string(signature), namespace)


class OwnSigner(Person):
    """A user's own signer. It keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__("alice")
        self.asked: list[tuple[Grant, bytes]] = []

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        self.asked.append((grant, sealed_sha256))
        return self.signs(grant, sealed_sha256)


def table(
    *rules: MayRule,
    unsigned: Sequence[str] = (),
    file: str = "allowed_signers",
    revoked: str = "revoked_keys",
    approve: Sequence[ApproveRule] = (),
) -> SignersFile:
    return SignersFile(
        file=file,
        revoked=revoked,
        unsigned=list(unsigned),
        may=list(rules),
        approvers="allowed_approvers" if approve else "",
        approve=list(approve),
    )


def may(
    person: Person | str,
    *purposes: str,
    prefixes: Sequence[str] = ("team-a",),
    destinations: Sequence[str] = ("other://team-a",),
    approvals: int = 0,
    break_glass: bool = False,
) -> MayRule:
    """Return a rule: by default everything below `team-a`."""
    words = list(purposes or PURPOSE_BY_WORD)
    to = list(destinations) if "copy" in words else []
    principal = person if isinstance(person, str) else person.name
    return MayRule(
        principal=principal,
        prefixes=list(prefixes),
        purposes=words,
        destinations=to,
        approvals=approvals,
        break_glass=break_glass,
    )


def approvers(
    *people: Person | str, purposes: Sequence[str] = (), prefixes: Sequence[str] = ("team-a",)
) -> ApproveRule:
    """Return a rule of those who may approve: by default all that writes below `team-a`."""
    names = [person if isinstance(person, str) else person.name for person in people]
    words = list(purposes or (word for word, purpose in PURPOSE_BY_WORD.items() if PURPOSES[purpose].writes))
    return ApproveRule(principals=names, prefixes=list(prefixes), purposes=words)


def lines_of(people: Sequence[Person], namespace: Namespace) -> list[str]:
    return [f'{one.name} namespaces="{namespace.value}" {one.public}' for one in people]


def write_lists(
    folder: Path, *people: Person, revoked: Sequence[str] = (), approvers: Sequence[Person | str] = ()
) -> None:
    """Write the lists; of the approvers a text is a whole line."""
    approving = [one for one in approvers if isinstance(one, Person)]
    whole = [one for one in approvers if isinstance(one, str)]
    for name, lines in (
        ("allowed_signers", lines_of(people, Namespace.REQUEST)),
        ("revoked_keys", revoked),
        ("allowed_approvers", [*lines_of(approving, Namespace.APPROVAL), *whole]),
    ):
        path = folder / name
        path.write_text("".join(f"{line}\n" for line in (*lines, "# end")))
        path.chmod(0o600)


def signers(
    folder: Path,
    *people: Person,
    file: SignersFile | None = None,
    revoked: Sequence[str] = (),
    approvers: Sequence[Person | str] = (),
    identity: str = "",
) -> Signers:
    """Return signers who may do everything below `team-a`, or what `file` says."""
    write_lists(folder, *people, revoked=revoked, approvers=approvers)
    return Signers.load(file or table(*map(may, people)), folder=folder, store="memory", identity=identity)


Vector = dict[str, Any]

SIGNED_VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors-signed.json").read_text())
VECTORS: list[Vector] = SIGNED_VECTORS["vectors"]
LISTS: list[Vector] = SIGNED_VECTORS["lists"]
CHANGES: list[Vector] = SIGNED_VECTORS["changes"]
EXECUTIONS: list[Vector] = SIGNED_VECTORS["executions"]
APPROVALS: list[Vector] = SIGNED_VECTORS["approvals"]
BY_NAME: dict[str, Vector] = {vector["name"]: vector for vector in VECTORS}
GOOD = [vector for vector in VECTORS if "fault" not in vector["expected"]]


def blob_of(vector: Vector) -> bytes:
    return base64.b64decode(vector["signature"])


def rules_of(vector: Vector) -> Rules:
    """What is in force at the reactor of a vector."""
    return Rules(
        parse_listed(vector["allowed_signers"], Namespace.REQUEST),
        None if vector["revoked"] is None else parse_revoked(vector["revoked"]),
        permissions(msgspec.convert(vector["may"], list[MayRule]), "vault"),
        vector["max_certificate_hours"] * 3600,
    )


def request_of(vector: Vector) -> Request:
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

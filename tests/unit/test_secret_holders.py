"""Every type that holds a secret shows nothing of it, in tracebacks with locals neither, and is never copied.

And a rule for what comes later: a dataclass field that is named like a secret is hidden from its `repr`, or stands in
`SHOWN` with the reason.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import datetime as dt
import importlib
import pickle
import pkgutil
import re
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import monoskope
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.purposes.put import Expect, encoded
from monoskope.client.settings import ClientSettings
from monoskope.client.task import Task
from monoskope.m8.credentials.tokens import Issued
from monoskope.m8.grpc import tls
from monoskope.m8.grpc.tls import Certificate
from monoskope.monoctl.input.gathered_values import Values
from monoskope.protocol.payload import Payload
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import KeyRules, OneTimeKeys
from monoskope.reactor.work.copy_secret import Job
from monoskope.stores.aws.client import Answer
from monoskope.stores.aws.layout import Content
from monoskope.stores.barbican.auth import Token as BarbicanToken
from monoskope.stores.barbican.http import Answer as BarbicanAnswer
from monoskope.stores.barbican.values import Stored
from monoskope.stores.driver import Snapshot
from monoskope.stores.kubernetes.auth import Access
from monoskope.stores.kubernetes.http import Answer as KubernetesAnswer
from monoskope.stores.vault.config import TokenFile
from monoskope.stores.vault.http import Answer as VaultAnswer
from monoskope.stores.vault.secret_id import _Kept
from monoskope.stores.vault.session import Token, VaultSession
from monoskope.testing.search import Wanted, look
from monoskope.uri import SecretUri
from monoskope.value import Value
from tests.unit.protocol.vectors import a_request

SECRET = b"correct-horse-battery-staple-32b"
TEXT = SECRET.decode()


def one_time_keys() -> OneTimeKeys:
    keys = OneTimeKeys(Identity(SECRET, store="vault"), KeyRules(b"r" * 16, 300, 512, "0" * 16, 10))
    keys.offer(a_request(), "anna")
    return keys


def values() -> Values:
    gathered = Values()
    gathered.add("password", SECRET)
    return gathered


def vault_session() -> VaultSession:
    session = VaultSession(SimpleNamespace(), TokenFile(token_file="token"), Path("state"))  # type: ignore[arg-type]
    session._token = Token(TEXT, lease_s=1, first_lease_s=1, renewable=True)
    return session


def copy_job() -> Job:
    there = SecretUri.parse("vault://app/db")
    return Job(SimpleNamespace(), "SHA256:", TEXT, b"p" * 16, there, Expect.ANY, 20.0)  # type: ignore[arg-type]


def connection(folder: Path) -> Connection:
    """Made but not dialled."""
    ca_file = folder / "ca.crt"
    ca_file.write_bytes(tls.make(["localhost"], now=dt.datetime.now(dt.UTC)).ca)
    return Connection("localhost:1", ca_file, TEXT)


async def test_a_connection_and_the_client_that_has_it_are_holders(tmp_path: Path) -> None:
    """Of the token that each call carries. They need an event loop, so they are not in `HOLDERS`."""
    held = connection(tmp_path)
    settings = ClientSettings(
        server="m8:1", ca_file=tmp_path / "ca.crt", token=TEXT, known_stores=tmp_path / "known_stores"
    )
    client = Client(settings)
    client._open = held
    for holder in (held, client):
        for text in (repr(holder), str(holder), f"{holder}", str([holder])):
            assert not shows(text)
        check_unshared(holder)
        check_traceback(holder)
    await held.close()


HOLDERS: dict[str, Callable[[], object]] = {
    "Payload": lambda: Payload({"password": SECRET}),
    "Snapshot": lambda: Snapshot("1", Payload({"password": SECRET})),
    "Task": lambda: Task(
        uri=SecretUri.parse("vault://app/db"),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        plaintext=encoded({"password": SECRET}),
    ),
    "Settings": lambda: ClientSettings(
        server="m8:1", ca_file=Path("ca"), token=TEXT, known_stores=Path("known_stores")
    ),
    "Client": lambda: Client(HOLDERS["ClientSettings"]()),  # type: ignore[arg-type]
    "Values": values,
    "copy Job": copy_job,
    "vault VaultSession": vault_session,
    "Issued": lambda: Issued(TEXT, "0" * 32),
    "Certificate": lambda: Certificate(b"ca", b"certificate", SECRET),
    "kubernetes Answer": lambda: KubernetesAnswer(200, {"data": {"password": TEXT}}),
    "kubernetes Access": lambda: Access("https://k", ssl.create_default_context(), TEXT),
    "aws Answer": lambda: Answer(body={"SecretString": TEXT}),
    "vault Answer": lambda: VaultAnswer(200, {"data": {"password": TEXT}}),
    "vault _Kept": lambda: _Kept(wrapping_token_sha256="0" * 64, secret_id=TEXT),
    "barbican Answer": lambda: BarbicanAnswer(200, SECRET, TEXT),
    "aws Content": lambda: Content(TEXT, SECRET),
    "vault Token": lambda: Token(TEXT, lease_s=1, first_lease_s=1, renewable=True),
    "barbican Token": lambda: BarbicanToken(TEXT, until=1.0),
    "barbican Stored": lambda: Stored("text/plain", TEXT),
    "FingerprintKey": lambda: FingerprintKey(SECRET),
    "Identity": lambda: Identity(SECRET, store="vault"),
    "OneTimeKeys": one_time_keys,
}


def shows(text: str) -> bool:
    """Whether the secret is in a text, in any form."""
    wanted = Wanted.of("secret", SECRET)
    return look("text", [text.encode()], [wanted]).total("secret") > 0


@pytest.mark.parametrize("name", HOLDERS)
def test_a_holder_shows_nothing(name: str) -> None:
    holder = HOLDERS[name]()
    for text in (repr(holder), str(holder), f"{holder}", f"{holder!r:>200}", "{} {!r}".format(*[holder] * 2)):
        assert not shows(text)


@pytest.mark.parametrize("name", HOLDERS)
def test_a_holder_is_never_pickled_or_copied(name: str) -> None:
    check_unshared(HOLDERS[name]())


def check_unshared(holder: object) -> None:
    ways: list[Callable[[object], object]] = [copy.copy, copy.deepcopy]
    ways += [lambda one, protocol=protocol: pickle.dumps(one, protocol) for protocol in range(6)]  # type: ignore[misc]
    for way in ways:
        with pytest.raises(TypeError, match="never pickled or copied"):
            way(holder)


@pytest.mark.parametrize("name", HOLDERS)
def test_a_traceback_with_locals_shows_nothing_of_a_holder(name: str) -> None:
    check_traceback(HOLDERS[name]())


def check_traceback(holder: object) -> None:
    def stumble(holder: object) -> None:
        held = [holder]
        raise RuntimeError(f"with {holder} and {held!r}")

    with pytest.raises(RuntimeError) as stumbled:
        stumble(holder)
    text = "".join(traceback.TracebackException.from_exception(stumbled.value, capture_locals=True).format())
    assert "held = " in text
    assert not shows(text)


def test_the_search_can_see() -> None:
    assert shows(f"x{TEXT}")
    assert shows(base64.b64encode(SECRET).decode())


# --- what comes later ---

_LIKE_A_SECRET = re.compile(
    r"(^|_)(token|jwt|seed|plaintext|password|passphrase|secret|private|payload|values|content|ciphertext|sealed)$"
    r"|private_key|^key$"
)
_HELD_AS = re.compile(r"\b(bytes|str|bytearray|PrivateKey\b|\w+PrivateKey)\b|Mapping\[str, bytes\]|dict\[str, bytes\]")

SHOWN = {
    "monoskope.m8.log.event_log": "documents' names and serialized views, which hold no value",
    "monoskope.protocol.receipt.Receipt.values": "fingerprints",
    "monoskope.reactor.identity.fingerprint.Fingerprints.values": "fingerprints",
    "monoskope.client.purposes.put.PutResult.values": "fingerprints",
    "monoskope.client.purposes.import_secret.Import.values": "fingerprints",
    "monoskope.client.purposes.generate.Generated.values": "fingerprints",
    "monoskope.client.purposes.generate.Generated.public_values": "public halves of key pairs",
    "monoskope.protocol.receipt.Receipt.public_values": "public halves of key pairs",
    "monoskope.protocol.recipes.Recipe.key": "the name of a value",
}
"""What is named like a secret and is none, with the reason."""


@dataclasses.dataclass(frozen=True)
class Member:
    """One field of one of our types."""

    path: str
    name: str
    kind: str
    shown: bool
    """By the type's own `repr`."""


def members() -> Iterator[Member]:
    """Every field of every dataclass and every value of ours."""
    for module in pkgutil.walk_packages(monoskope.__path__, "monoskope."):
        if module.name.startswith(("monoskope.api.", "monoskope.testing")) or module.name.endswith("__main__"):
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if not isinstance(found, type) or found.__module__ != module.name:
                continue
            path = f"{module.name}.{found.__qualname__}"
            if dataclasses.is_dataclass(found):
                shows = found.__dataclass_params__.repr  # type: ignore[attr-defined]
                shows = shows and hasattr(found.__repr__, "__wrapped__")  # as the repr that was made is
                for one in dataclasses.fields(found):
                    yield Member(f"{path}.{one.name}", one.name, str(one.type), shows and one.repr)
            elif issubclass(found, Value):
                for name in found.__struct_fields__:
                    shown = found.__repr__ is not Value.__repr__ or name not in found.hidden
                    yield Member(f"{path}.{name}", name, found.__annotations__.get(name, ""), shown)


def test_a_field_that_is_named_like_a_secret_is_hidden() -> None:
    shown = [
        one.path
        for one in members()
        if _LIKE_A_SECRET.search(one.name)
        and _HELD_AS.search(one.kind)
        and one.shown
        and not one.path.startswith(tuple(SHOWN))
    ]
    assert shown == []


def test_the_rule_sees_fields() -> None:
    names = {one.path for one in members() if _LIKE_A_SECRET.search(one.name)}
    assert {"monoskope.client.settings.Settings.token", "monoskope.m8.credentials.tokens.Issued.jwt"} <= names


def test_every_hidden_field_is_one() -> None:
    paths = {one.path for one in members()}
    for kind in Value.__subclasses__():
        for name in kind.hidden:
            assert f"{kind.__module__}.{kind.__qualname__}.{name}" in paths

"""Every type that holds a secret shows nothing of it, in tracebacks with locals neither, and is never copied.

Which types these are, test_secrets_have_holders.py finds.
"""

from __future__ import annotations

import base64
import datetime as dt
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, SyncClient
from monoskope.client.connection import Connection
from monoskope.client.login.browser import CodeFlow
from monoskope.client.login.credential import Caller, FixedToken, KeptLogin, Login
from monoskope.client.login.credential import Issued as IssuedToken
from monoskope.client.login.id_token import IdToken
from monoskope.client.login.issuer import Provider
from monoskope.client.login.starting import DeviceCode
from monoskope.client.login.workload import WorkloadToken
from monoskope.client.purposes import Expect, encoded
from monoskope.client.results.access import NewToken
from monoskope.client.runtime.blocking import BlockingRuntime
from monoskope.client.session import Session as ClientSession
from monoskope.client.settings import ClientSettings
from monoskope.client.signing import Signing
from monoskope.client.signing.key_file import KeySigner, PrivateFile
from monoskope.client.sync import SyncAccess, SyncLog, SyncStores, _Twin
from monoskope.client.walk.task import Task
from monoskope.http.client.destination import Proxy, Server
from monoskope.http.client.exchange import Answer, ResponseReader, Tunnel
from monoskope.http.client.websocket_client import ClientSocket
from monoskope.http.messages import Head
from monoskope.m8.calls import Arrival
from monoskope.m8.credentials.tokens import Issued, Tokens
from monoskope.m8.http import tls
from monoskope.m8.http.presented import PresentedCertificate, _Pair
from monoskope.m8.http.requests import Call, Codec
from monoskope.m8.http.tls import Authority, Certificate
from monoskope.m8.http.token_endpoint import TokenEndpoint
from monoskope.m8.issuers.jose import Token
from monoskope.m8.tree.key_file import KeyFile
from monoskope.monoctl.console.channel import Beginning, Channel
from monoskope.monoctl.console.operations import Context
from monoskope.monoctl.console.server import Begin
from monoskope.monoctl.console.session import Begun, Session, Sessions, _Link
from monoskope.monoctl.input.values import Values
from monoskope.protocol.payload import HiddenValues, Payload
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import KeyRules, OneTimeKeys, _Entry
from monoskope.reactor.work.copy_secret import CopyPut
from monoskope.stores import registry
from monoskope.stores.aws.client import AwsAnswer
from monoskope.stores.aws.layout import AwsContent
from monoskope.stores.barbican.auth import BarbicanSession, KeystoneToken
from monoskope.stores.barbican.config import BarbicanConfig, NoLogin
from monoskope.stores.barbican.values import Stored
from monoskope.stores.driver import Snapshot, StoreDriver
from monoskope.stores.kubernetes.client import Access
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import TokenFile
from monoskope.stores.vault.logins import _Kept
from monoskope.stores.vault.session import VaultSession, VaultToken
from monoskope.testing.search import Wanted, look
from monoskope.uri import SecretUri
from monoskope.value import Unshared
from tests.support.holders import check_unshared, classes
from tests.support.vectors import a_request

SECRET = b"correct-horse-battery-staple-32b"
TEXT = SECRET.decode()


def one_time_keys() -> OneTimeKeys:
    keys = OneTimeKeys(Identity(SECRET, store="vault"), KeyRules(b"r" * 16, 300, 512, "0" * 16, 10))
    keys.grant(a_request(), "anna")
    return keys


def values() -> Values:
    gathered = Values()
    gathered.add("password", SECRET)
    return gathered


def vault_session() -> VaultSession:
    session = VaultSession(SimpleNamespace(), TokenFile(token_file="token"), Path("state"))  # type: ignore[arg-type]
    session._token = VaultToken(TEXT, lease_s=1, first_lease_s=1, renewable=True)
    return session


def settings() -> ClientSettings:
    return ClientSettings(server="m8:1", ca_file=Path("ca"), token=TEXT, known_stores=Path("known_stores"))


def tokens() -> Tokens:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    return Tokens(SimpleNamespace(), signing_key=key, audience="m8", clock=int)  # type: ignore[arg-type]


def barbican_session() -> BarbicanSession:
    config = BarbicanConfig("https://b", NoLogin("p"))
    session = BarbicanSession(SimpleNamespace(), config)  # type: ignore[arg-type]
    session._token = KeystoneToken(TEXT, until=1.0)
    return session


def presented_certificate() -> PresentedCertificate:
    presented = object.__new__(PresentedCertificate)
    presented._pair = _Pair(b"certificate", SECRET, 1)
    return presented


def response_reader() -> ResponseReader:
    reader = ResponseReader("GET", most_body=100)
    reader.feed(b"HTTP/1.1 200 OK\r\nX-Token: " + SECRET + b"\r\nContent-Length: 99\r\n\r\n" + SECRET)
    return reader


def proxy() -> Proxy:
    return Proxy("proxy", 3128, f"Basic {TEXT}")


def copy_job() -> CopyPut:
    there = SecretUri.parse("vault://app/db")
    return CopyPut(SimpleNamespace(), "SHA256:", TEXT, b"p" * 16, there, Expect.ANY, 20.0)  # type: ignore[arg-type]


def connection(folder: Path) -> Connection:
    """Made but not dialled."""
    ca_file = folder / "ca.crt"
    ca_file.write_bytes(tls.make(["localhost"], now=dt.datetime.now(dt.UTC)).ca)
    return Connection("localhost:1", ca_file, TEXT)


async def test_a_connection_and_the_client_that_has_it_are_holders(tmp_path: Path) -> None:
    """Of the token that each call carries. They need an event loop, so they are not in `HOLDERS`."""
    held = connection(tmp_path)
    client = Client(settings())
    client._session._connection = held
    for holder in (held, client):
        for text in (repr(holder), str(holder), f"{holder}", str([holder])):
            assert not shows(text)
        check_unshared(holder)
        check_traceback(holder)
    await held.close()


def private_file() -> PrivateFile:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return PrivateFile(Path("key"), content)


def key_signer() -> KeySigner:
    signer = KeySigner("key", passphrase=TEXT)
    signer._opened = private_file().public, private_file().key(None)
    return signer


def session() -> Session:
    return Session(SECRET, Channel(SECRET, SECRET))


def sessions() -> Sessions:
    made = Sessions(lambda: 0.0)
    made._links.append(_Link(Beginning(SECRET), 1.0))
    made._sessions.append(session())
    return made


def called() -> Call:
    app: Any = SimpleNamespace()
    method: Any = SimpleNamespace(name="GetSecret")
    head = Head("POST", "/", "", (("authorization", f"Bearer {TEXT}"),), "peer")
    return Call(app, method, Codec.JSON, head, deadline=None, headers=(), most_body=1)


def caller() -> Caller:
    async def exchange(token: str, kind: str) -> IssuedToken:
        raise AssertionError((token, kind))

    made = Caller(FixedToken(TEXT), exchange, BlockingRuntime())
    made.last = TEXT
    return made


def kept_login() -> KeptLogin:
    secrets = dict.fromkeys(("id_token", "refresh_token", "token"), TEXT)
    return KeptLogin(server="m8:1", issuer="https://login.example.org", client_id="c", audience="c", **secrets)


def code_flow() -> CodeFlow:
    end = "https://login.example.org/x"
    provider = Provider(issuer=end, authorization_endpoint=end, token_endpoint=end, jwks_uri=end)
    made = CodeFlow(provider, client_id="c", scopes="openid")
    made.verifier = made.nonce = TEXT
    return made


def device_code() -> DeviceCode:
    uri = "https://login.example.org/device"
    return DeviceCode(
        device_code=TEXT, user_code="ABCD", verification_uri=uri, complete_uri="", lasts_s=1.0, interval_s=1.0
    )


def exchanging() -> TokenEndpoint:
    method: Any = SimpleNamespace(name="ExchangeToken")
    head = Head("POST", "/", "", (("authorization", f"Bearer {TEXT}"),), "peer")
    return TokenEndpoint(SimpleNamespace(), method, head, ())  # type: ignore[arg-type]


HOLDERS: dict[type, Callable[[], object]] = {
    Head: lambda: Head("POST", "/", "", (("authorization", f"Bearer {TEXT}"),), "peer"),
    Arrival: lambda: Arrival("peer", authorization=f"Bearer {TEXT}"),
    Call: called,
    Payload: lambda: Payload({"password": SECRET}),
    Snapshot: lambda: Snapshot("1", Payload({"password": SECRET})),
    LogKey: lambda: LogKey.make("monoskope/0123456789abcdef"),
    KeyFile: lambda: KeyFile(Path("/nowhere")),
    Task: lambda: Task(
        uri=SecretUri.parse("vault://app/db"),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        plaintext=encoded({"password": SECRET}),
    ),
    ClientSettings: settings,
    Client: lambda: Client(settings()),
    SyncClient: lambda: SyncClient(settings()),
    SyncStores: lambda: SyncStores(TEXT),
    SyncAccess: lambda: SyncAccess(TEXT),
    SyncLog: lambda: SyncLog(TEXT),
    ClientSession: lambda: Client(settings())._session,
    FixedToken: lambda: FixedToken(TEXT),
    IssuedToken: lambda: IssuedToken(TEXT, 1.0),
    Caller: caller,
    KeptLogin: kept_login,
    Login: lambda: Login(Path("login.toml"), kept_login().issuer),
    IdToken: lambda: IdToken(TEXT, "anna", 1.0),
    WorkloadToken: lambda: WorkloadToken(lambda: TEXT, audience="m8"),
    CodeFlow: code_flow,
    DeviceCode: device_code,
    Beginning: lambda: Beginning(SECRET),
    Channel: lambda: Channel(SECRET, SECRET),
    Begun: lambda: Begun(TEXT, TEXT),
    Session: session,
    Sessions: sessions,
    _Link: lambda: _Link(Beginning(SECRET), 1.0),
    Context: lambda: Context(Client(settings()), lambda _: None),
    Begin: lambda: Begin(token=TEXT),
    Values: values,
    KeySigner: key_signer,
    PrivateFile: private_file,
    Signing: lambda: Signing(key_signer(), "key", passphrase=lambda _: TEXT, blocks=True),
    CopyPut: copy_job,
    Issued: lambda: Issued(TEXT, "0" * 32, 1),
    NewToken: lambda: NewToken(TEXT, "0" * 32, None),
    Tokens: tokens,
    Token: lambda: Token("RS256", "a", {"sub": TEXT}, SECRET, SECRET),
    TokenEndpoint: exchanging,
    Certificate: lambda: Certificate(b"ca", b"certificate", SECRET, SECRET),
    Authority: lambda: tls.make_authority(now=dt.datetime.now(dt.UTC)),
    _Pair: lambda: _Pair(b"certificate", SECRET, 1),
    PresentedCertificate: presented_certificate,
    Access: lambda: Access("https://k", ssl.create_default_context(), TEXT),
    AwsAnswer: lambda: AwsAnswer(body={"SecretString": TEXT}),
    AwsContent: lambda: AwsContent(TEXT, SECRET),
    ResponseReader: response_reader,
    Proxy: proxy,
    Tunnel: lambda: Tunnel(Server("m8", 7480, ssl.create_default_context()), proxy()),
    Answer: lambda: Answer(200, (("x-subject-token", TEXT),), SECRET),
    HttpAnswer: lambda: HttpAnswer(200, SECRET, {"X-Subject-Token": TEXT}),
    KeystoneToken: lambda: KeystoneToken(TEXT, until=1.0),
    BarbicanSession: barbican_session,
    Stored: lambda: Stored("text/plain", TEXT),
    VaultToken: lambda: VaultToken(TEXT, lease_s=1, first_lease_s=1, renewable=True),
    VaultSession: vault_session,
    _Kept: lambda: _Kept(wrapping_token_sha256="0" * 64, secret_id=TEXT),
    FingerprintKey: lambda: FingerprintKey(SECRET),
    Identity: lambda: Identity(SECRET, store="vault"),
    OneTimeKeys: one_time_keys,
    _Entry: lambda: next(iter(one_time_keys()._table.values())),
}
"""Each type that holds a secret, with the secret in it."""


def shows(text: str) -> bool:
    """Whether the secret is in a text, in any form."""
    wanted = Wanted.of("secret", SECRET)
    return look("text", [text.encode()], [wanted]).total("secret") > 0


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_holder_shows_nothing(kind: type) -> None:
    holder = HOLDERS[kind]()
    for text in (repr(holder), str(holder), f"{holder}", f"{holder!r:>200}", "{} {!r}".format(*[holder] * 2)):
        assert not shows(text)


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_holder_is_never_pickled_or_copied(kind: type) -> None:
    check_unshared(HOLDERS[kind]())


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_traceback_with_locals_shows_nothing_of_a_holder(kind: type) -> None:
    check_traceback(HOLDERS[kind]())


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


OTHERS = {ClientSocket, Connection}
"""Holders that are tested by themselves."""


def test_every_holder_is_among_those_that_are_tried() -> None:
    found = {kind for kind, _ in classes() if issubclass(kind, Unshared) and not issubclass(kind, StoreDriver)}
    assert found - {Unshared, HiddenValues, _Twin} == HOLDERS.keys() | OTHERS


@pytest.mark.parametrize("kind", registry.kinds())
def test_no_driver_is_pickled_or_copied(kind: str) -> None:
    check_unshared(object.__new__(registry.find(kind)))

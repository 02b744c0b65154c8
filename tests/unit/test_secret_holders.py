"""Every type that holds a secret shows nothing of it, in tracebacks with locals neither, and is never copied.

Whatever class has a field that could hold one, by the field's type or name (tests/support/holders.py), is such a type,
or stands in `FREE` with the reason. And a dataclass field that is named like a secret is hidden from its `repr`, or
stands in `SHOWN`.
"""

from __future__ import annotations

import ast
import base64
import dataclasses
import datetime as dt
import importlib
import pkgutil
import re
import ssl
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import monoskope
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, SyncClient
from monoskope.client.changes.proposal import Proposal
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
from monoskope.client.sync import SyncAccess, SyncChanges, SyncLeaving, SyncLog, SyncStores, _Twin
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
from monoskope.value import Unshared, Value
from tests.support.holders import check_unshared, classes, fields_of, suspects
from tests.support.vectors import a_request

SECRET = b"correct-horse-battery-staple-32b"
TEXT = SECRET.decode()


def one_time_keys() -> OneTimeKeys:
    keys = OneTimeKeys(Identity(SECRET, store="vault"), KeyRules(b"r" * 16, 300, 512, "0" * 16, 10))
    keys.grant(a_request(), "anna")
    return keys


def vault_session() -> VaultSession:
    session = VaultSession(NOTHING, TokenFile(token_file="token"), Path("state"))
    session._token = VaultToken(TEXT, lease_s=1, first_lease_s=1, renewable=True)
    return session


def values() -> Values:
    gathered = Values()
    gathered.add("password", SECRET)
    return gathered


def settings() -> ClientSettings:
    return ClientSettings(server="m8:1", ca_file=Path("ca"), token=TEXT, known_stores=Path("known_stores"))


def tokens() -> Tokens:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    return Tokens(NOTHING, signing_key=key, audience="m8", clock=int)


def barbican_session() -> BarbicanSession:
    session = BarbicanSession(NOTHING, BarbicanConfig("https://b", NoLogin("p")))
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
        check(holder)
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


HEAD = Head("POST", "/", "", (("authorization", f"Bearer {TEXT}"),), "peer")
NOTHING: Any = SimpleNamespace(name="GetSecret")
"""What a holder has beside the secret."""
APP_DB = SecretUri.parse("vault://app/db")
HOLDERS: dict[type, Callable[[], object]] = {
    Head: lambda: HEAD,
    Arrival: lambda: Arrival("peer", authorization=f"Bearer {TEXT}"),
    Call: lambda: Call(NOTHING, NOTHING, Codec.JSON, HEAD, deadline=None, headers=(), most_body=1),
    Payload: lambda: Payload({"password": SECRET}),
    Snapshot: lambda: Snapshot("1", Payload({"password": SECRET})),
    LogKey: lambda: LogKey.make("monoskope/0123456789abcdef"),
    KeyFile: lambda: KeyFile(Path("/nowhere")),
    Task: lambda: Task(uri=APP_DB, purpose=upload_pb2.PURPOSE_UPLOAD, plaintext=encoded({"password": SECRET})),
    Proposal: lambda: Proposal.put(str(APP_DB), {"password": SECRET}),
    ClientSettings: settings,
    Client: lambda: Client(settings()),
    SyncClient: lambda: SyncClient(settings()),
    SyncStores: lambda: SyncStores(TEXT),
    SyncAccess: lambda: SyncAccess(TEXT),
    SyncChanges: lambda: SyncChanges(TEXT),
    SyncLeaving: lambda: SyncLeaving(TEXT),
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
    DeviceCode: lambda: DeviceCode(
        device_code=TEXT, user_code="ABCD", verification_uri="https://x", complete_uri="", lasts_s=1.0, interval_s=1.0
    ),
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
    CopyPut: lambda: CopyPut(NOTHING, "SHA256:", TEXT, b"p" * 16, APP_DB, Expect.ANY, 20.0),
    Issued: lambda: Issued(TEXT, "0" * 32, 1),
    NewToken: lambda: NewToken(TEXT, "0" * 32, None),
    Tokens: tokens,
    Token: lambda: Token("RS256", "a", {"sub": TEXT}, SECRET, SECRET),
    TokenEndpoint: lambda: TokenEndpoint(NOTHING, NOTHING, HEAD, ()),
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


def check(holder: object) -> None:
    """Check that a holder shows nothing, in a traceback with locals neither, and is never pickled or copied."""
    for text in (repr(holder), str([holder]), f"{holder}", f"{holder!r:>200}", "{} {!r}".format(*[holder] * 2)):
        assert not shows(text)
    check_unshared(holder)
    with pytest.raises(RuntimeError) as stumbled:
        stumble(holder)
    text = "".join(traceback.TracebackException.from_exception(stumbled.value, capture_locals=True).format())
    assert "held = " in text
    assert not shows(text)


def stumble(holder: object) -> None:
    held = [holder]
    raise RuntimeError(f"with {holder} and {held!r}")


@pytest.mark.parametrize("kind", HOLDERS)
def test_a_holder_shows_nothing_and_is_never_copied(kind: type) -> None:
    check(HOLDERS[kind]())


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


FREE = {
    "monoskope.m8.backup.age._Pulled": "the event log on its way into a backup, which holds sealed bytes at most",
    "monoskope.m8.backup.age._Pushed": "the event log on its way out of a backup",
    "monoskope.client.walk.task.Sent": "sealed bytes and a signature, which are sent in the clear",
    "monoskope.client.walk.checks.Wanted": "the names of values",
    "monoskope.client.known.logs.KnownLogs": "checkpoints, which are public",
    "monoskope.client.known.logs.LogPin": "a signed note, which is published",
    "monoskope.client.results.changes.Approval": "a signature, which m8 shows to those who may approve",
    "monoskope.client.results.changes.ProposedChange": "what is asked for in the clear, with the names of keys",
    "monoskope.client.results.leaving.StandingApproval": "the name of a key",
    "monoskope.client.results.leaving.UsedKey": "the name of a key",
    "monoskope.client.results.log.ProvenApprover": "the name of a key",
    "monoskope.client.walk.results.Approver": "the name of a key",
    "monoskope.client.walk.results.Generated": "public halves of key pairs",
    "monoskope.client.walk.results.Proven": "the name of the key that signed",
    "monoskope.client.made.Made": "the names of values",
    "monoskope.m8.cli.setup.answers.Answers": "the names of files",
    "monoskope.m8.cli.setup.answers.Question": "what is asked, never what is answered",
    "monoskope.protocol.identity.Tree": "the hash of a log, which is published",
    "monoskope.client.rotation.round.Place": "fingerprints",
    "monoskope.client.rotation.spec.Rotation": "the URI of a secret",
    "monoskope.client.walk.results._Content": "fingerprints",
    "monoskope.client.results.log.UploadProof": "a proof for others, which holds fingerprints at most",
    "monoskope.client.results.secrets.Secret": "fingerprints",
    "monoskope.client.results.secrets._Signed": "the name of the key that signed",
    "monoskope.client.http.transport.Roots": "certificates",
    "monoskope.client.signing.agent.AgentSigner": "a public key; the agent has the private one",
    "monoskope.client.known.config_file.Table": "the name of a private key's file, or a public key",
    "monoskope.client.known.system.SystemConfig": "as `Table`, without a token's file",
    "monoskope.client.known.table.Setting": "a setting as `monoctl config` shows it, without a token",
    "monoskope.client.proofs.log.OfferedLog": "a signed note, which is published",
    "monoskope.http.messages.Response": "an answer of m8, which holds sealed bytes at most",
    "monoskope.http.server.connection.Connection": "a request that is read: sealed bytes at most",
    "monoskope.http.server.websocket.ServedSocket": "one message of a reactor's session, sealed bytes at most",
    "monoskope.m8.audit.lines.Line": "an audit line, which shows what `monoctl get events` shows",
    "monoskope.m8.background.checkpoint_task.CheckpointTask": "a file with keys, which is a holder",
    "monoskope.m8.background.timekeeper.Timekeeper": "the name of a document",
    "monoskope.m8.background.schedules.VerifySchedule": "ids of requests",
    "monoskope.m8.cli.backup_report.Lost": "ids of requests",
    "monoskope.m8.backup.restore.Page": "events and sealed bytes",
    "monoskope.m8.backup.form.Frames": "events and sealed bytes",
    "monoskope.m8.cli.signatures.Done": "a signature and its statement, as the log has them",
    "monoskope.m8.cli.signatures._Asked": "a signature, as the log has it",
    "monoskope.m8.domain.change.Approval": "a signature, as the log has it",
    "monoskope.m8.readmodels.changes.Row": "the id of a change",
    "monoskope.monoctl.output.changes.Line": "what is shown of a change, which is asked for in the clear",
    "monoskope.m8.service.known_change.Known": "a document of what m8 knows: fingerprints at most",
    "monoskope.m8.http.application._Messages": "what a reactor appends: grants and receipts",
    "monoskope.m8.issuers.keys.IssuerKeys": "public keys, and a function that reads them",
    "monoskope.m8.issuers.rules.Condition": "what a claim must be, from m8.toml",
    "monoskope.m8.limits.connections.Bucket": "a number",
    "monoskope.m8.log.documents.Delete": "the name of a document",
    "monoskope.m8.log.documents.Put": "a document of what m8 knows",
    "monoskope.m8.log.event_log.Look": "events, and documents of what m8 knows",
    "monoskope.m8.log.event_log.NewEvent": "an event, which holds sealed bytes at most",
    "monoskope.m8.log.event_log.RecordedEvent": "an event, which holds sealed bytes at most",
    "monoskope.m8.log.postgres.documents._Query": "names of documents and what a listing asks for",
    "monoskope.m8.log.record.Append": "events and sealed bytes",
    "monoskope.m8.log.group.Known": "documents of what m8 knows",
    "monoskope.m8.log.group.Projection": "documents of what m8 knows",
    "monoskope.m8.log.group._Projected": "documents of what m8 knows",
    "monoskope.m8.log.postgres.rebuild.Rebuild": "documents of what m8 knows",
    "monoskope.m8.log.postgres.settings.DatabaseSettings": "the name of a file",
    "monoskope.m8.log.postgres.target.PostgresTarget": "a function that reads the database's password",
    "monoskope.m8.log.sqlite.find._Indexed": "what is asked for in the clear: a subject, a day, a label",
    "monoskope.m8.log.tree_rows.Checkpoint": "a signed note, which is published",
    "monoskope.m8.log.tree_rows.Named": "a signed note, which is published",
    "monoskope.m8.domain.aggregates.Aggregates": "streams of events",
    "monoskope.m8.domain.aggregates.Seen": "what streams of events fold to, and documents of what m8 knows",
    "monoskope.m8.service.app.App": "makes random bytes that are sent in the clear",
    "monoskope.m8.settings.File": "the name of a file",
    "monoskope.m8.tree.tree.Edge": "hashes of the log's tree, which are published",
    "monoskope.m8.tree.signing.Signed": "a signed note, which is published",
    "monoskope.m8.tree.witnessed_log.WitnessedLog": "proofs about the log, which are published",
    "monoskope.m8.tree.witness_client.Contradicted": "a checkpoint, which a witness shows to everybody",
    "monoskope.m8.tree.witness_client.Witness": "a witness's public key",
    "monoskope.m8.tree.witnesses.Witnesses": "reads the file with the log's keys, for their public halves",
    "monoskope.monoctl.console.rows.Row": "fingerprints, and words that m8 shows",
    "monoskope.monoctl.console.server._Call": "a function that is given a body and keeps none",
    "monoskope.monoctl.console.requests.Source": "the name of a value",
    "monoskope.monoctl.console.live._Page": "events and sentences on their way to a page",
    "monoskope.monoctl.console.channel.SealedCall": "a number",
    "monoskope.monoctl.options.CommandSession": "flags; the token is in a file that one of them names",
    "monoskope.operations.Answer": "what the listener of operations says to everybody",
    "monoskope.protocol.approvers.CountedApproval": "a public key and a signature, as the log has it",
    "monoskope.protocol.change.Change": "what is asked for in the clear, with the names of keys",
    "monoskope.protocol.grant.Grant": "signed and public",
    "monoskope.protocol.hello.Hello": "signed and public",
    "monoskope.protocol.receipt.Receipt": "signed and public",
    "monoskope.protocol.receipt.ReceiptFields": "signed and public",
    "monoskope.protocol.recipes.Recipe": "the name of a value that will be made",
    "monoskope.protocol.recipes.Reference": "the name of a value that will be made",
    "monoskope.reactor.value_rules.ValueRule": "names of values",
    "monoskope.protocol.request.Request": "what is asked for in the clear",
    "monoskope.protocol.sshsig.certificate.Certificate": "public",
    "monoskope.protocol.sshsig.fields.Reader": "a public key or a signature, which are sent in the clear",
    "monoskope.protocol.sshsig.keys.KeySignature": "sent in the clear",
    "monoskope.protocol.sshsig.keys.PublicKey": "public",
    "monoskope.protocol.tlog.checkpoint.Checkpoint": "the root of a tree, which is published",
    "monoskope.protocol.tlog.note.Note": "a signed note, which is published",
    "monoskope.protocol.tlog.note.NoteSignature": "a signature, which is published",
    "monoskope.protocol.tlog.proof_file.ProofFile": "a proof for others, which holds fingerprints at most",
    "monoskope.protocol.tlog.upload_proof.ProvenUpload": "a signature, as the log has it",
    "monoskope.reactor.dispatch.Dispatcher": "ids of requests",
    "monoskope.reactor.identity.fingerprint.Fingerprints": "fingerprints",
    "monoskope.reactor.link.appends.Appends": "a place where callers wait for tokens that are given to them alone",
    "monoskope.reactor.link.open_requests.OpenRequest": "a request and sealed bytes",
    "monoskope.reactor.link.link._Detail": "why m8 ended a session",
    "monoskope.reactor.report.audit_log.AuditEntry": "the name of the key that signed",
    "monoskope.reactor.report.known_receipts.KnownReceipts": "receipts",
    "monoskope.reactor.report.known_receipts._Secret": "receipts, which are signed and public",
    "monoskope.reactor.settings.ReactorFile": "a settings file, which names files of credentials",
    "monoskope.reactor.signers.list_file.ListFile": "public keys, and what is revoked",
    "monoskope.protocol.sshsig.lists.Revocations": "the names of public keys",
    "monoskope.reactor.signers.Authorized": "the names of public keys",
    "monoskope.reactor.signers.approvals.Presented": "a change and signatures, as m8 delivered them",
    "monoskope.reactor.work.delivery.DeliveredRequest": "sealed bytes and a signature, as m8 delivered them",
    "monoskope.reactor.work.recover.Presence": "ids of replicas",
    "monoskope.stores.aws.config.AwsConfig": "the name of a value",
    "monoskope.stores.aws.layout.AwsLayout": "the name of a value",
    "monoskope.stores.barbican.config.BarbicanConfig": "the name of a value",
    "monoskope.stores.barbican.values.BarbicanLayout": "the name of a value",
    "monoskope.stores.password_store.config.PassConfig": "the name of a value",
    "monoskope.stores.password_store.config.PassLayout": "the name of a value",
}
"""What has a field that could hold a secret by its type or name, and holds none: the reason."""


def test_every_class_that_could_hold_a_secret_refuses_copies_or_says_why_not() -> None:
    new = {name: fields for name, fields in suspects().items() if name not in FREE}
    assert not new, f"Let each inherit `Unshared`, hide the field from its repr, and add it to HOLDERS: {new}"
    assert FREE.keys() - suspects().keys() == set(), "these hold nothing any more that could be a secret"


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n  token: str",
        "class A:\n  found: bytes | None",
        "class A:\n  body: dict[str, Any]",
        "class A:\n  payloads: list[Payload]",
        "class A:\n  def __init__(self, secret: str) -> None:\n    self._password = secret",
        "class A:\n  def __init__(self, one: bytes) -> None:\n    self._one = one",
        "class A:\n  def take(self) -> None:\n    self._held: Payload | None = None",
        "class A:\n  def take(self) -> None:\n    self._token = log_in()",
    ],
)
def test_the_search_for_holders_sees_a_secret_wherever_it_is_put(code: str) -> None:
    [found] = ast.parse(code).body
    assert isinstance(found, ast.ClassDef)
    assert [one.could_hold_a_secret for one in fields_of(found)] == [True]


_LIKE_A_SECRET = re.compile(
    r"(^|_)(token|jwt|seed|plaintext|password|passphrase|secret|private|payload|values|content|ciphertext|sealed)$"
    r"|private_key|^key$"
)
_HELD_AS = re.compile(r"\b(bytes|str|bytearray|PrivateKey\b|\w+PrivateKey)\b|Mapping\[str, bytes\]|dict\[str, bytes\]")

SHOWN = {
    "monoskope.m8.log.documents": "documents' names and serialized views, which hold no value",
    "monoskope.m8.log.postgres.settings.DatabaseSettings.key": "the name of a file",
    "monoskope.protocol.receipt.Receipt.values": "fingerprints",
    "monoskope.reactor.identity.fingerprint.Fingerprints.values": "fingerprints",
    "monoskope.client.rotation.round.Place.values": "fingerprints",
    "monoskope.client.rotation.spec.Rotation.secret": "the URI of a secret",
    "monoskope.client.walk.results._Content.values": "fingerprints",
    "monoskope.client.results.log.UploadProof.values": "fingerprints",
    "monoskope.client.results.secrets.Secret.values": "fingerprints",
    "monoskope.client.walk.results.Generated.public_values": "public halves of key pairs",
    "monoskope.protocol.receipt.Receipt.public_values": "public halves of key pairs",
    "monoskope.client.results.changes.Approval.key": "a public key",
    "monoskope.client.results.leaving.StandingApproval.key": "the name of a key",
    "monoskope.client.results.leaving.UsedKey.key": "the name of a key",
    "monoskope.client.results.log.ProvenApprover.key": "a public key",
    "monoskope.client.walk.results.Approver.key": "a public key",
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


@cache
def members() -> list[Member]:
    return list(_members())


def _members() -> Iterator[Member]:
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
    assert {"monoskope.client.settings.ClientSettings.token", "monoskope.m8.credentials.tokens.Issued.jwt"} <= names


def test_every_hidden_field_is_one() -> None:
    paths = {one.path for one in members()}
    for kind in Value.__subclasses__():
        for name in kind.hidden:
            assert f"{kind.__module__}.{kind.__qualname__}.{name}" in paths

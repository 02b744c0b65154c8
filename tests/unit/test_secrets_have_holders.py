"""A new class cannot hold a secret by the way.

Whatever class has a field that could hold one, by the field's type or name (tests/support/holders.py), is a holder,
which refuses copies (test_secret_holders.py), or stands in `FREE` with the reason. And a dataclass field that is named
like a secret is hidden from its `repr`, or stands in `SHOWN`.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import monoskope
from monoskope.value import Value
from tests.support.holders import fields_of, suspects

FREE = {
    "monoskope.m8.backup.age._Pulled": "the event log on its way into a backup, which holds sealed bytes at most",
    "monoskope.m8.backup.age._Pushed": "the event log on its way out of a backup",
    "monoskope.client.walk.task.Sent": "sealed bytes and a signature, which are sent in the clear",
    "monoskope.client.walk.checks.Wanted": "the names of values",
    "monoskope.client.known.logs.KnownLogs": "checkpoints, which are public",
    "monoskope.client.known.logs.LogPin": "a signed note, which is published",
    "monoskope.client.walk.results.Generated": "public halves of key pairs",
    "monoskope.client.walk.results.Proven": "the name of the key that signed",
    "monoskope.client.walk.results._Content": "fingerprints",
    "monoskope.client.results.log.UploadProof": "a proof for others, which holds fingerprints at most",
    "monoskope.client.results.secrets.Secret": "fingerprints",
    "monoskope.client.results.secrets.SecretVersion": "the name of the key that signed",
    "monoskope.client.results.secrets.Upload": "the name of the key that signed",
    "monoskope.client.http.transport.Roots": "certificates",
    "monoskope.client.signing.agent.AgentSigner": "a public key; the agent has the private one",
    "monoskope.client.known.sources.ConfigFile": "the name of a private key's file, or a public key",
    "monoskope.client.known.sources.Setting": "a setting as `monoctl config` shows it, without a token",
    "monoskope.client.proofs.log.OfferedLog": "a signed note, which is published",
    "monoskope.http.messages.Response": "an answer of m8, which holds sealed bytes at most",
    "monoskope.http.messages.Streamed": "an answer of m8, which holds events",
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
    "monoskope.m8.http.application._Messages": "what a reactor appends: grants and receipts",
    "monoskope.m8.issuers.keys.IssuerKeys": "public keys, and a function that reads them",
    "monoskope.m8.issuers.rules.Condition": "what a claim must be, from m8.toml",
    "monoskope.m8.limits.connections.Bucket": "a number",
    "monoskope.m8.log.documents.Delete": "the name of a document",
    "monoskope.m8.log.documents.Put": "a document of what m8 knows",
    "monoskope.m8.log.event_log.NewEvent": "an event, which holds sealed bytes at most",
    "monoskope.m8.log.event_log.RecordedEvent": "an event, which holds sealed bytes at most",
    "monoskope.m8.log.postgres.documents._Query": "names of documents and what a listing asks for",
    "monoskope.m8.log.record.Append": "events and sealed bytes",
    "monoskope.m8.log.postgres.group.Known": "documents of what m8 knows",
    "monoskope.m8.log.postgres.group.Projection": "documents of what m8 knows",
    "monoskope.m8.log.postgres.group._Projected": "documents of what m8 knows",
    "monoskope.m8.log.postgres.rebuild.Rebuild": "documents of what m8 knows",
    "monoskope.m8.log.postgres.settings.DatabaseSettings": "the name of a file",
    "monoskope.m8.log.postgres.target.ConnectArguments": "a function that reads the database's password",
    "monoskope.m8.log.postgres.target.PostgresTarget": "a function that reads the database's password",
    "monoskope.m8.log.sqlite.find._Indexed": "what is asked for in the clear: a subject, a day, a label",
    "monoskope.m8.log.tree_rows.Checkpoint": "a signed note, which is published",
    "monoskope.m8.log.tree_rows.Named": "a signed note, which is published",
    "monoskope.m8.service.aggregates.Aggregates": "streams of events",
    "monoskope.m8.service.app.App": "makes random bytes that are sent in the clear",
    "monoskope.m8.settings.File": "the name of a file",
    "monoskope.m8.tree.tree.Edge": "hashes of the log's tree, which are published",
    "monoskope.m8.tree.signing.Signed": "a signed note, which is published",
    "monoskope.m8.tree.witnessed_log.WitnessedLog": "proofs about the log, which are published",
    "monoskope.m8.tree.witness.Contradicted": "a checkpoint, which a witness shows to everybody",
    "monoskope.m8.tree.witness.Witness": "a witness's public key",
    "monoskope.m8.tree.witnesses.Witnesses": "reads the file with the log's keys, for their public halves",
    "monoskope.monoctl.console.rows.Row": "fingerprints, and words that m8 shows",
    "monoskope.monoctl.console.server._Call": "a function that is given a body and keeps none",
    "monoskope.monoctl.console.requests.Source": "the name of a value",
    "monoskope.monoctl.console.live._Page": "events and sentences on their way to a page",
    "monoskope.monoctl.console.channel.SealedCall": "a number",
    "monoskope.monoctl.options.CommandSession": "flags; the token is in a file that one of them names",
    "monoskope.operations.Answer": "what the listener of operations says to everybody",
    "monoskope.protocol.grant.Grant": "signed and public",
    "monoskope.protocol.hello.Hello": "signed and public",
    "monoskope.protocol.receipt.Receipt": "signed and public",
    "monoskope.protocol.payload.Recipe": "the name of a value that will be made",
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
    "monoskope.reactor.signers.lists.Revocations": "the names of public keys",
    "monoskope.reactor.signers.Authorized": "the names of public keys",
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
    "monoskope.client.walk.results._Content.values": "fingerprints",
    "monoskope.client.results.log.UploadProof.values": "fingerprints",
    "monoskope.client.results.secrets.Secret.values": "fingerprints",
    "monoskope.client.walk.results.Generated.public_values": "public halves of key pairs",
    "monoskope.protocol.receipt.Receipt.public_values": "public halves of key pairs",
    "monoskope.protocol.payload.Recipe.key": "the name of a value",
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
    assert {"monoskope.client.settings.ClientSettings.token", "monoskope.m8.credentials.tokens.Issued.jwt"} <= names


def test_every_hidden_field_is_one() -> None:
    paths = {one.path for one in members()}
    for kind in Value.__subclasses__():
        for name in kind.hidden:
            assert f"{kind.__module__}.{kind.__qualname__}.{name}" in paths

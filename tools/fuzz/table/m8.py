"""What m8 reads: calls of anybody, tokens of issuers, settings, its log and its backups."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message
from joserfc.jwk import ECKey, OKPKey

from monoskope import operations as address
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2
from monoskope.errors import Error, UnauthenticatedError, UsageError
from monoskope.host_port import HttpsUrl
from monoskope.m8 import calls
from monoskope.m8 import settings as m8_settings
from monoskope.m8.audit import syslog_sink
from monoskope.m8.audit.lines import Line
from monoskope.m8.backup import form
from monoskope.m8.backup.form import DamagedError
from monoskope.m8.credentials import token_rules as token_claims
from monoskope.m8.doctor import running
from monoskope.m8.domain import events
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.http import application, requests, strict_json
from monoskope.m8.http import token_endpoint as http_form
from monoskope.m8.issuers import jose, rules, verifying
from monoskope.m8.issuers.jose import parse_jwks
from monoskope.m8.issuers.person import person_of
from monoskope.m8.limits import connections as peers
from monoskope.m8.log import record
from monoskope.m8.log.event_log import LogTamperedError, NewEvent
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.postgres import records as names
from monoskope.m8.log.postgres.settings import DatabaseSettings
from monoskope.m8.queries import pages as paging
from monoskope.m8.service import administration as views
from monoskope.m8.sink_settings import EVENTS
from monoskope.protocol import elements
from monoskope.protocol.events import request_id_of
from monoskope.protocol.login import ExchangeRefusal, MemberKind
from monoskope.settings import parse
from monoskope.traces import spans
from tools.fuzz import samples
from tools.fuzz.reader import FindingError, Reader, text
from tools.fuzz.table.http import run

_HERE = Path("/etc/m8")
_KINDS: tuple[type[Message], ...] = (
    commands_pb2.RequestSecretUploadKeyRequest,
    commands_pb2.RequestUploadSecretRequest,
    commands_pb2.UpdateSecretNotesRequest,
    commands_pb2.CreateSecretStoreRequest,
    queries_pb2.ListSecretsRequest,
    queries_pb2.ListEventsRequest,
    access_pb2.CreateRoleBindingRequest,
    access_pb2.ApplyRoleBindingsRequest,
    access_pb2.ExchangeTokenRequest,
    changes_pb2.GetSecretChangesRequest,
)


def _json(content: bytes) -> object:
    """Read a body as each kind of request; what is taken, protobuf writes."""
    found = []
    for kind in _KINDS:
        try:
            found.append(strict_json.read(kind, content).SerializeToString())
        except UsageError:
            continue
    return found


def _counted(content: bytes) -> object:
    """Count the elements of each kind of request; what protobuf writes of one that is taken is taken again."""
    found = []
    for kind in _KINDS:
        descriptor: Any = kind.DESCRIPTOR
        try:
            elements.check(descriptor, content)
            written = kind.FromString(content).SerializeToString()
        except (UsageError, DecodeError):
            continue
        try:
            elements.check(descriptor, written)
        except UsageError as error:
            raise FindingError(f"{kind.__name__}: refused as it is written: {error.message}") from None
        found.append(written)
    return found


def _requests() -> list[bytes]:
    labels = [options_pb2.Label(name="a", value="b")] * 3
    rights = [events_pb2.RIGHT_PUT, events_pb2.RIGHT_COPY]
    binding = access_pb2.RoleBinding(name="b", members=["user:corp:anna"] * 2, rights=rights)
    return [
        queries_pb2.ListSecretsRequest(prefix="vault://a", page_size=300, labels=labels).SerializeToString(),
        access_pb2.ApplyRoleBindingsRequest(role_bindings=[binding] * 2, prune=True).SerializeToString(),
    ]


def _form_again(content: bytes) -> object:
    return http_form.parse_form(content)


@cache
def _key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", auto_kid=True)


def _m8_toml(content: bytes) -> object:
    return m8_settings.check(parse(content, m8_settings.File, path=_HERE / "m8.toml"), _HERE / "m8.toml")


def _frames(content: bytes) -> object:
    """Read a whole backup, and check that it does not depend on how it came."""
    whole, cut = run(_read_frames([content])), run(_read_frames([content[at : at + 1] for at in range(len(content))]))
    if whole != cut:
        raise FindingError(f"cut, these bytes mean {cut!r} and not {whole!r}")
    return whole


async def _read_frames(parts: list[bytes]) -> list[object]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part

    frames = form.Frames(pieces())
    found: list[object] = []
    try:
        await frames.begin()
        while not await frames.is_over():
            kind, inside = await frames.next()
            reads: Callable[[bytes], object] = {form.HEADER: form.header, form.END: form.end}.get(kind, form.bodies)
            found.append((kind, reads(inside)))
    except (DamagedError, UsageError) as error:
        found.append(error.message)
    finally:
        await frames.close()
    return found


def _backups() -> Iterable[bytes]:
    header = {"format": 1, "created_at_ms": 1, "position": 0, "head": "", "log_id": "", "engine": "sqlite"}
    whole = form.MAGIC + form.frame(form.HEADER, json.dumps(header | {"version": "1"}).encode())
    whole += form.frame(form.RECORDS, form.page([b"a", b"", b"b" * 9])) + form.frame(form.SEALED, form.page([b"c"]))
    yield whole + form.frame(form.END, b'{"records":3,"sealed":1,"erased":0,"sha256":"00"}')


def _records() -> Iterable[bytes]:
    made = record.make(
        NewEvent("SecretStoreActivated", b""),
        position=7,
        stream="store/vault",
        version=1,
        recorded_at_ms=1,
        actor="anna",
        previous_hash=bytes(32),
    )
    yield made.record


def _event(content: bytes) -> object:
    """Read an event of each type, as m8 and auditors do."""
    try:
        message = event_pb2.Event.FromString(content)
    except DecodeError:
        return None
    found = record.parse(message.position, content)
    try:
        if (said := events.read(found)) is not None:
            events.detail(said)
    except DecodeError:
        return None
    return found


def _syslog(content: bytes) -> bytes:
    """Frame a line with a foreign host and foreign text, and read it as a receiver does (RFC 5425)."""
    host, _, rest = content.partition(b"\n")
    line = Line(EVENTS, 1, 7, rest)
    name = syslog_sink._header_word(host.decode("utf-8", "replace"))  # noqa: SLF001 - what stands before each line
    written = syslog_sink.message(line, host=name)
    size, space, framed = syslog_sink.framed(written).partition(b" ")
    if not space or int(size) != len(framed) or framed != written or framed.split(b" ")[2] != name.encode():
        raise FindingError("a receiver reads another message")
    return written


def _attached(content: bytes) -> object:
    return calls.message_of(reactor_pb2.AttachRequest, content).SerializeToString()


def _jwks() -> Iterable[bytes]:
    keys = [_key().as_dict(private=False), ECKey.generate_key("P-256", auto_kid=True).as_dict(private=False)]
    yield json.dumps({"keys": keys}).encode()
    yield json.dumps({"keys": [{"kty": "RSA", "kid": "k", "n": "A" * 342, "e": "AQAB"}]}).encode()


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: [one.encode() for one in texts]


_SETTINGS = """\
listen = "127.0.0.1:7443"
names = ["localhost:7443"]
origins = ["https://app.example.com"]
operations_listen = "unix:operations.sock"
[limits]
[[issuers]]
name = "corp"
issuer = "https://issuer.example.org"
audience = "m8"
rules = [{ match = { "/a/b" = { prefix = "x/" } }, name_claim = "sub" }]
[[audit]]
kind = "syslog"
name = "siem"
address = "siem.example.org:6514"
[[notices]]
kind = "email"
name = "ops"
server = "smtp.example.org:587"
sender = "m8@example.org"
to = ["ops@example.org"]
"""


def _bindings() -> Iterable[bytes]:
    user = access_pb2.RoleBinding(name="a", role=events_pb2.ROLE_USER, members=["user:corp:anna"], prefix="vault://a")
    user.rights.append(events_pb2.RIGHT_PUT)
    yield user.SerializeToString()


@cache
def _rules() -> tuple[rules.Rule, ...]:
    content = _SETTINGS.replace('name_claim = "sub" }', 'name_claim = "sub", groups = "groups" }')
    file = parse(content.encode(), m8_settings.File, path=_HERE / "m8.toml")
    return m8_settings.check(file, _HERE / "m8.toml").issuers[0].rules


def _member(content: bytes) -> object:
    """Check the claims of a token whose signature is valid."""
    said = jose.json_object(content, ExchangeRefusedError(ExchangeRefusal.MALFORMED, "no claims"))
    verifying.check_kind(said)
    verifying.check_audience(said, "m8", ())
    verifying.check_times(said, 1_800_000_000.0)
    verifying.subject_of(said)
    rule = rules.matching(_rules(), said)
    person = person_of(said, MemberKind.USER)
    assert '"' not in person.name, "a name ends before its mark"
    assert "\n" not in person.name + person.address, "it adds a line"
    return rule.member("corp", said), rule.groups("corp", said), person


READERS = (
    Reader(
        "json-body",
        "anybody who reaches the HTTP door",
        ("m8/http/strict_json.py",),
        _json,
        errors=(),
        seeds=_texts('{"requestId":"AAAAAAAAAAAAAAAAAAAAAA=="}', '{"prefix":"vault://a","pageSize":3}', '{"name":"x"}'),
    ),
    Reader(
        "elements",
        "anybody who may call a method",
        ("protocol/elements.py",),
        _counted,
        errors=(),
        seeds=_requests,
    ),
    Reader(
        "form",
        "anybody who reaches the HTTP door",
        ("m8/http/token_endpoint.py",),
        _form_again,
        errors=(),
        seeds=_texts("grant_type=a%3Ab&subject_token=x.y.z&resource=+"),
    ),
    Reader(
        "envelope",
        "anybody who reaches the HTTP door",
        ("m8/http/requests.py",),
        requests.only_message,
        again=requests.enveloped,
        exact=True,
        seeds=lambda: [requests.enveloped(b"abc"), requests.enveloped(b"")],
    ),
    Reader(
        "attach-message",
        "reactors, and who says to be one",
        ("m8/calls.py",),
        _attached,
        seeds=lambda: [reactor_pb2.AttachRequest().SerializeToString()],
    ),
    Reader(
        "attach-end",
        "reactors, and who says to be one",
        ("m8/http/application.py",),
        lambda content: application._ended_by(content.decode("utf-8", "replace")),  # noqa: SLF001 - of a text message
        errors=(),
        seeds=_texts("{}", '{"error":1}', "[[[["),
    ),
    Reader(
        "issuer-token",
        "anybody, before a login",
        ("m8/issuers/jose.py",),
        text(jose.parse),
        errors=(ExchangeRefusedError,),
        seeds=samples.jwts,
    ),
    Reader(
        "jwks",
        "issuers",
        ("m8/issuers/jose.py",),
        lambda content: parse_jwks(content, "the keys"),
        seeds=_jwks,
    ),
    Reader(
        "m8-token",
        "anybody who calls",
        ("m8/credentials/token_rules.py",),
        text(lambda one: token_claims.read(one, _key(), audience="m8", fix="Get another.")),
        errors=(UnauthenticatedError,),
        seeds=samples.jwts,
    ),
    Reader(
        "m8-token-claims",
        "who has m8's signing key",
        ("m8/credentials/token_rules.py",),
        lambda content: token_claims._claims(content, "Get another."),  # noqa: SLF001 - what was signed
        errors=(UnauthenticatedError,),
        seeds=_texts(
            '{"iss":"m8","aud":"m8","sub":"a","exp":2,"iat":1,"jti":"x","role":"user","prefixes":[],"rights":[]}'
        ),
    ),
    Reader(
        "m8-toml",
        "who runs m8",
        ("settings.py", "m8/settings.py", "m8/sink_settings.py", "m8/notice_settings.py", "m8/issuers/settings.py"),
        _m8_toml,
        errors=(Error,),
        seeds=_texts(_SETTINGS),
    ),
    Reader(
        "https-url",
        "who runs m8, and issuers",
        ("host_port.py",),
        text(HttpsUrl.parse),
        errors=(),
        seeds=_texts("https://issuer.example.org/realm?x=1", "https://[::1]:8443"),
    ),
    Reader(
        "postgres-url",
        "who runs m8",
        ("m8/log/postgres/settings.py",),
        text(lambda one: DatabaseSettings(one).target(_HERE / "m8.toml", {"M8_DATABASE_PASSWORD": "x"})),
        errors=(Error,),
        seeds=_texts(
            "postgresql://m8@127.0.0.1:5432/m8?sslmode=disable",
            "postgresql://m8@/m8?host=/run/postgresql&sslmode=disable",
        ),
    ),
    Reader(
        "operations-address",
        "who runs m8 or a reactor",
        ("operations.py",),
        text(lambda one: address.parse(one, folder=_HERE)),
        seeds=_texts("127.0.0.1:7444", "unix:operations.sock", "[::1]:0"),
    ),
    Reader(
        "noted-position",
        "m8's folder",
        ("m8/log/folder.py",),
        text(Noted.parse),
        again=lambda found: str(found).encode(),
        seeds=_texts("7", f"7:{'0' * 64}"),
    ),
    Reader(
        "page-token",
        "users",
        ("m8/queries/pages.py",),
        text(lambda one: paging.read_position("events.1", one)),
        seeds=lambda: [paging.make_token("events.1", "7").encode()],
    ),
    Reader(
        "record",
        "the database, and backups",
        ("m8/log/record.py",),
        lambda content: record.parse_strictly(7, content),
        errors=(LogTamperedError,),
        again=lambda found: found.record,
        exact=True,
        seeds=_records,
    ),
    Reader(
        "event",
        "the database, and a newer m8",
        ("m8/log/record.py", "m8/domain/events.py"),
        _event,
        errors=(),
        seeds=_records,
    ),
    Reader(
        "stream-name",
        "the database",
        ("protocol/events.py",),
        text(request_id_of),
        errors=(),
        seeds=_texts(f"upload/{'0' * 32}"),
    ),
    Reader(
        "stored-stream-name",
        "the database",
        ("m8/log/postgres/records.py",),
        names.read_name,
        errors=(),
        again=lambda stream: b"\0" if stream is None else names.stored(stream),
        seeds=lambda: [names.stored(f"upload/{'0' * 32}"), b"store/vault"],
    ),
    Reader(
        "role-binding",
        "administrators",
        ("m8/service/administration.py", "m8/domain/role_bindings.py"),
        lambda content: views.parsed(access_pb2.RoleBinding.FromString(content)),
        errors=(UsageError, DecodeError),
        again=lambda binding: views.view(binding).SerializeToString(),
        seeds=_bindings,
    ),
    Reader(
        "claims-of-an-issuer",
        "issuers",
        ("m8/issuers/rules.py", "m8/issuers/verifying.py", "m8/issuers/person.py"),
        _member,
        errors=(ExchangeRefusedError,),
        seeds=_texts(
            '{"iss":"i","aud":"m8","sub":"a","exp":1800000900,"iat":1799999990,"groups":["g"],"a":{"b":"x/y"}}',
            '{"aud":"m8","sub":"a","exp":1800000900,"iat":1799999990,"name":"Anna","email":"a@b.c","email_verified":true}',
        ),
    ),
    Reader(
        "address-of-a-peer",
        "the system, of anybody who connects",
        ("m8/limits/connections.py",),
        text(peers.origin),
        errors=(),
        seeds=_texts("127.0.0.1:7", "[::ffff:10.0.0.1]:7"),
    ),
    Reader("backup", "who keeps backups", ("m8/backup/form.py",), _frames, errors=(), seeds=_backups),
    Reader(
        "syslog-frame",
        "names that callers chose, on their way to a syslog server",
        ("m8/audit/syslog_sink.py",),
        _syslog,
        errors=(),
        seeds=_texts('host\n{"kind":"event"}', "\x00 \n\n"),
    ),
    Reader(
        "readiness",
        "whatever listens on m8's machine",
        ("m8/doctor/running.py",),
        running.unready,
        seeds=_texts('{"ready": false, "checks": {"database": "slow"}, "notes": {"reserve": "ok"}}'),
    ),
    Reader(
        "traceparent",
        "anybody who calls",
        ("traces/spans.py",),
        text(spans.valid),
        errors=(),
        seeds=_texts(f"00-{'1' * 32}-{'2' * 16}-01"),
    ),
)

"""What monoctl and the SDK read: m8's answers, issuers, agents, files of secrets, and the files of their user."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.message import DecodeError
from google.rpc import status_pb2  # type: ignore[import-untyped]

from monoskope.client.bundle.compare import Address
from monoskope.client.http import connect, methods
from monoskope.client.http.connect import error_in
from monoskope.client.http.transport import Roots, proxy_for
from monoskope.client.known import logs as known_logs
from monoskope.client.known.config_file import ConfigFile
from monoskope.client.known.pins import Pins
from monoskope.client.known.seen import SeenSecrets
from monoskope.client.known.system import parse_system
from monoskope.client.login import id_token, workload
from monoskope.client.login import issuer as issuers
from monoskope.client.login.browser import CodeFlow, NotOursError
from monoskope.client.login.credential import KeptLogin
from monoskope.client.login.id_token import checked
from monoskope.client.login.issuer import Provider, discover
from monoskope.client.queries import request_id_bytes
from monoskope.client.results import day
from monoskope.client.rotation.round import Round
from monoskope.client.settings import parse_identities
from monoskope.client.signing import signer as public_key
from monoskope.client.signing.agent import Agent
from monoskope.client.signing.key_file import PrivateFile
from monoskope.client.walk.trust import subject_of
from monoskope.errors import Error, ProtocolError
from monoskope.http.client.exchange import Answer
from monoskope.m8.http import tls
from monoskope.monoctl.console import channel, requests
from monoskope.monoctl.console.changes import PutAsked
from monoskope.monoctl.input.files import parse_env, parse_json
from monoskope.monoctl.input.request_options import parse_day, parse_edits
from monoskope.monoctl.input.role_binding_file import parse as parse_role_bindings
from monoskope.monoctl.input.rotation_file import parse as parse_rotations
from monoskope.monoctl.status import reaching
from monoskope.protocol.bundle import Bundle, NoBundleError
from monoskope.settings import parse
from tests.support import ssh_blobs
from tests.support.bundles import a_bundle
from tools.fuzz import samples
from tools.fuzz.reader import FindingError, Reader, text

_SERVER = "m8.example.org:7443"
_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def _folder() -> Path:
    made = tempfile.TemporaryDirectory(prefix="fuzz-")
    _kept.append(made)
    return Path(made.name)


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _stream(content: bytes) -> tuple[object, ...]:
    """Return the messages of a stream, which do not depend on how it was cut."""
    whole, cut = _messages([content]), _messages([content[at : at + 1] for at in range(len(content))])
    if whole != cut:
        raise FindingError(f"cut, these bytes mean {cut!r} and not {whole!r}")
    return whole


def _messages(parts: Iterable[bytes]) -> tuple[object, ...]:
    stream = connect.Stream(_SERVER)
    found: list[object] = []
    try:
        for part in parts:
            found += [one.SerializeToString() for one in stream.messages(methods.WATCH_EVENTS, part)]
        stream.finish()
    except Error as error:
        return (error.message,)
    return tuple(found)


def _status(content: bytes) -> object:
    return error_in(status_pb2.Status.FromString(content))


def _agent(content: bytes) -> object:
    """Take bytes for what an agent says to two questions."""

    class Fake(Agent):
        def _ask(self, message: bytes, within_s: float) -> bytes:
            del message, within_s
            return content

    agent = Fake("/nowhere")
    found = agent.keys()
    for held in found:
        public_key.from_wire(held, "the agent")
    return found


def _signs(content: bytes) -> object:
    class Fake(Agent):
        def _ask(self, message: bytes, within_s: float) -> bytes:
            del message, within_s
            return content

    return Fake("/nowhere").sign(public_key.from_wire(_signing_key().blob, "x"), b"held", b"message", 1.0)


@cache
def _signing_key() -> ssh_blobs.SshKey:
    return ssh_blobs.ed25519()


@cache
def _issuer() -> issuers.Issuer:
    return issuers.Issuer("https://issuer.example.org")


def _asked(content: bytes, ask: Callable[[], object]) -> object:
    """Ask with `ask` while the issuer answers an input: a byte for the status, then the body."""
    status = (200, 400, 401, 302, 429, 503)[content[0] % 6] if content else 200

    def answer(*_arguments: object, **_named: object) -> Answer:
        return Answer(status, (), content[1:])

    with mock.patch.object(issuers, "request", answer), mock.patch.object(workload, "request", answer):
        return ask()


def _token_answer(content: bytes) -> object:
    return _asked(content, lambda: _issuer().post("https://issuer.example.org/token", {"a": "b"}))


def _redirected(content: bytes) -> object:
    provider = Provider(issuer="https://issuer.example.org", names_itself=True, **_ENDPOINTS)
    return CodeFlow(provider, client_id="c", scopes="openid").code(content.decode("utf-8", "replace"))


def _id_token(content: bytes) -> object:
    """Check an ID token with a key set: a line of JSON, then the token."""
    keys, _, token = content.partition(b"\n")
    try:
        found = json.loads(keys)
    except (ValueError, RecursionError):
        found = {}
    named = found if isinstance(found, dict) else {}
    said = token.decode("utf-8", "replace")
    return checked(said, keys=named, issuer="https://issuer", client_id="c", audience="m8")


def _claims(content: bytes) -> object:
    said = content.decode("utf-8", "surrogateescape")
    found = id_token.claims_of(said)
    id_token.lifetime_s(said)
    return [id_token.number(found, name) for name in ("iat", "exp", "nbf")]


def _known_logs(content: bytes) -> known_logs.Logs:
    """Read them, and use what was read as a command does."""
    found = known_logs.parse(content, where="known_logs")
    for pin in found.values():
        assert pin.size >= 0
    return found


def _seen(content: bytes) -> object:
    return SeenSecrets(_file("seen_secrets", content)).accept(_SERVER, {})


_LOGIN = '[contexts.a.logins.b]\nissuer = "https://issuer"\nclient_id = "c"\n'


def _toml_seeds(**texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: ["".join(f'{name} = "{value}"\n' for name, value in texts.items()).encode()]


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: [one.encode() for one in texts]


def _private_keys() -> Iterable[bytes]:
    key = Ed25519PrivateKey.generate()
    yield key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _certificates() -> Iterable[bytes]:
    made = tls.make(["m8.example.org"], now=dt.datetime.now(dt.UTC))
    for pem in (made.certificate, made.ca):
        yield x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _agents() -> Iterable[bytes]:
    blob, comment = _signing_key().blob, b"a comment"
    yield b"\x0c" + ssh_blobs.u32(1) + ssh_blobs.string(blob) + ssh_blobs.string(comment)
    yield b"\x05"


def _frames() -> Iterable[bytes]:
    asked = json.dumps({"uris": ["vault://a/b"], "sources": [{"kind": "value", "size": 3, "key": "k"}]}).encode()
    yield len(asked).to_bytes(4, "big") + asked + b"abc"
    asked = json.dumps({"uris": ["vault://a/b"], "sources": [{"kind": "env", "size": 4}]}).encode()
    yield len(asked).to_bytes(4, "big") + asked + b"A=b\n"


def _streams() -> Iterable[bytes]:
    message = methods.WATCH_EVENTS.answer().SerializeToString()
    yield bytes(5) + message + b"\x02\x00\x00\x00\x02{}"
    said = b'{"error":{"code":"unavailable","message":"x","details":[{"type":"google.rpc.ErrorInfo","value":"CgFh"}]}}'
    yield b"\x02" + len(said).to_bytes(4, "big") + said


_ENDPOINTS: dict[str, Any] = {
    "authorization_endpoint": "https://issuer.example.org/auth",
    "token_endpoint": "https://issuer.example.org/token",
    "jwks_uri": "https://issuer.example.org/keys",
    "device_authorization_endpoint": "",
    "revocation_endpoint": "",
    "scopes": None,
}
_DOCUMENT = {"issuer": "https://issuer.example.org", "scopes_supported": ["openid"]} | {
    name: value for name, value in _ENDPOINTS.items() if value
}
_BINDING = """\
kind: RoleBinding
name: team-a
role: user
members: ["user:corp:anna"]
prefix: vault://team-a
rights: [put, see-hash]
version: 41
"""

_ROTATION = """\
kind: Rotation
secret: vault://prod/orders/db
accounts: [pg://orders_a, pg://orders_b]
recipes: {url: "text:postgresql://{username}:{password|url}@db.internal/orders"}
every: 30d
grace: 1d
window: sat,sun 22:00-04:00
"""

READERS = (
    Reader(
        "connect-stream",
        "whatever answers as m8",
        ("client/http/connect.py",),
        _stream,
        errors=(),
        seeds=_streams,
    ),
    Reader(
        "connect-error",
        "whatever answers as m8",
        ("client/http/connect.py", "client/http/connect.py"),
        lambda content: connect.refusal(_SERVER, 400, "application/json", content),
        errors=(),
        seeds=lambda: [
            b'{"code":"not_found","message":"x","details":[{"type":"google.rpc.ErrorInfo","value":"CgFh"}]}'
        ],
    ),
    Reader(
        "status-details",
        "whatever answers as m8",
        ("client/http/connect.py",),
        _status,
        errors=(DecodeError,),
        seeds=lambda: [status_pb2.Status(code=5, message="x").SerializeToString()],
    ),
    Reader(
        "known-stores",
        "a user's files",
        ("client/known/pins.py", "client/known/stores.py"),
        text(lambda one: Pins.parse(one, where="known_stores")),
        errors=(Error,),
        again=lambda pins: pins.serialise().encode("utf-8", "surrogateescape"),
        seeds=_texts(f"{_SERVER} vault SHA256:{'A' * 43}\n{_SERVER} @default vault\n"),
    ),
    Reader(
        "known-logs",
        "a user's files",
        ("client/known/logs.py",),
        _known_logs,
        errors=(Error,),
        again=lambda logs: "".join(pin.line(server) for server, pin in logs.items()).encode(),
        seeds=samples.known_logs,
    ),
    Reader(
        "bundle",
        "whoever answers as m8, or sends a file",
        ("protocol/bundle.py",),
        Bundle.parse,
        errors=(NoBundleError,),
        again=bytes,
        seeds=lambda: [bytes(a_bundle())],
    ),
    Reader(
        "bundle-address",
        "users",
        ("client/bundle/compare.py",),
        text(Address.parse),
        seeds=_texts("https://m8.example.org:7443/.well-known/monoskope#SHA256:x"),
    ),
    Reader(
        "seen-secrets",
        "a user's files",
        ("client/known/seen.py",),
        _seen,
        errors=(Error,),
        seeds=_texts(f"{_SERVER} vault://a/b =7 {'0' * 32} {'1' * 32}-\n"),
    ),
    Reader(
        "config-file",
        "a user's files",
        ("settings.py", "client/known/config_file.py"),
        lambda content: ConfigFile.parse(content, Path("config.toml")),
        again=lambda file: tomli_w.dumps(file.as_toml()).encode(),
        seeds=_texts(f'context = "a"\nsigning_key = "k"\n[contexts.a]\nserver = "{_SERVER}"\n{_LOGIN}'),
    ),
    Reader(
        "system-config",
        "a user's files",
        ("settings.py", "client/known/system.py"),
        lambda content: parse_system(content, Path("/etc/monoskope/config.toml")),
        seeds=_texts(f'server = "{_SERVER}"\nca_file = "ca"\nlog_quorum = "1"\nfixed = ["server", "log_quorum"]\n'),
    ),
    Reader(
        "kept-login",
        "a user's files",
        ("settings.py", "client/login/credential.py"),
        lambda content: parse(content, KeptLogin, path=Path("login.toml")),
        seeds=_toml_seeds(server=_SERVER, issuer="https://issuer", client_id="c", audience="m8"),
    ),
    Reader(
        "store-identities",
        "a user's environment",
        ("client/settings/__init__.py",),
        text(lambda one: parse_identities(one.split())),
        errors=(Error,),
        seeds=_texts(f"vault=SHA256:{'A' * 43} local=SHA256:{'B' * 42}A"),
    ),
    Reader(
        "proxy-variable",
        "a user's environment",
        ("client/http/transport.py",),
        text(lambda one: proxy_for("m8.example.org", {"https_proxy": one})),
        seeds=_texts("http://anna:s%20x@proxy.example.org:3128", "proxy"),
    ),
    Reader(
        "env-file",
        "who wrote the file of secrets",
        ("monoctl/input/files.py",),
        lambda content: parse_env(content, where="the file"),
        seeds=_texts("A=1\nexport B='two\nlines'\n# c\nC=\"\\n\"\n"),
    ),
    Reader(
        "json-file",
        "who wrote the file of secrets",
        ("monoctl/input/files.py",),
        lambda content: parse_json(content, where="the file"),
        seeds=_texts('{"a":"text","b":{"base64":"AAE="}}'),
    ),
    Reader(
        "role-binding-file",
        "administrators",
        ("monoctl/input/role_binding_file.py", "monoctl/input/strict_yaml.py"),
        lambda content: parse_role_bindings(content, "the file"),
        seeds=_texts(_BINDING, f"---\n{_BINDING}---\n{_BINDING}"),
    ),
    Reader(
        "rotation-file",
        "the user's colleagues",
        ("monoctl/input/rotation_file.py", "client/rotation/spec.py"),
        lambda content: parse_rotations(content, "the file"),
        seeds=_texts(_ROTATION),
    ),
    Reader(
        "labels-of-a-round",
        "other users",
        ("client/rotation/round.py",),
        text(lambda one: Round.parse(dict(line.partition("=")[::2] for line in one.split("\n")))),
        seeds=_texts(f"account=pg://orders_b\nbegan=2026-12-01T00:00:00Z\nreplaces={'0' * 64}"),
    ),
    Reader(
        "day-option", "users", ("monoctl/input/request_options.py",), text(parse_day), seeds=_texts("30d", "2027-01-31")
    ),
    Reader(
        "label-options",
        "users",
        ("monoctl/input/request_options.py",),
        text(lambda one: parse_edits(tuple(one.split("\n")))),
        seeds=_texts("owner=team-a\nold-"),
    ),
    Reader("subject-of-a-token", "m8", ("client/walk/trust.py",), text(subject_of), errors=(), seeds=samples.jwts),
    Reader("claims-of-a-token", "m8", ("client/login/id_token.py",), _claims, errors=(), seeds=samples.jwts),
    Reader(
        "id-token",
        "issuers",
        ("client/login/id_token.py",),
        _id_token,
        errors=(Error,),
        seeds=lambda: [b'{"keys":[]}\n' + one for one in samples.jwts()],
    ),
    Reader(
        "openid-document",
        "issuers",
        ("client/login/issuer.py",),
        lambda content: _asked(content, lambda: discover(_issuer())),
        errors=(Error,),
        seeds=lambda: [b"\x00" + json.dumps(_DOCUMENT).encode()],
    ),
    Reader(
        "token-answer",
        "issuers",
        ("client/login/issuer.py",),
        _token_answer,
        errors=(Error, issuers.OAuthError),
        seeds=lambda: [b'\x00{"id_token":"x"}', b'\x01{"error":"invalid_grant","error_description":"x"}'],
    ),
    Reader(
        "github-token",
        "GitHub Actions",
        ("client/login/workload.py",),
        lambda content: _asked(content, lambda: workload._of_github("https://issuer.example.org/x", "b", "m8")),  # noqa: SLF001
        errors=(Error,),
        seeds=lambda: [b'\x00{"value":"x.y.z"}'],
    ),
    Reader(
        "expiry-of-an-answer",
        "m8",
        ("client/results/__init__.py",),
        text(day),
        errors=(ProtocolError,),
        seeds=_texts("2027-01-31"),
    ),
    Reader(
        "issuer-url",
        "users and issuers",
        ("client/login/issuer.py",),
        text(issuers.origin_of),
        errors=(),
        seeds=_texts("https://issuer.example.org:8443/realm", "https://[::1]/"),
    ),
    Reader(
        "login-redirect",
        "the browser, and whoever sends it",
        ("client/login/browser.py",),
        _redirected,
        errors=(Error, NotOursError),
        seeds=_texts("code=x&state=y&iss=https%3A%2F%2Fissuer.example.org", "error=access_denied"),
    ),
    Reader("agent-keys", "the user's ssh-agent", ("client/signing/agent.py",), _agent, errors=(Error,), seeds=_agents),
    Reader(
        "agent-signature",
        "the user's ssh-agent",
        ("client/signing/agent.py",),
        _signs,
        errors=(Error,),
        seeds=lambda: [b"\x0e" + ssh_blobs.string(b"signature")],
    ),
    Reader(
        "private-key-file",
        "a user's files",
        ("client/signing/key_file.py",),
        lambda content: PrivateFile.read(_file("id", content)).is_encrypted,
        errors=(Error,),
        seeds=_private_keys,
    ),
    Reader(
        "signing-key-line",
        "a user's files",
        ("client/signing/signer.py",),
        text(lambda one: public_key.from_line(one, "the file")),
        seeds=samples.public_keys,
    ),
    Reader(
        "refused-certificate",
        "whoever answers at a server's address",
        ("monoctl/status/reaching.py", "checks/certificate.py"),
        lambda content: reaching.untrusted_check("certificate", content, _SERVER, Roots(b"", "a file")),
        errors=(),
        seeds=_certificates,
    ),
    Reader(
        "date-header",
        "whoever answers at a server's address",
        ("monoctl/status/reaching.py",),
        text(reaching.told_s),
        errors=(),
        seeds=_texts("Tue, 01 Dec 2026 06:00:00 GMT", "Tue, 01 Dec 0001 00:00:00 -2359", "1 Jan 70"),
    ),
    Reader("request-id", "users", ("client/queries.py",), text(request_id_bytes), seeds=_texts("0" * 32)),
    Reader(
        "console-frame",
        "the page, and what else runs in the browser",
        ("monoctl/console/requests.py",),
        lambda content: requests.parsed_frame(PutAsked, content),
        seeds=_frames,
    ),
    Reader(
        "console-nonce",
        "the page, and what else runs in the browser",
        ("monoctl/console/channel.py",),
        text(channel.nonce_of),
        errors=(),
        seeds=lambda: [channel.shown(bytes(channel.NONCE_SIZE)).encode()],
    ),
)

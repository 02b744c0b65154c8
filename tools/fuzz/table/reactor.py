"""What a reactor reads: m8's deliveries, its operator's settings, and its own folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from monoskope import operations as address
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error
from monoskope.http.messages import EndedError
from monoskope.protocol.identity import Namespace
from monoskope.protocol.sshsig.lists import BadListError, parse_listed, parse_revoked
from monoskope.reactor import settings as reactor_settings
from monoskope.reactor.identity import copy_key, store_identity
from monoskope.reactor.link.link import Link, SessionEndedError
from monoskope.reactor.link.open_requests import OpenRequests
from monoskope.reactor.link.session import Attachment
from monoskope.settings import convert, parse
from monoskope.stores import registry
from tests.support import ssh_blobs
from tools.fuzz import samples
from tools.fuzz.reader import Reader, text
from tools.fuzz.table.http import run

_kept: list[tempfile.TemporaryDirectory[str]] = []


@cache
def _folder() -> Path:
    made = tempfile.TemporaryDirectory(prefix="fuzz-")
    _kept.append(made)
    (Path(made.name) / store_identity.ROTATIONS).mkdir()
    return Path(made.name)


def _file(name: str, content: bytes) -> Path:
    path = _folder() / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _reactor_toml(content: bytes) -> object:
    file = parse(content, reactor_settings.ReactorFile, path=_folder() / "reactor.toml")
    table = dict(file.engine)
    kind = table.pop("type", None)
    address.setting(file.operations_listen, _folder() / "reactor.toml")
    return convert(table, registry.find(kind).Config, where="[engine]") if isinstance(kind, str) else None


class _Socket:
    """A WebSocket on which one message comes."""

    close_code = 1000
    is_silent = False

    def __init__(self, message: bytes | str) -> None:
        self._messages = [message]

    async def receive(self) -> bytes | str:
        """Return the message, then end."""
        if not self._messages:
            raise EndedError
        return self._messages.pop()

    async def send(self, message: bytes | str) -> NoReturn:
        """Be over."""
        del message
        raise EndedError

    async def close(self, code: int = 1000) -> None:
        """Be closed."""


def _ended(content: bytes) -> object:
    return run(Link(_Socket(content.decode("utf-8", "replace"))).read())


def _delivered(content: bytes) -> object:
    """Read a message of m8, and what it delivers."""
    answer = run(Link(_Socket(content)).read())
    if answer.WhichOneof("message") != "delivery":
        return None
    heard = _Heard()
    Attachment._deliver(heard, answer.delivery)  # type: ignore[arg-type]  # noqa: SLF001 - as far as that needs
    return None


class _Heard:
    """What takes deliveries: all open requests."""

    _caught_up = True

    def __init__(self) -> None:
        self.listener = self
        self._requests = OpenRequests()

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        """Take one event, twice: the second changes nothing."""
        self._requests.apply(event, sealed, now=1.0)
        self._requests.apply(event, sealed, now=1.0)


def _rotations(content: bytes) -> object:
    path = _folder() / store_identity.ROTATIONS / "0001"
    path.write_bytes(content)
    return store_identity._load_rotations(_folder())  # noqa: SLF001 - of a folder without a key


def _deliveries() -> Iterable[bytes]:
    for message in (events_pb2.SecretUploadRequested(), events_pb2.SecretUploadFailed()):
        event = event_pb2.Event(
            position=7,
            stream=f"upload/{'0' * 32}",
            version=1,
            type=type(message).__name__,
            data=message.SerializeToString(),
        )
        delivery = reactor_pb2.Delivery(record=event.SerializeToString(), sealed=b"s")
        yield reactor_pb2.AttachResponse(delivery=delivery).SerializeToString()


def _private_keys() -> Iterable[bytes]:
    key = Ed25519PrivateKey.generate()
    yield key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _lists() -> Iterable[bytes]:
    key, ca = ssh_blobs.ed25519(), ssh_blobs.ecdsa(256)
    yield f'# people\nanna@example.org valid-after="20200101Z" {key.line} a comment\n'.encode()
    yield f'*@example.org,bert cert-authority,namespaces="request@monoskope" {ca.line}\n'.encode()


def _revocations() -> Iterable[bytes]:
    key = ssh_blobs.ed25519()
    yield f"# left\n{key.fingerprint}\n{key.fingerprint} serial 7\n".encode()


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: [one.encode() for one in texts]


_SETTINGS = """\
server = "127.0.0.1:7443"
ca_file = "ca.crt"
store = "vault"
prefixes = [""]
[engine]
type = "age"
folder = "/srv/secrets"
recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
[[copy]]
to = "local"
identity = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
paths = [{ from = "", to = "a" }]
[signers]
file = "allowed_signers"
revoked = "revoked_keys"

"""
_END = '{"error":{"code":"unauthenticated","details":[{"type":"google.rpc.ErrorInfo","value":"CgFh"}]}}'

READERS = (
    Reader(
        "reactor-toml",
        "a reactor's operator",
        ("settings.py", "reactor/settings.py", "reactor/signers/settings.py", "reactor/timings.py"),
        _reactor_toml,
        errors=(Error,),
        seeds=_texts(_SETTINGS),
    ),
    Reader(
        "attach-answer",
        "m8",
        ("reactor/link/link.py", "reactor/link/session.py", "reactor/link/open_requests.py"),
        _delivered,
        errors=(SessionEndedError,),
        seeds=_deliveries,
    ),
    Reader(
        "attach-end-of-m8",
        "m8",
        ("reactor/link/link.py",),
        _ended,
        errors=(SessionEndedError,),
        seeds=_texts("{}", _END),
    ),
    Reader(
        "allowed-signers",
        "a reactor's operator",
        ("protocol/sshsig/lists.py",),
        text(partial(parse_listed, namespace=Namespace.REQUEST)),
        errors=(BadListError,),
        seeds=_lists,
    ),
    Reader(
        "revoked-keys",
        "a reactor's operator",
        ("protocol/sshsig/lists.py",),
        text(parse_revoked),
        errors=(BadListError,),
        seeds=_revocations,
    ),
    Reader(
        "rotations-of-a-folder",
        "a reactor's folder",
        ("reactor/identity/store_identity.py",),
        _rotations,
        errors=(Error,),
        seeds=samples.rotations,
    ),
    Reader(
        "copy-key",
        "a reactor's folder",
        ("reactor/identity/copy_key.py",),
        lambda content: copy_key._read(_file("copy.key", content)),  # noqa: SLF001 - before it is used
        errors=(Error,),
        seeds=_private_keys,
    ),
)

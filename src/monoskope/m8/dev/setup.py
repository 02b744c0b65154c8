"""What `m8 dev` sets up: a store with its reactor, its place in m8's catalogue, and the files of `monoctl`.

With `--signed` the reactor acts only on what the developer's own key signed (docs/signed-requests.md). The key is made
for this and lies in the client's folder, where `monoctl` finds it. A real one is a person's own: in an ssh-agent, or on
a security key.
"""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError, UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.trusted import Endpoint, TlsFiles
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.readmodels.stores import STORES
from monoskope.protocol.identity import Namespace
from monoskope.settings import read_private, write_private
from monoskope.start import reactor_command
from monoskope.times import wall_clock

START_S = 30.0
"""How long m8 may take to listen."""

CALL_S = 20.0
"""How long m8 may take to answer a command."""

_LOOK_S = 0.1
_MOST_ANSWER = 65_536
_COMMANDS = commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"].full_name

ATTACH_S = 60.0
"""How long a reactor may take to attach."""


@dataclass(frozen=True, slots=True)
class DevStore:
    """A store and the folder of its reactor."""

    name: str
    type: str
    folder: Path


async def prepare(store: DevStore, *, server: str, ca_file: Path) -> str:
    """Make the reactor's folder if it is not complete, and return the store's identity as it is shown."""
    folder = str(store.folder)
    if not (store.folder / "reactor.toml").exists():
        options = ("--store", store.name, "--type", store.type, "--server", server, "--ca-file", str(ca_file))
        await _reactor("init", folder, *options, "--prefix", "", "--allow-swap")
    if not (store.folder / "fingerprint.key").exists():
        await _reactor("fingerprint-key", "new", folder)
    return (await _reactor("identity", folder)).splitlines()[-1].strip()


async def _reactor(*arguments: str) -> str:
    """Run the reactor's program to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *reactor_command(*arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = complaint.decode(errors="replace").strip()
        raise UnavailableError(
            f"m8 reactor {arguments[0]} failed: {said}", fix="Correct that, then start m8 dev again."
        )
    return output.decode()


async def known(log: EventLog, name: str) -> views_pb2.SecretStore | None:
    """What m8 knows of the store `name`, None if nothing."""
    body = await log.get(STORES, name)
    return None if body is None else views_pb2.SecretStore.FromString(body)


async def enrol(
    store: DevStore, identity: str, *, server: HostPort, ca_file: Path, log: EventLog, tokens: Tokens
) -> None:
    """Create and activate `store` as an administrator would, unless that is done.

    The administrator's credential exists for these calls alone.

    Raises:
        UnavailableError: m8 refused or did not answer.
    """
    found = await known(log, store.name)
    if found is not None and found.active:
        return
    issued = await tokens.issue(subject="dev-setup", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=600)
    try:
        async with _m8(server, ca_file) as m8:
            if found is None:
                create = commands_pb2.CreateSecretStoreRequest(name=store.name, type=store.type, identity=identity)
                await _command(m8, "CreateSecretStore", create, issued.jwt)
            activate = commands_pb2.ActivateSecretStoreRequest(name=store.name)
            await _command(m8, "ActivateSecretStore", activate, issued.jwt)
    except ExchangeError as error:
        raise UnavailableError(f"m8 did not add the store {store.name!r}: {error}", fix="Read m8's log.") from None
    finally:
        await tokens.revoke(issued.id)


@contextlib.asynccontextmanager
async def _m8(server: HostPort, ca_file: Path) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(server, TlsFiles(ca_file), timeout_s=CALL_S, most_body=_MOST_ANSWER)
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def _command(m8: Endpoint, name: str, request: Message, token: str) -> None:
    headers = (("content-type", "application/proto"), ("authorization", f"Bearer {token}"))
    answer = await m8.request("POST", f"/{_COMMANDS}/{name}", headers, request.SerializeToString())
    if answer.status != 200:
        said = answer.body.decode(errors="replace")
        raise UnavailableError(f"m8 did not carry out {name}: {said}", fix="Read m8's log.")


async def listening(server: HostPort, ca_file: Path) -> None:
    """Wait until m8 answers. Raises `UnavailableError` after 30 s."""
    try:
        async with asyncio.timeout(START_S), _m8(server, ca_file) as m8:
            while not await _is_ready(m8):  # noqa: ASYNC110 - another process is looked at
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise UnavailableError("m8 did not start.", fix="Read the end of its log.") from None


async def _is_ready(m8: Endpoint) -> bool:
    try:
        return (await m8.request("GET", "/readyz", ())).status == 200
    except ExchangeError:
        return False


async def attached(log: EventLog, name: str, *, besides: set[bytes]) -> None:
    """Wait until a reactor process that is not in `besides` serves the store. Raises `UnavailableError` after 60 s."""
    seen = await log.head()
    try:
        async with asyncio.timeout(ATTACH_S), contextlib.aclosing(log.subscribe(after=seen)) as events:
            while not await _has_new(log, name, besides):
                await anext(events)
    except (TimeoutError, StopAsyncIteration):
        raise UnavailableError(f"no reactor for the store {name!r} appeared.", fix="Read its log.") from None


async def _has_new(log: EventLog, name: str, besides: set[bytes]) -> bool:
    store = await known(log, name)
    return store is not None and any(one.attached and one.replica not in besides for one in store.reactors)


KEY = "signing-key"
"""The private key's file; its public half lies beside it."""

ALLOWED_SIGNERS = "allowed_signers"
REVOKED_KEYS = "revoked_keys"

_END = "# end\n"
"""The last line of each list (docs/operate/signers.md)."""
_PRINCIPAL = "dev"
_PURPOSES = ("upload", "patch", "compare", "generate", "delete", "import", "undelete", "rollback", "list")
_SETTINGS = {
    "file": ALLOWED_SIGNERS,
    "revoked": REVOKED_KEYS,
    "unsigned": ["verify"],  # m8's own schedule verifies, and signs nothing
    "may": [{"principal": _PRINCIPAL, "prefixes": [""], "purposes": list(_PURPOSES)}],
}


def is_wanted(reactor: Path) -> bool:
    """Whether the reactor of a folder wants signatures: once turned on, it does so at every later start."""
    return "signers" in _settings(reactor)


def turn_on(*, reactor: Path, client: Path) -> None:
    """Make the key and the reactor's list of it, and have the reactor want signatures. Does nothing if that is done.

    The reactor must not run yet. Whatever interrupts this, the next call completes it: the settings come last.
    """
    if is_wanted(reactor):
        return
    if not (client / KEY).exists():
        _make_key(client)
    public = read_private(client / f"{KEY}.pub").decode("ascii")
    lines = f'{_PRINCIPAL} namespaces="{Namespace.REQUEST.value}" {public}{_END}'
    write_private(reactor / ALLOWED_SIGNERS, lines.encode("ascii"), replace=True)
    write_private(reactor / REVOKED_KEYS, _END.encode("ascii"), replace=True)
    table = tomli_w.dumps({"signers": _SETTINGS})
    settings = reactor / "reactor.toml"
    write_private(settings, settings.read_bytes() + b"\n" + table.encode(), replace=True)


def _make_key(client: Path) -> None:
    """Write the public half, then the private one: where that is, both are."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_private(client / f"{KEY}.pub", public + b" m8 dev\n", replace=True)
    write_private(client / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _settings(reactor: Path) -> dict[str, object]:
    return tomllib.loads((reactor / "reactor.toml").read_text(encoding="utf-8"))


TOKEN = "token"  # noqa: S105  a file's name
ADMIN_TOKEN = "admin.token"  # noqa: S105  a file's name
SUBJECT = "dev"

TTL_S = 90 * 86_400
_LEFT_MS = 86_400_000  # a token with less than a day left is replaced
_RIGHTS = frozenset(RIGHT_NAMES)


def write_settings(folder: Path, *, server: str, ca: bytes) -> None:
    """Write `config.toml` and `ca.crt`. A key that was made for signed requests is named there, too."""
    table = {"server": server, "ca_file": "ca.crt", "token_file": TOKEN}
    if (folder / KEY).exists():
        table["signing_key"] = KEY
    write_private(folder / "config.toml", tomli_w.dumps(table).encode(), replace=True)
    write_private(folder / "ca.crt", ca, replace=True)


def write_pins(folder: Path, *, server: str, identities: Mapping[str, str]) -> None:
    """Pin the stores and the first of them as the default, unless `monoctl` keeps its pins there already."""
    path = folder / "known_stores"
    if path.exists():
        return
    lines = [f"{server} @default {next(iter(identities))}\n"]
    lines += [f"{server} {store} {identity}\n" for store, identity in identities.items()]
    write_private(path, "".join(lines).encode())


async def ensure_user_token(folder: Path, tokens: Tokens, *, prefixes: list[str]) -> None:
    """Make sure that `token` is a valid token of the user `dev` with every right below `prefixes`."""
    path = folder / TOKEN
    if not await _counts(path, tokens, _RIGHTS):
        issued = await tokens.issue(
            subject=SUBJECT, role=events_pb2.ROLE_USER, prefixes=prefixes, rights=sorted(_RIGHTS), ttl_s=TTL_S
        )
        write_private(path, issued.jwt.encode() + b"\n", replace=True)


async def ensure_admin_token(folder: Path, tokens: Tokens) -> None:
    """Make sure that `admin.token` is a valid token of an administrator."""
    path = folder / ADMIN_TOKEN
    if not await _counts(path, tokens):
        issued = await tokens.issue(subject="dev-admin", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=TTL_S)
        write_private(path, issued.jwt.encode() + b"\n", replace=True)


async def _counts(path: Path, tokens: Tokens, rights: frozenset[events_pb2.Right] = frozenset()) -> bool:
    try:
        principal = await tokens.authenticate(read_private(path).decode("ascii", "replace").strip())
    except (UnauthenticatedError, UsageError):  # it is not valid any more, or there is none
        return False
    has_rights = all(pair.rights >= rights for pair in principal.pairs)
    return has_rights and principal.expires_at_ms - wall_clock() > _LEFT_MS

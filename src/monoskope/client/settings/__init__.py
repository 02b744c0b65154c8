"""Where the client finds its server, its credential and its pins.

`known.sources` says which source counts, `known.table` which settings there are. A token goes only to the server that
its own source names, if that names one. What is given explicitly needs no file: without a home folder there is no
settings file, and identities that were given are trusted for this run alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from monoskope.client.known.config_file import Chosen
from monoskope.client.known.sources import find, given_twice
from monoskope.client.known.table import Setting
from monoskope.client.login.credential import Credential
from monoskope.client.settings.credentials import check_token, find_credential, find_token, missing, token_source
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.settings import is_descriptor, read_private
from monoskope.value import Unshared, Value

RETRY_FOR_S = 30.0
"""For how many seconds a client waits for what is away, unless its user says otherwise."""
MOST_RETRY_FOR_S = 86_400.0


class ClientSettings(Unshared, Value, frozen=True, kw_only=True):
    """Everything needed to dial: complete and checked.

    Raises:
        UsageError: a server, the token or `retry_for` is malformed, the CA or the servers are given twice,
            `known_stores` is a pipe, or what is demanded of the log is malformed or cannot be met.
    """

    hidden = frozenset({"token"})

    server: str = ""
    """What to dial: `host:port`, or several with commas. Once checked it is the first of `servers`, which names
    pins."""
    servers: tuple[str, ...] = ()
    """The servers of one log, each named so, in the order in which they are tried. Give these or `server`."""
    server_source: str = ""
    """What chose the servers, in words for a person: a variable, or a key and its file; "" for an argument."""
    context: str = ""
    """The context of the settings file that counts, "" for none."""
    token: str = ""
    """The caller's credential; or give the next."""
    credential: Credential | None = None
    """Where the caller's tokens come from, such as a login; asked before each call (`login.credential`)."""
    token_source: str = "the token that was given"  # noqa: S105 - words
    """Where `token` comes from, in words for a person."""
    ca_file: Path | str | None = None
    """PEM file of the certificate authority that signs the server's certificate. Without it the system's list counts
    (`monoskope.client.http.transport`)."""
    ca: str = ""
    """The same as text."""
    known_stores: Path | str | None = None
    """The file of the pins. None: pins that are given in `store_identities` are kept in memory alone."""
    store_identities: dict[str, str] = msgspec.field(default_factory=dict)
    """Store to shown identity: identities that the user agrees to in advance."""
    default_store: str | None = None
    """The default store that the user agrees to in advance."""
    signing_key: str = ""
    """What signs requests for stores that take signed ones alone; "" for nothing. As git's `user.signingKey`: the file
    of a private key, or a public key or certificate, as a file or as itself, whose other half the ssh-agent holds."""
    requester: str = ""
    """How the stores' lists call whoever proposes changes with a key without a certificate; "" if receipts say it."""

    retry_for: float = RETRY_FOR_S
    """For how many seconds what is away is waited for, if it comes back by itself (docs/waiting.md); 0 for not at
    all."""

    log_vkeys: tuple[str, ...] = ()
    """The two verifier keys of the server's log, if they are known beforehand (docs/witnessed-log.md)."""
    log_witnesses: tuple[str, ...] = ()
    """The verifier keys of the witnesses that the user trusts."""
    log_quorum: int = 0
    """How many of them must have cosigned what m8 shows of its log; 0 without witnesses."""

    def __post_init__(self) -> None:
        if self.server and self.servers and self.server != self.servers[0]:
            raise given_twice("server", "servers")
        servers = check_servers(",".join(self.servers) if self.servers else self.server)
        msgspec.structs.force_setattr(self, "server", servers[0])
        msgspec.structs.force_setattr(self, "servers", servers)
        if self.credential is None:
            check_token(self.token, self.token_source)
        elif self.token:
            raise given_twice("token", "credential")
        if self.ca and self.ca_file is not None:
            raise given_twice("ca", "ca_file")
        if self.known_stores_path is not None and is_descriptor(self.known_stores_path):
            raise UsageError("known_stores is read again and again, so it cannot be a pipe.", fix="Name a file.")
        check_retry_for(self.retry_for)
        if self.log_vkeys or self.log_witnesses or self.log_quorum:
            from monoskope.client.known.demand import demand_of  # noqa: PLC0415 - few give any of them

            demand_of(self.log_vkeys, self.log_witnesses, self.log_quorum)

    @property
    def credential_source(self) -> str:
        """Where the caller's credential comes from, in words for a person."""
        return self.token_source if self.credential is None else self.credential.source

    @property
    def known_stores_path(self) -> Path | None:
        """The file of the pins as a path, None if there is none."""
        return None if self.known_stores is None else Path(self.known_stores)

    @property
    def known_logs_path(self) -> Path | None:
        """The file of the known logs, which lies beside that of the pins; None if there is none."""
        return None if self.known_stores is None else Path(self.known_stores).with_name("known_logs")


def load_settings(
    *,
    server: str | None = None,
    ca_file: Path | str | None = None,
    token_file: Path | str | None = None,
    known_stores: Path | str | None = None,
    config: Path | None = None,
    store_identities: Mapping[str, str] | None = None,
    default_store: str | None = None,
    ca: str | None = None,
    token: str | None = None,
    servers: Sequence[str] | None = None,
    credential: Credential | None = None,
    signing_key: Path | str | None = None,
    requester: str | None = None,
    context: str | None = None,
    chosen: Chosen | None = None,
    retry_for: str | float | None = None,
    environ: Mapping[str, str] = os.environ,
    system: Path | None = None,
) -> ClientSettings:
    """Find, read and check everything that is needed to dial.

    Args:
        server: `host:port`, or several with commas.
        ca_file: PEM file with the authority that signs the servers' certificates; `/dev/fd/N` is one, too.
        token_file: File with the token.
        known_stores: File with the pins.
        config: The settings file.
        store_identities: Identities that the user agrees to in advance.
        default_store: The default store that the user agrees to in advance.
        ca: The authority itself, in PEM form.
        token: The token itself.
        servers: Several servers of one log, in the place of `server`.
        credential: Where tokens come from, in the place of all that could be found.
        signing_key: What signs requests: a file, or a public key itself.
        requester: How the stores' lists call whoever proposes changes.
        context: The context of the settings file.
        chosen: As `find`.
        retry_for: For how many seconds what is away is waited for.
        environ: The environment.
        system: Another file of the administrator than that of this machine.

    Raises:
        UsageError: something is not given or malformed, or a token of the environment is for another server; the
            message names it and how to give it.
        RefusedError: others can reach the settings file or the token, or something replaces what the administrator
            of this machine fixed.
    """
    if servers:
        if server:
            raise given_twice("server", "servers")
        server = ",".join(servers)
    files = {"ca_file": ca_file, "token_file": token_file, "known_stores": known_stores, "signing_key": signing_key}
    texts = {"server": server, "ca": ca, "token": token, "requester": requester}
    texts["retry_for"] = None if retry_for is None else str(retry_for)
    flags = texts | {name: str(value) if value else None for name, value in files.items()}
    found = find(flags, config=config, context=context, chosen=chosen, environ=environ, system=system)
    if "server" not in found:
        raise missing("server", None)
    dialled = check_servers(found["server"].value)
    if credential is None:
        credential = find_credential(found, dialled, environ)
    identities = store_identities if store_identities is not None else identities_from(environ)
    authority = _authority(found, ca or environ.get("MONOCTL_CA", ""))
    return ClientSettings(
        servers=dialled,
        server_source=_server_source(found["server"]),
        context=found["context"].value if "context" in found else "",
        token="" if credential is not None else find_token(found, token or environ.get("MONOCTL_TOKEN", "")),
        token_source=token_source(found),
        credential=credential,
        ca_file=authority if isinstance(authority, Path) else None,
        ca=authority if isinstance(authority, str) else "",
        known_stores=Path(found["known_stores"].value) if "known_stores" in found else None,
        store_identities=dict(identities),
        default_store=default_store or environ.get("MONOCTL_DEFAULT_STORE") or None,
        signing_key=found["signing_key"].value if "signing_key" in found else "",
        requester=found["requester"].value if "requester" in found else "",
        retry_for=retry_for_of(found["retry_for"].value, found["retry_for"].source)
        if "retry_for" in found
        else RETRY_FOR_S,
        log_vkeys=_words(found, "log_vkeys"),
        log_witnesses=_words(found, "log_witnesses"),
        log_quorum=_quorum(found),
    )


def _server_source(server: Setting) -> str:
    """Return what chose the server, in words for a person; "" for an argument, which the person sees."""
    if server.source.startswith("`"):
        return ""
    return server.source if server.source.startswith("MONOCTL_") else f"`server` in {server.source}"


def _words(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    return tuple(found[name].value.split()) if name in found else ()


def _quorum(found: Mapping[str, Setting]) -> int:
    if "log_quorum" not in found:
        return 0
    from monoskope.client.known.demand import quorum  # noqa: PLC0415 - few give it

    return quorum(found["log_quorum"].value, found["log_quorum"].source)


def _authority(found: Mapping[str, Setting], text: str) -> Path | str | None:
    """Return the CA as text or as a file, None for the system's. What is handed over can be read only once: now."""
    if "ca" in found:
        return text
    if "ca_file" not in found:
        return None
    path = Path(found["ca_file"].value)
    return read_private(path, client=True).decode("ascii", "replace") if is_descriptor(path) else path


def identities_from(environ: Mapping[str, str]) -> dict[str, str]:
    """Parse MONOCTL_STORE_IDENTITY: `store=SHA256:…`, several with a space between them. Raises `UsageError`."""
    return parse_identities(environ.get("MONOCTL_STORE_IDENTITY", "").split())


def parse_identities(texts: list[str]) -> dict[str, str]:
    """Parse `store=SHA256:…` texts. Raises `UsageError` that names the text and the rule."""
    from monoskope.protocol.identity import check_shown  # noqa: PLC0415 - seldom needed, loads the signatures
    from monoskope.uri import check_store_name  # noqa: PLC0415

    identities: dict[str, str] = {}
    for text in texts:
        store, separator, identity = text.partition("=")
        if not separator:
            raise UsageError(f"store identity {text!r} is not valid: STORE=SHA256:….", fix="Name the store.")
        if check_store_name(store) in identities:
            raise UsageError(f"store {store!r} is given two identities.", fix="Give one.")
        identities[store] = check_shown(identity)
    return identities


def retry_for_of(text: str, source: str) -> float:
    """Return the seconds that a setting `retry_for` says. Raises `UsageError`, which names its source."""
    try:
        return check_retry_for(float(text), source)
    except ValueError:
        raise _no_seconds(repr(text), source) from None


def check_retry_for(seconds: float, source: str = "`retry_for`") -> float:
    """Return `seconds` if so long can be waited for what is away, else raise `UsageError`, which names the source."""
    if not 0 <= seconds <= MOST_RETRY_FOR_S:
        raise _no_seconds(f"{seconds:g}", source)
    return seconds


def _no_seconds(shown: str, source: str) -> UsageError:
    return UsageError(
        f"{source} is {shown}, and not a number of seconds from 0 to {MOST_RETRY_FOR_S:,.0f}.",
        fix="Give 0 to wait for nothing that is away.",
    )

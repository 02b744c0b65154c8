"""Where each setting comes from: arguments, the environment, the settings file, then the files of `m8 dev`.

A source that names a server gives its credentials to that server alone (`TOKEN_FIELDS`, `LOGIN_FIELDS`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import check_server
from monoskope.settings import find_private, is_descriptor, parse
from monoskope.value import Value

TOKEN_FIELDS = ("token", "token_file")
"""The caller's own token. The one of a file counts for the `server` of that file alone, so that no other m8 gets it."""

LOGIN_FIELDS = ("login_issuer", "login_client_id", "login_audience", "login_scopes", "login_hosts", "login_ca_file")
"""What `monoctl login` needs, and build jobs. In a file they count for the `server` of that file alone, so that what an
issuer gives for one m8 goes to no other."""

LOG_FIELDS = ("log_vkeys", "log_witnesses", "log_quorum")
"""What is demanded of the log of an m8. In a file they count for the `server` of that file alone: each m8 has its own
log. In a file without one they count where no other source names a server, as for `monoctl verify proof`."""

FIELDS = (
    "server",
    "ca_file",
    "ca",
    *TOKEN_FIELDS,
    "known_stores",
    "signing_key",
    "requester",
    "retry_for",
    *LOG_FIELDS,
    *LOGIN_FIELDS,
)
"""What can be given as an argument, or as `MONOCTL_…` in the environment."""

_TEXTS = {"ca": "ca_file", "token": "token_file"}
"""What can be given as text, and the file that it stands for."""
_HIDDEN = "(not shown)"

ID_TOKEN_VARIABLE = "MONOCTL_ID_TOKEN"  # noqa: S105 - a name
"""A JWT that a build job was given, as GitLab's `id_tokens` does it."""

_MORE = ("config", "store_identity", "default_store", "id_token")
VARIABLES = frozenset({f"MONOCTL_{name.upper()}" for name in (*FIELDS, *_MORE)})
"""Every environment variable that the client reads."""


class LoginTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One issuer more, `[logins.NAME]`: for `monoctl login --issuer NAME`."""

    issuer: str
    """As login_issuer."""
    client_id: str
    """As login_client_id."""
    audience: str = ""
    """As login_audience."""
    scopes: str = ""
    """As login_scopes."""
    hosts: str = ""
    """As login_hosts."""
    ca_file: str = ""
    """As login_ca_file."""


class ConfigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`config.toml`, mode 0600. Relative paths start at its folder."""

    server: str = ""
    """What to dial: `host:port`, or several with commas: the servers of one log, which are tried in this order."""
    ca_file: str = ""
    """PEM file of the certificate authority that signs the server's certificate."""
    token_file: str = ""
    """File of mode 0600 with the token, which goes to the `server` of this file alone."""
    login_issuer: str = ""
    """The OpenID Connect provider at which `monoctl login` logs in: its issuer, an https:// URL."""
    login_client_id: str = ""
    """What that provider calls monoctl: a public client without a secret."""
    login_audience: str = ""
    """What tokens for this m8 name as their audience; by default the client id, and the server's name in build jobs."""
    login_scopes: str = ""
    """Scopes to ask for besides `openid` and `offline_access`, with spaces between them, such as `groups`."""
    login_hosts: str = ""
    """Hosts besides the issuer's own at which it may have endpoints, with spaces between them."""
    login_ca_file: str = ""
    """PEM file of the authority that signs the issuer's certificate; by default the system's authorities count."""
    logins: dict[str, LoginTable] = msgspec.field(default_factory=dict)
    """Further issuers, by the names that `monoctl login --issuer` takes."""
    log_vkeys: str = ""
    """The two verifier keys of the server's log, with a space between them, as `m8 log key` prints them
    (docs/witnessed-log.md)."""
    log_witnesses: str = ""
    """The verifier keys of the witnesses that you trust, with spaces between them."""
    log_quorum: str = ""
    """How many of them must have cosigned what m8 shows of its log, such as "2"."""
    signing_key: str = ""
    """Signs requests for stores that take signed ones alone: a private key, or a public key or certificate whose other
    half an ssh-agent holds (docs/signed-requests.md). A file, or a public key itself: `key::ssh-ed25519 AAAA…`."""
    requester: str = ""
    """How the stores' lists call you who propose changes, if your key has no certificate (docs/approvals.md)."""
    retry_for: str = ""
    """For how many seconds monoctl waits for what is away and comes back by itself, such as "60". By default 30, "0"
    for not at all (docs/waiting.md)."""


class Setting(Value, frozen=True):
    """One effective setting and where it comes from."""

    value: str
    """A token or a certificate that is given as text is not shown."""
    source: str


def config_path(flag: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file's path, which need not exist. Raises `UsageError` if no home folder is known."""
    found = _named_config(flag, environ) or _below_home(environ, "XDG_CONFIG_HOME", ".config")
    if found is None:
        raise UsageError("no home folder is known, so there is no place for settings.", fix="Set HOME.")
    return found


def _named_config(flag: Path | None, environ: Mapping[str, str]) -> Path | None:
    return flag or (Path(environ["MONOCTL_CONFIG"]) if environ.get("MONOCTL_CONFIG") else None)


def dev_config_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `m8 dev` leaves the settings of its client, None if no home folder is known."""
    return state_path("dev/client/config.toml", environ)


def state_path(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where something of that name is kept for this user, None if no home folder is known."""
    return _below_home(environ, "XDG_STATE_HOME", ".local/state", name)


def _below_home(environ: Mapping[str, str], variable: str, below_home: str, name: str = "config.toml") -> Path | None:
    if environ.get(variable):
        return Path(environ[variable]) / "monoskope" / name
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:  # neither HOME nor an entry for this user, as in some containers
        return None
    return home / below_home / "monoskope" / name


def read_config(path: Path) -> ConfigFile:
    """Read a settings file; a missing one is empty. Raises `UsageError`, `RefusedError` if others can reach it."""
    found = find_private(path, client=True)
    return ConfigFile() if found is None else parse(found, ConfigFile, path=path)


def find(
    flags: Mapping[str, str | None], *, config: Path | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, Setting]:
    """Return each of `FIELDS` that is set, with its source. Reads only the settings files.

    Raises:
        UsageError: a settings file is malformed, one that was named does not exist, a variable is misspelt, or one
            setting is given both as text and as a file.
        RefusedError: others can reach a settings file.
    """
    check_variables(environ)
    named = _named_config(config, environ)
    path = named or _below_home(environ, "XDG_CONFIG_HOME", ".config")
    content = None if path is None else find_private(path, client=True)
    if named is not None and content is None:
        raise UsageError(f"the settings file {named} does not exist.", fix="Create it with `monoctl config set`.")
    found = _given({name: (flags.get(name), f"`{name}`") for name in FIELDS})
    variables = {name: f"MONOCTL_{name.upper()}" for name in FIELDS}
    _add(found, _given({name: (environ.get(variable), variable) for name, variable in variables.items()}))
    if path is not None and content is not None:
        _add_file(found, path, parse(content, ConfigFile, path=path))
    if "server" not in found or not has(found, "ca_file") or not has(found, "token_file"):
        _add_dev(found, dev_config_path(environ))
    beside = _below_home(environ, "XDG_CONFIG_HOME", ".config") if path is None or is_descriptor(path) else path
    if beside is not None:
        found.setdefault("known_stores", Setting(str(beside.with_name("known_stores")), "beside the settings file"))
    return found


def _given(values: Mapping[str, tuple[str | None, str]]) -> dict[str, Setting]:
    """Return what one source gives. Raises `UsageError` if that is one setting as text and as a file."""
    found = {
        name: Setting(_HIDDEN if name in _TEXTS else value, source) for name, (value, source) in values.items() if value
    }
    for text, file in _TEXTS.items():
        if text in found and file in found:
            raise given_twice(found[text].source.strip("`"), found[file].source.strip("`"))
    return found


def given_twice(text: str, file: str) -> UsageError:
    """Return the error for one setting that is given in two forms."""
    return UsageError(f"both {text} and {file} are given.", fix="Give one of them.")


def has(found: Mapping[str, Setting], file: str) -> bool:
    """Return whether a setting is known, as a file or as text."""
    return file in found or any(text in found for text, stands_for in _TEXTS.items() if stands_for == file)


def _add(found: dict[str, Setting], other: Mapping[str, Setting]) -> None:
    """Add what a source gives that counts less; nothing that is known in either form."""
    known = {name for name in other if has(found, _TEXTS.get(name, name))}
    found.update({name: setting for name, setting in other.items() if name not in known})


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise `UsageError` for an unknown MONOCTL_ variable: a misspelt one could lead to another server."""
    for name in sorted(environ):
        if name.startswith("MONOCTL_") and name not in VARIABLES:
            import difflib  # noqa: PLC0415 - only a misspelling needs it

            near = difflib.get_close_matches(name, sorted(VARIABLES), 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"the environment variable {name} is not a variable that monoctl reads.{meant}",
                fix=f"Unset it. These are read: {', '.join(sorted(VARIABLES))}.",
            )


def check_environment(found: Mapping[str, Setting], names: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raise `UsageError` if one of `names` comes from an environment that names another server than the dialled one.

    An environment without a server gives its credential to whichever server is dialled, as pipelines need it.
    """
    own, dialled = environ.get("MONOCTL_SERVER", ""), found["server"]
    if not own or serves(own, dialled.value):
        return
    for name in names:
        variable = f"MONOCTL_{name.upper()}"
        if name in found and found[name].source == variable:
            raise UsageError(
                f"{variable} is for {own} (MONOCTL_SERVER) alone, and not for {dialled.value} ({dialled.source}).",
                fix=f"Unset {variable}, or set MONOCTL_SERVER to the server that it is for.",
            )


def serves(own: str, dialled: str) -> bool:
    """Whether every server that is dialled is one of `own`; both are lists with commas, in any spelling."""
    return _names(dialled) <= _names(own)


def _names(servers: str) -> set[str]:
    return {_spelled(name.strip()) for name in servers.split(",")}


def _spelled(server: str) -> str:
    """Return the one spelling of a server; what is none as it is."""
    try:
        return check_server(server)
    except UsageError:
        return server


def _add_dev(found: dict[str, Setting], path: Path | None) -> None:
    if path is None:
        return
    file = read_config(path)
    if file.server and ("server" not in found or serves(file.server, found["server"].value)):
        _add_file(found, path, file)
        found.setdefault("known_stores", Setting(str(path.with_name("known_stores")), str(path)))


def _add_file(found: dict[str, Setting], path: Path, file: ConfigFile) -> None:
    folder = Path() if is_descriptor(path) else path.parent

    def at(value: str) -> str:
        return str(folder / Path(value).expanduser()) if value else ""

    def add(values: Mapping[str, str]) -> None:
        _add(found, _given({name: (value, str(path)) for name, value in values.items()}))

    key = file.signing_key if is_public_key(file.signing_key) else at(file.signing_key)
    add({"ca_file": at(file.ca_file), "signing_key": key, "requester": file.requester, "server": file.server})
    add({"retry_for": file.retry_for})
    if "server" not in found:  # as for who checks proofs and has no account anywhere
        add({name: getattr(file, name) for name in LOG_FIELDS})
    if file.server and serves(file.server, found["server"].value):
        files = {"token_file": at(file.token_file), "login_ca_file": at(file.login_ca_file)}
        add({name: getattr(file, name) for name in (*LOG_FIELDS, *LOGIN_FIELDS)} | files)


def is_public_key(value: str) -> bool:
    """Whether a signing key is a public key itself, and no file's name: `key::TYPE BASE64`, or a type and more."""
    return value.startswith("key::") or (value.startswith(("ssh-", "ecdsa-", "sk-")) and " " in value.strip())

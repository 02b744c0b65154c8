"""Where the client finds its server, its credential and its pins.

Each setting comes from the first of these that gives it: an argument (a flag of `monoctl`), the environment, the
settings file, the files of `m8 dev`. The latter are used only for the server of `m8 dev`, so that its token goes
nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import check_server
from monoskope.protocol.unshared import Unshared
from monoskope.settings import find_private, parse, read_private
from monoskope.value import Value

FIELDS = ("server", "ca_file", "token_file", "known_stores")

VARIABLES = frozenset({f"MONOCTL_{name.upper()}" for name in (*FIELDS, "config", "store_identity", "default_store")})
"""Every environment variable that the client reads."""


class ConfigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`config.toml`, mode 0600. Relative paths start at its folder."""

    server: str = ""
    """The `host:port` to dial."""
    ca_file: str = ""
    """PEM file of the certificate authority that signs the server's certificate."""
    token_file: str = ""
    """File of mode 0600 with the token."""


class Setting(Value, frozen=True):
    """One effective setting and where it comes from."""

    value: str
    source: str


class ClientSettings(Unshared, Value, frozen=True):
    """Everything needed to dial: complete and checked."""

    hidden = frozenset({"token"})

    server: str
    ca_file: Path
    token: str
    known_stores: Path
    store_identities: dict[str, str] = msgspec.field(default_factory=dict)
    """Store to shown identity: identities that the user agrees to in advance."""
    default_store: str | None = None
    """The default store that the user agrees to in advance."""


Settings = ClientSettings
"""The name of `ClientSettings` in earlier versions."""


def config_path(flag: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file's path, which need not exist."""
    if flag is not None:
        return flag
    if environ.get("MONOCTL_CONFIG"):
        return Path(environ["MONOCTL_CONFIG"])
    return _base(environ, "XDG_CONFIG_HOME", ".config") / "monoskope" / "config.toml"


def dev_config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where `m8 dev` leaves the settings of its client."""
    return _base(environ, "XDG_STATE_HOME", ".local/state") / "monoskope" / "dev" / "client" / "config.toml"


def _base(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    if environ.get(variable):
        return Path(environ[variable])
    return Path(environ["HOME"] if environ.get("HOME") else Path.home()) / below_home


def read_config(path: Path) -> ConfigFile:
    """Read a settings file; a missing one is empty. Raises `UsageError`, `RefusedError` if others can reach it."""
    found = find_private(path)
    return ConfigFile() if found is None else parse(found, ConfigFile, path=path)


def find(
    flags: Mapping[str, str | None], *, config: Path | None = None, environ: Mapping[str, str] = os.environ
) -> dict[str, Setting]:
    """Return each of `FIELDS` that is set, with its source. Reads only the settings files.

    Raises:
        UsageError: a settings file is malformed, one that was named does not exist, or a variable is misspelt.
        RefusedError: others can reach a settings file.
    """
    check_variables(environ)
    path = config_path(config, environ)
    if not path.exists() and (config is not None or environ.get("MONOCTL_CONFIG")):
        raise UsageError(f"the settings file {path} does not exist.", fix="Create it with `monoctl config set`.")
    found: dict[str, Setting] = {}
    for name in FIELDS:
        variable = f"MONOCTL_{name.upper()}"
        flag = flags.get(name)
        if flag:
            found[name] = Setting(flag, f"`{name}=`")
        elif environ.get(variable):
            found[name] = Setting(environ[variable], variable)
    _add_file(found, path, read_config(path))
    if not found.keys() >= {"server", "ca_file", "token_file"}:
        _add_dev(found, dev_config_path(environ))
    found.setdefault("known_stores", Setting(str(path.with_name("known_stores")), "beside the settings file"))
    return found


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


def _add_dev(found: dict[str, Setting], path: Path) -> None:
    file = read_config(path)
    if file.server and ("server" not in found or found["server"].value == file.server):
        _add_file(found, path, file)
        found.setdefault("known_stores", Setting(str(path.with_name("known_stores")), str(path)))


def _add_file(found: dict[str, Setting], path: Path, file: ConfigFile) -> None:
    for name in ("server", "ca_file", "token_file"):
        value: str = getattr(file, name)
        if value and name not in found:
            if name != "server":
                value = str(path.parent / Path(value).expanduser())
            found[name] = Setting(value, str(path))


def load_settings(
    *,
    server: str | None = None,
    ca_file: str | None = None,
    token_file: str | None = None,
    known_stores: str | None = None,
    config: Path | None = None,
    store_identities: Mapping[str, str] | None = None,
    default_store: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ClientSettings:
    """Find, read and check everything that is needed to dial.

    Raises:
        UsageError: something is not given or malformed; the message names it and how to give it.
        RefusedError: others can reach the settings file or the token.
    """
    flags = {"server": server, "ca_file": ca_file, "token_file": token_file, "known_stores": known_stores}
    found = find(flags, config=config, environ=environ)
    for name in ("server", "ca_file", "token_file"):
        if name not in found:
            raise _missing(name, found.get("server"))
    given = store_identities if store_identities is not None else identities_from(environ)
    return ClientSettings(
        server=check_server(found["server"].value),
        ca_file=Path(found["ca_file"].value),
        token=read_token(Path(found["token_file"].value)),
        known_stores=Path(found["known_stores"].value),
        store_identities=dict(given),
        default_store=default_store or environ.get("MONOCTL_DEFAULT_STORE") or None,
    )


def _missing(name: str, server: Setting | None) -> UsageError:
    ways = f"`{name}=`, MONOCTL_{name.upper()} or `monoctl config set {name} VALUE`"
    if server is None:
        return UsageError(f"no {name} is configured.", fix=f"Start `m8 dev`, or give {ways}.")
    check_server(server.value)
    return UsageError(f"no {name} is configured for {server.value} ({server.source}).", fix=f"Give {ways}.")


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


def read_token(path: Path) -> str:
    """Return the token in `path`. Raises `UsageError`, `RefusedError` if others can reach the file."""
    try:
        token = read_private(path).decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or any(character.isspace() for character in token):
        raise UsageError(f"{path} does not hold a token.", fix="Ask an administrator for one: `m8 token create`.")
    return token

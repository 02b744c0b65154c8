"""`config.toml`: the settings at its top, its contexts, its logins, and where it lies.

A context, `[contexts.NAME]`, is one m8 with all that is bound to it. What stands at the top of the file counts where no
context is chosen. A context has nothing from there but what is bound to no server (`table.Bound.NOT`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from monoskope.client.known.table import BY_NAME, IN_FILES, Bound
from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.settings import find_private, parse
from monoskope.value import Value

_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


class LoginTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One issuer more, `[logins.NAME]`: for `monoctl login --issuer NAME`. Each field is as its `login_…` setting."""

    issuer: str
    client_id: str
    audience: str = ""
    scopes: str = ""
    hosts: str = ""
    ca_file: str = ""


class Table(Value, frozen=True):
    """The settings of one m8: those at the top of a file, or one context."""

    texts: dict[str, str] = msgspec.field(default_factory=dict)
    """Each setting that is not empty, as it is written."""
    logins: dict[str, LoginTable] = msgspec.field(default_factory=dict)
    """Further issuers, by the names that `monoctl login --issuer` takes."""

    @property
    def server(self) -> str:
        """What to dial, "" for nothing."""
        return self.texts.get("server", "")

    def as_toml(self) -> dict[str, object]:
        """Return what is written for it."""
        return {**self.texts, **({"logins": msgspec.to_builtins(self.logins)} if self.logins else {})}


class ConfigFile(Value, frozen=True):
    """A settings file, mode 0600."""

    top: Table = Table()
    context: str = ""
    """The context that counts where no other is named, "" for none."""
    contexts: dict[str, Table] = msgspec.field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> ConfigFile:
        """Read the file's content. Raises `UsageError` that names `path` and the field."""
        found: Any = parse(content, _File, path=path)
        for name in found.contexts:
            check_context(name, where=f"{path}: ")
        return cls(_table(found), found.context, {name: _table(one) for name, one in found.contexts.items()})

    def as_toml(self) -> dict[str, object]:
        """Return what is written for it: `parse` reads the same from it."""
        chosen: dict[str, object] = {"context": self.context} if self.context else {}
        contexts = {name: table.as_toml() for name, table in self.contexts.items()}
        return chosen | self.top.as_toml() | ({"contexts": contexts} if contexts else {})


def _table(found: Any) -> Table:  # noqa: ANN401 - made from the table of settings
    return Table({name: value for name in IN_FILES if (value := getattr(found, name))}, found.logins)


_LOGINS: Any = ("logins", dict[str, LoginTable], msgspec.field(default_factory=dict))
_FIELDS: list[Any] = [*((name, str, "") for name in IN_FILES), _LOGINS]
_Context: Any = msgspec.defstruct("Context", _FIELDS, forbid_unknown_fields=True)
_MORE: list[Any] = [("context", str, ""), ("contexts", dict[str, _Context], msgspec.field(default_factory=dict))]
_File = msgspec.defstruct("ConfigFile", [*_FIELDS, *_MORE], forbid_unknown_fields=True)


def check_context(name: str, *, where: str = "") -> str:
    """Return `name` if a context can be called so, else raise `UsageError`."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{where}{name!r} is no name of a context.",
            fix="Use up to 63 letters, digits, `.`, `-` and `_`, and begin with a letter or a digit.",
        )
    return name


def read_config(path: Path) -> ConfigFile:
    """Read a settings file; a missing one is empty. Raises `UsageError`, `RefusedError` if others can reach it."""
    found = find_private(path, client=True)
    return ConfigFile() if found is None else ConfigFile.parse(found, path)


def config_path(flag: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the settings file's path, which need not exist. Raises `UsageError` if no home folder is known."""
    found = named_config(flag, environ) or usual_config(environ)
    if found is None:
        raise UsageError("no home folder is known, so there is no place for settings.", fix="Set HOME.")
    return found


def named_config(flag: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that a flag or the environment names."""
    return flag or (Path(environ["MONOCTL_CONFIG"]) if environ.get("MONOCTL_CONFIG") else None)


def usual_config(environ: Mapping[str, str]) -> Path | None:
    """Return where the settings file lies that nobody names, None if no home folder is known."""
    return _below_home(environ, "XDG_CONFIG_HOME", ".config", "config.toml")


def dev_config_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where `m8 dev` leaves the settings of its client, None if no home folder is known."""
    return state_path("dev/client/config.toml", environ)


def state_path(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where something of that name is kept for this user, None if no home folder is known."""
    return _below_home(environ, "XDG_STATE_HOME", ".local/state", name)


def _below_home(environ: Mapping[str, str], variable: str, below_home: str, name: str) -> Path | None:
    if environ.get(variable):
        return Path(environ[variable]) / "monoskope" / name
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:  # neither HOME nor an entry for this user, as in some containers
        return None
    return home / below_home / "monoskope" / name


class Chosen(Value, frozen=True):
    """The settings of a file that count."""

    path: Path
    table: Table
    context: str = ""
    """The name of the context; "" for the top of the file."""
    source: str = ""
    """What chose it."""

    @property
    def where(self) -> str:
        """The place, as a person reads it."""
        return f"{self.path} [contexts.{self.context}]" if self.context else str(self.path)


def choose(file: ConfigFile, path: Path, *, context: str | None, environ: Mapping[str, str] = os.environ) -> Chosen:
    """Return what counts in a file: the context that an argument names, the environment, or the file; else its top.

    Raises:
        UsageError: there is no such context, or it names no server.
    """
    named = (
        (context, "`context`"),
        (environ.get("MONOCTL_CONTEXT"), "MONOCTL_CONTEXT"),
        (file.context, f"`context` in {path}"),
    )
    name, source = next(((name, source) for name, source in named if name), ("", ""))
    if not name:
        return Chosen(path, file.top)
    if name not in file.contexts:
        there = ", ".join(sorted(file.contexts))
        raise UsageError(
            f"{path} has no context {name!r}{'' if name == context else f', which {source} names'}.",
            fix=f"It has these: {there}." if there else "It has none. `monoctl config set --context` makes one.",
        )
    table = file.contexts[name]
    if not table.server:
        fix = "Run `monoctl config set --context NAME server SERVER`."
        raise UsageError(f"the context {name!r} in {path} names no server.", fix=fix)
    shared = {key: value for key, value in file.top.texts.items() if BY_NAME[key].bound is Bound.NOT}
    return Chosen(path, Table(shared | table.texts, table.logins), name, source)

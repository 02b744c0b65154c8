"""Changes of the user's settings file: settings are checked before they are written, and the file is written whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from monoskope.client.known.config_file import (
    Chosen,
    ConfigFile,
    Table,
    check_context,
    choose,
    config_path,
    read_config,
)
from monoskope.client.known.system import read_system
from monoskope.client.known.table import BY_NAME, IN_FILES, Kind, Setting, is_public_key
from monoskope.client.settings import retry_for_of
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.settings import locked, write_private


def write_settings(
    values: Mapping[str, str | Sequence[str]],
    *,
    context: str | None,
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    system: Path | None = None,
) -> Path:
    """Write several settings at once into a context of the user's file (mode 0600), and return the file's path.

    The file and the context are made if they are missing. What is not named stays. All is written, or nothing.

    Args:
        values: The settings, by their names. Several texts are joined as the setting wants them.
        context: The context, None for the top of the file.
        config: The settings file.
        environ: The environment, which can name the settings file.
        system: Another file of the administrator than that of this machine.

    Raises:
        UsageError: a setting is unknown or malformed, names no file that exists, or a new context would have no server.
        RefusedError: others can reach the settings file, or the administrator of this machine fixed another value.
        NotWritableError: the file cannot be written where it lies.
    """
    checked = {name: check_value(name, value) for name, value in values.items()}
    path = config_path(config, environ)
    read_system(system).guard({name: Setting(value, str(path)) for name, value in checked.items()})
    with _changing(path) as file:
        table = _table(file, context)
        if context is not None and not table.server and "server" not in checked:
            raise UsageError(
                f"{path} has no context {context!r}.", fix="Set its server first, which makes it. Check its name."
            )
        _put(file, context, Table(table.texts | checked, table.logins))
    return path


def unset_settings(
    names: Collection[str],
    *,
    context: str | None,
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """Remove settings from a context of the user's file, and return the file's path.

    A context without settings is removed. It does not stay the one that counts.

    Args:
        names: The settings.
        context: The context, None for the top of the file.
        config: The settings file.
        environ: The environment, which can name the settings file.

    Raises:
        UsageError: one is not set there, or the context would have settings and no server.
        RefusedError: others can reach the settings file.
        NotWritableError: the file cannot be written where it lies.
    """
    path = config_path(config, environ)
    with _changing(path) as file:
        table = _table(file, context)
        where = Chosen(path, table, context or "").where
        for name in names:
            if name not in table.texts:
                raise UsageError(f"{name} is not set in {where}.", fix="`monoctl config view` shows what is set.")
        left = {name: value for name, value in table.texts.items() if name not in names}
        if context is not None and "server" not in left and (left or table.logins):
            raise UsageError(
                f"{where} would have no server.", fix="Set another one, or unset all: a context is one server."
            )
        _put(file, context, Table(left, table.logins))
    return path


def use_context(name: str | None, *, config: Path | None = None, environ: Mapping[str, str] = os.environ) -> Chosen:
    """Let a context count where no other is named, None for the top of the file; return what counts then.

    Raises:
        UsageError: there is no such context, or it names no server.
        RefusedError: others can reach the settings file.
        NotWritableError: the file cannot be written where it lies.
    """
    path = config_path(config, environ)
    with _changing(path) as file:
        file.context = name or ""
        return choose(file.whole(), path, context=name, environ={})


def chosen_context(
    context: str | None, *, config: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Chosen:
    """Return the settings of the user's file that count: of a context, or of the top of the file.

    Raises:
        UsageError: there is no such context, or it names no server, or the file is malformed.
        RefusedError: others can reach the settings file.
    """
    path = config_path(config, environ)
    return choose(read_config(path), path, context=context, environ=environ)


def check_value(name: str, value: str | Sequence[str]) -> str:
    """Return a setting as it is written to a file. Raises `UsageError` if there is none such, or it is malformed."""
    if name not in IN_FILES:
        raise UsageError(f"{name!r} is no setting of a file.", fix=f"These are: {', '.join(IN_FILES)}.")
    kind = BY_NAME[name].kind
    text = value if isinstance(value, str) else ("," if kind is Kind.SERVERS else " ").join(value)
    if not text or not text.isprintable():
        raise UsageError(f"{name} is empty, or not printable.", fix="`monoctl config unset` takes a setting away.")
    if kind is Kind.SERVERS:
        return ",".join(check_servers(text))
    if kind is Kind.FILE or (kind is Kind.KEY and not is_public_key(text)):
        return _file(name, text)
    if kind is Kind.KEY:
        from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - for this kind alone

        signer_of(text)
    elif kind is Kind.SECONDS:
        retry_for_of(text, name)
    elif kind is Kind.LOG:
        from monoskope.client.known.demand import check_setting  # noqa: PLC0415 - as above

        check_setting(name, text)
    elif kind is Kind.ISSUER:
        from monoskope.client.login.issuer import origin_of  # noqa: PLC0415 - as above

        if origin_of(text) is None:
            raise UsageError(f"{name} is not an https:// URL.", fix="Write it as the issuer writes it.")
    return text


def _file(name: str, text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"{name}: there is no such file.", fix="Give the path of the file, not its content.")
    return str(path.absolute())


class _Changed:
    """A settings file while it is changed."""

    def __init__(self, file: ConfigFile) -> None:
        self.top, self.context, self.contexts = file.top, file.context, dict(file.contexts)

    def whole(self) -> ConfigFile:
        return ConfigFile(self.top, self.context, self.contexts)


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[_Changed]:
    """Yield the content of a file, and write it in its place unless the block raises."""
    with locked(path):
        changed = _Changed(read_config(path))
        yield changed
        import tomli_w  # noqa: PLC0415 - nothing else here writes TOML

        write_private(path, tomli_w.dumps(changed.whole().as_toml()).encode(), replace=True)


def _table(file: _Changed, context: str | None) -> Table:
    return file.top if context is None else file.contexts.get(check_context(context), Table())


def _put(file: _Changed, context: str | None, table: Table) -> None:
    if context is None:
        file.top = table
    elif table.texts:
        file.contexts[context] = table
    else:
        file.contexts.pop(context, None)
        file.context = "" if file.context == context else file.context

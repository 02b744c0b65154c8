"""Where each setting comes from.

The first of these sources that gives it counts:

1. an argument, such as a flag of `monoctl`
2. the environment, `MONOCTL_…`
3. the user's settings file: the context that is chosen, or the top of the file
4. the files of `m8 dev`
5. the file of this machine's administrator, which can say that it counts first (`known.system`)

A source that names a server gives what is bound to a server to that server alone (`table.Bound`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from monoskope.client.known.config_file import (
    Chosen,
    ConfigFile,
    Table,
    choose,
    dev_config_path,
    named_config,
    read_config,
    usual_config,
)
from monoskope.client.known.file_names import check_file_name
from monoskope.client.known.system import SystemConfig, read_system
from monoskope.client.known.table import (
    BY_NAME,
    FIELDS,
    LOG_FIELDS,
    LOGIN_FIELDS,
    TEXTS,
    VARIABLES,
    Bound,
    Kind,
    Setting,
    is_public_key,
)
from monoskope.errors import UsageError, docs_page
from monoskope.host_port import serves
from monoskope.settings import find_private, is_descriptor

_HIDDEN = "(not shown)"


def find(
    flags: Mapping[str, str | None],
    *,
    config: Path | None = None,
    context: str | None = None,
    chosen: Chosen | None = None,
    login: str | None = None,
    environ: Mapping[str, str] = os.environ,
    system: Path | None = None,
) -> dict[str, Setting]:
    """Return each of `FIELDS` that is set, with its source, and `context` if one is chosen. Reads settings files alone.

    Args:
        flags: What arguments give.
        config: The settings file.
        context: The context.
        chosen: What counts of the settings file, in the place of what these two lead to.
        login: The `[logins.NAME]` that counts in the place of what else gives the settings of a login.
        environ: The environment.
        system: Another file of the administrator than that of this machine.

    Raises:
        UsageError: a settings file is malformed, one that was named does not exist, a variable is misspelt, one
            setting is given both as text and as a file, there is no such context or login, or a server is named that is
            not the context's.
        RefusedError: others can reach a settings file, or something replaces what the administrator fixed.
    """
    check_variables(environ)
    administrator = read_system(system)
    administrator.guard_environment(environ)
    chosen = chosen or _chosen(config, context, environ)
    found = administrator.settings()
    given = (
        _given({name: (flags.get(name), f"`{name}`") for name in FIELDS}),
        _given({name: (environ.get(variable), variable) for name, variable in _VARIABLE_OF.items()}),
    )
    for source in given:
        for name, setting in source.items():
            check_file_name(name, setting.value, setting.source.strip("`"))
        administrator.guard(source)
        _add(found, source)
    if chosen is not None:
        _add_chosen(found, chosen, administrator)
        if login is not None:
            _take_login(found, chosen, login, administrator)
    if "server" not in found or not has(found, "ca_file") or not has(found, "token_file"):
        _add_dev(found, dev_config_path(environ), administrator)
    _add_table(found, administrator.path, str(administrator.path), Table(administrator.texts))
    path = None if chosen is None else chosen.path
    beside = usual_config(environ) if path is None or is_descriptor(path) else path
    if beside is not None:
        found.setdefault("known_stores", Setting(str(beside.with_name("known_stores")), "beside the settings file"))
    return found


_VARIABLE_OF = {name: f"MONOCTL_{name.upper()}" for name in FIELDS}


def _chosen(config: Path | None, context: str | None, environ: Mapping[str, str]) -> Chosen | None:
    """Return what counts in the user's file, None if no home folder is known."""
    named = named_config(config, environ)
    path = named or usual_config(environ)
    content = None if path is None else find_private(path, client=True)
    if named is not None and content is None:
        raise UsageError(f"the settings file {named} does not exist.", fix="Create it with `monoctl config set`.")
    if path is None:
        if context or environ.get("MONOCTL_CONTEXT"):
            raise UsageError("no home folder is known, so there is no settings file with a context.", fix="Set HOME.")
        return None
    file = ConfigFile() if content is None else ConfigFile.parse(content, path)
    return choose(file, path, context=context, environ=environ)


def _add_chosen(found: dict[str, Setting], chosen: Chosen, administrator: SystemConfig) -> None:
    administrator.guard(of_table(chosen.path, chosen.where, chosen.table.texts))
    if chosen.context:
        if "server" in found and not serves(chosen.table.server, found["server"].value):
            raise UsageError(
                f"{found['server'].value} ({found['server'].source}) is none of the servers of the context"
                f" {chosen.context!r}, which are {chosen.table.server} ({chosen.where}).",
                fix="Name another context, or `monoctl config use --none`. One context is one m8.",
            )
        found["context"] = Setting(chosen.context, chosen.source)
    _add_table(found, chosen.path, chosen.where, chosen.table)


def _take_login(found: dict[str, Setting], chosen: Chosen, name: str, administrator: SystemConfig) -> None:
    """Let `[logins.NAME]` count in the place of all other settings of a login."""
    table = chosen.table
    dialled = found["server"].value if "server" in found else ""
    if not serves(table.server, dialled):
        raise UsageError(
            f"the logins in {chosen.where} are for the server {table.server or 'that it names'}, not for {dialled}.",
            fix="Name a settings file, or a context, for that server.",
        )
    if name not in table.logins:
        raise UsageError(
            f"{chosen.where} names no login {name!r}, but {', '.join(sorted(table.logins)) or 'none'}.",
            fix=f"Add a table [logins.{name}] ({docs_page('login.md')}).",
        )
    given = {f"login_{key}": value for key, value in msgspec.structs.asdict(table.logins[name]).items()}
    source = of_table(chosen.path, f"{chosen.where} [logins.{name}]", given)
    administrator.guard(source)
    for field in LOGIN_FIELDS:
        if field not in administrator.fixed:
            found.pop(field, None)
    _add(found, source)


def _given(values: Mapping[str, tuple[str | None, str]]) -> dict[str, Setting]:
    """Return what one source gives. Raises `UsageError` if that is one setting as text and as a file."""
    found = {
        name: Setting(_HIDDEN if name in TEXTS else value, source) for name, (value, source) in values.items() if value
    }
    for text, file in TEXTS.items():
        if text in found and file in found:
            raise given_twice(found[text].source.strip("`"), found[file].source.strip("`"))
    return found


def given_twice(text: str, file: str) -> UsageError:
    """Return the error for one setting that is given in two forms."""
    return UsageError(f"both {text} and {file} are given.", fix="Give one of them.")


def has(found: Mapping[str, Setting], file: str) -> bool:
    """Return whether a setting is known, as a file or as text."""
    return file in found or any(text in found for text, stands_for in TEXTS.items() if stands_for == file)


def _add(found: dict[str, Setting], other: Mapping[str, Setting]) -> None:
    """Add what a source gives that counts less; nothing that is known in either form."""
    known = {name for name in other if has(found, TEXTS.get(name, name))}
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


def _add_dev(found: dict[str, Setting], path: Path | None, administrator: SystemConfig) -> None:
    """Add what `m8 dev` left, if its server is dialled. It replaces nothing that is fixed."""
    if path is None:
        return
    table = read_config(path).top
    if table.server and ("server" not in found or serves(table.server, found["server"].value)):
        free = {name: value for name, value in table.texts.items() if name not in administrator.fixed}
        _add_table(found, path, str(path), Table(free))
        found.setdefault("known_stores", Setting(str(path.with_name("known_stores")), str(path)))


def _add_table(found: dict[str, Setting], path: Path, where: str, table: Table) -> None:
    """Add the settings of a table that count for the server that is dialled."""
    own, named = table.server, "server" in found
    is_own = bool(own) and (not named or serves(own, found["server"].value))

    def counts(name: str) -> bool:
        bound = BY_NAME[name].bound
        if is_own or bound is Bound.NOT:
            return True
        if own or bound is Bound.TO_ONE:
            return False
        # The log of another server is another log, as for who checks proofs and has no account anywhere.
        return name not in LOG_FIELDS or not named

    _add(found, of_table(path, where, {name: value for name, value in table.texts.items() if counts(name)}))


def of_table(path: Path, where: str, values: Mapping[str, str]) -> dict[str, Setting]:
    """Return what a table of the settings file `path` gives. Paths start at the folder of the file.

    Args:
        path: The file.
        where: The table, as a person reads it.
        values: Its settings.
    """
    folder = Path() if is_descriptor(path) else path.parent

    def whole(name: str, value: str) -> str:
        check_file_name(name, value, f"`{name}` in {where}")
        kind = BY_NAME[name].kind
        is_file = kind is Kind.FILE or (kind is Kind.KEY and not is_public_key(value))
        return str(folder / Path(value).expanduser()) if is_file and value else value

    return _given({name: (whole(name, value), where) for name, value in values.items()})

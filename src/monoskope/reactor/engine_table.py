"""The `[engine]` table: how `m8 reactor init` makes a new one, and where its relative paths lead.

A new table is the driver's example, with what `--set` gives. What neither has is asked for on a terminal. No value is
guessed: the address of an engine is given, or there is no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from monoskope.errors import UsageError
from monoskope.settings import MissingFieldError, convert
from monoskope.stores.driver import PLACEHOLDER, StoreDriver

Table = dict[str, Any]
Ask = Callable[[str], str]
"""Asks for the setting of that name, `auth.role_id`, and returns what was typed."""

_PATHS = ("file", "folder", "home")
"""How the names of settings end that are a path: `folder`, `password_file`, `gpg_home`."""


_DEEPEST = 2
"""How many names a setting has at most: its own, and that of its table."""


def new(driver: type[StoreDriver], folder: Path, given: Sequence[str], ask: Ask | None) -> Table:
    """Return the table of a new reactor, without its `type`.

    Args:
        driver: The kind of engine.
        folder: The reactor's folder, an absolute path. The driver's example may put a key file there.
        given: `KEY=VALUE`, each key once; `auth.role_id` is the setting `role_id` of the table `auth`. An empty value
            leaves out a setting of the example. A list has commas between its values.
        ask: Asks for a setting that the driver requires and nobody gave; None if there is nobody to ask.

    Raises:
        UsageError: a setting is missing, unknown or wrong. Names it, the rule and the fix.
    """
    table = driver.example(folder)
    _merge(table, _parsed(given), driver.Config)
    while True:
        try:
            config = convert(resolved(_filled(table), folder), driver.Config, where="[engine]", strict=False)
        except MissingFieldError as missing:
            if ask is None:
                raise UsageError(missing.message, fix=f"Give it: --set {missing.field}=VALUE") from None
            _merge(table, {tuple(missing.field.split(".")): ask(missing.field)}, driver.Config)
        else:
            return _typed(_filled(table), msgspec.to_builtins(config))


def resolved(table: Table, folder: Path) -> Table:
    """Return a table in which relative paths of files and folders have become absolute: they begin at `folder`."""
    return {
        name: resolved(value, folder)
        if isinstance(value, dict)
        else str(folder / value)
        if _is_path(name, value)
        else value
        for name, value in table.items()
    }


def folders(table: Table) -> list[Path]:
    """Return the folders that a resolved table names, in which the engine's driver may write."""
    return [Path(value) for name, value in table.items() if _is_path(name, value) and not name.endswith("file")]


def _is_path(name: str, value: object) -> bool:
    return isinstance(value, str) and value != "" and name.rpartition("_")[2] in _PATHS


def _parsed(given: Sequence[str]) -> dict[tuple[str, ...], str]:
    parsed: dict[tuple[str, ...], str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        path = tuple(name.split("."))
        if not sign or not all(path) or not text.isprintable():
            raise UsageError(f"--set {text!r} is not KEY=VALUE.", fix="Write for example: --set readable=true")
        if path in parsed:
            raise UsageError(f"--set gives {name!r} twice.", fix="Give it once; a list has commas: hosts=a:1,b:1")
        parsed[path] = value
    return parsed


def _merge(table: Table, given: dict[tuple[str, ...], str], kind: type[msgspec.Struct]) -> None:
    """Put `given` into `table`. Who gives of an inner table more than its placeholders gives all of it."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for path in given:
        outer = path[:-1]
        if outer in given or len(path) > _DEEPEST or (outer and not isinstance(table.get(outer[0], {}), dict)):
            raise UsageError(f"[engine] has no setting {'.'.join(path)!r}.", fix="See the page on that kind of store.")
    for name in {path[0] for path in given if len(path) > 1}:
        inner = table.setdefault(name, {})
        if any(inner.get(path[1]) != PLACEHOLDER for path in given if path[0] == name and len(path) > 1):
            table[name] = {key: value for key, value in inner.items() if key == _tag_of(types.get(name))}
    for path, value in given.items():
        inner = table[path[0]] if len(path) > 1 else table
        is_list = len(path) == 1 and get_origin(types.get(path[0])) is list
        inner[path[-1]] = (value.split(",") if is_list else value) if value else None


def _tag_of(annotation: object) -> str | None:
    """Return the name of the setting that chooses between several sorts of an inner table, such as `method`."""
    sorts = get_args(annotation) or (annotation,)
    found = [sort.__struct_config__.tag_field for sort in sorts if hasattr(sort, "__struct_config__")]
    return found[0] if found else None


def _filled(table: Table) -> Table:
    """Return the table without what has no value: placeholders, and what an empty value leaves out."""
    kept = {name: value for name, value in table.items() if value not in (None, PLACEHOLDER, [PLACEHOLDER])}
    return {name: _filled(value) if isinstance(value, dict) else value for name, value in kept.items()}


def _typed(table: Table, converted: Table) -> Table:
    """Return the settings of `table` as the driver's type has them: true for "true". Paths stay as they were given."""
    return {
        name: _typed(value, converted[name])
        if isinstance(value, dict)
        else value
        if _is_path(name, value)
        else converted[name]
        for name, value in table.items()
    }

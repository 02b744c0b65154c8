"""`/etc/monoskope/config.toml`: what the administrator of this machine sets, and what nobody else may set.

The file is the last source of settings. What it lists in `fixed` no other source replaces. That guards against an
environment or a folder that somebody changed, not against a user who runs another program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from monoskope.client.known.table import (
    BY_NAME,
    ID_TOKEN_VARIABLE,
    IN_FILES,
    KEYS,
    TEXTS,
    Bound,
    Kind,
    Setting,
    group,
    is_public_key,
)
from monoskope.errors import RefusedError, UsageError
from monoskope.host_port import same_servers
from monoskope.settings import find_of_system, parse
from monoskope.value import Value

SYSTEM_CONFIG = Path("/etc/monoskope/config.toml")
OWNERS = frozenset({0})
"""To whom the file and each folder on the way may belong: root."""
SYSTEM_ROOTS = "SSL_CERT_FILE"
"""The variable that names other authorities than the system's."""

OF_JOBS = (ID_TOKEN_VARIABLE, "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""The variables with what a build job has for its token."""

_MAY_BE_UNSET = frozenset({"ca_file", "token_file"})
"""Settings that can be fixed without a value: then the system's authorities count, and no token but a login's."""
_ASK = "Or ask the administrator of this machine."


class SystemConfig(Value, frozen=True):
    """The file, checked."""

    path: Path
    texts: dict[str, str] = msgspec.field(default_factory=dict)
    """Each setting that is not empty. Files have whole paths, but for what begins with `~`."""
    fixed: frozenset[str] = frozenset()
    """The settings that are fixed, with those of their groups."""

    def settings(self) -> dict[str, Setting]:
        """Return what is fixed and has a value."""
        source = f"{self.path} (fixed)"
        return {name: Setting(value, source, fixed=True) for name, value in self.texts.items() if name in self.fixed}

    def guard(self, given: Mapping[str, Setting]) -> None:
        """Raise `RefusedError` that names the source, the file and the setting if `given` replaces what is fixed."""
        for name, setting in given.items():
            if name in self.fixed and not self._is_same(name, setting.value):
                key = TEXTS.get(name, name)
                raise RefusedError(
                    f"{setting.source} gives another {name} than {self.path}, in which {key} is fixed.",
                    fix=f"Leave it out there. {_ASK}",
                )

    def guard_environment(self, environ: Mapping[str, str]) -> None:
        """Raise `RefusedError` if variables of others replace what is fixed: authorities, or the token of a login."""
        job = next((name for name in OF_JOBS if environ.get(name)), None)
        if job is not None and "token_file" in self.fixed:
            raise RefusedError(f"{job} gives a token, and {self.path} fixes token_file.", fix=f"Unset {job}. {_ASK}")
        for key in KEYS:
            is_open = key.name in self.fixed and key.name.endswith("ca_file") and key.name not in self.texts
            if is_open and environ.get(SYSTEM_ROOTS):
                raise RefusedError(
                    f"{SYSTEM_ROOTS} replaces this system's authorities, and {self.path} fixes {key.name}.",
                    fix=f"Unset {SYSTEM_ROOTS}. {_ASK}",
                )

    def _is_same(self, name: str, value: str) -> bool:
        own, kind = self.texts.get(name), BY_NAME[name].kind
        if own is None:
            return False
        if kind in {Kind.WORDS, Kind.LOG}:
            return {*own.split()} == {*value.split()}
        return same_servers(own, value) if kind is Kind.SERVERS else own == value


def read_system(path: Path | None = None) -> SystemConfig:
    """Read the file; a missing one sets nothing.

    Args:
        path: Another one than `SYSTEM_CONFIG`.

    Raises:
        UsageError: it is malformed, holds a token, or fixes what cannot be fixed.
        RefusedError: others than root can write it, a folder on the way, or the file of a fixed authority.
    """
    path = path or SYSTEM_CONFIG
    content = find_of_system(path, OWNERS)
    return SystemConfig(path) if content is None else parse_system(content, path)


def parse_system(content: bytes, path: Path) -> SystemConfig:
    """Read the content of the file at `path`. Raises as `read_system`."""
    fields: list[Any] = [*((name, str, "") for name in IN_FILES), ("fixed", tuple[str, ...], ())]
    found: Any = parse(content, msgspec.defstruct("SystemConfig", fields, forbid_unknown_fields=True), path=path)
    values = {name: value for name in IN_FILES if (value := getattr(found, name))}
    for name in values.keys() & set(group("token")):
        raise UsageError(
            f"{path}: {name} is not allowed there, since every user would have it.", fix="Give each user one."
        )
    fixed = frozenset(each for name in found.fixed for each in _fixed_with(name, path))
    _check_fixed(frozenset(found.fixed), values, path)
    for name, value in values.items():
        if BY_NAME[name].kind is Kind.FILE or (BY_NAME[name].kind is Kind.KEY and not is_public_key(value)):
            values[name] = _file(path, name, value, fixed=name in fixed)
    return SystemConfig(path, values, fixed)


def _fixed_with(name: str, path: Path) -> tuple[str, ...]:
    """Return the settings that are fixed where `fixed` lists `name`. Raises `UsageError` if it cannot be fixed."""
    if name not in IN_FILES:
        raise UsageError(f"{path}: `fixed` names {name!r}, which is none of: {', '.join(IN_FILES)}.", fix="Correct it.")
    return group(BY_NAME[name].group) if BY_NAME[name].group else (name,)


def _check_fixed(listed: frozenset[str], values: Mapping[str, str], path: Path) -> None:
    unset = sorted(listed - values.keys() - _MAY_BE_UNSET)
    if unset:
        raise UsageError(f"{path}: `fixed` names {unset[0]}, and the file does not set it.", fix="Set it there.")
    bound = sorted(name for name in listed if BY_NAME[name].bound is not Bound.NOT)
    if bound and "server" not in listed:
        raise UsageError(
            f"{path}: `fixed` names {bound[0]}, which counts for one server alone, and not server.",
            fix='Add "server" to `fixed`: else who names another server is not bound.',
        )


def _file(path: Path, name: str, value: str, *, fixed: bool) -> str:
    """Return the path of a file that is named in `path`. One that is fixed must be as safe as `path` itself."""
    if not fixed:
        return value if value.startswith("~") else str(path.parent / value)
    if value.startswith("~"):
        raise UsageError(f"{path}: {name} is fixed, and `~` is another folder for each user.", fix="Write it whole.")
    from monoskope.ownership import check_file, check_way  # noqa: PLC0415 - few machines have such a file

    whole = path.parent / value
    try:
        check_file(whole, whole.stat(), OWNERS)
        check_way(whole, OWNERS)
    except OSError as error:
        raise UsageError(f"{whole} cannot be read: {error.strerror}.", fix=f"Correct {name} in {path}.") from None
    return str(whole)

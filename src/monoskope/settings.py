"""Settings files and private files, read once at the edge into types that cannot be wrong.

TOML in, a frozen `msgspec.Struct` out. Every complaint names the file, the field, the rule and the fix.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, TypeVar, get_args

import msgspec

from monoskope.errors import RefusedError, UsageError

S = TypeVar("S", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


def load(path: Path, kind: type[S], *, missing: str = "Create it, or name another one.") -> S:
    """Read the TOML file at `path` as a `kind`; `missing` says what to do if there is none.

    Raises:
        UsageError: the file is missing, is not TOML, or has a field that is unknown, missing or of the wrong type.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"the settings file {path} does not exist.", fix=missing) from None
    except OSError as error:
        raise UsageError(f"the settings file {path} cannot be read: {type(error).__name__}.", fix="Check it.") from None
    return parse(content, kind, path=path)


def parse(content: bytes, kind: type[S], *, path: Path) -> S:
    """Turn the content of the TOML file at `path` into a `kind`. Raises `UsageError`, as `load`."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"the settings file {path} is not UTF-8.", fix="Check it.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", fix="Correct that line.") from None
    return convert(table, kind, where=str(path))


def convert(table: object, kind: type[S], *, where: str) -> S:
    """Turn a parsed table into a `kind`; `where` names its source in errors. Raises `UsageError`."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        fix = "Correct that field."
        unknown = _UNKNOWN.search(text)
        if unknown is not None:
            import difflib  # noqa: PLC0415 - only a misspelling needs it

            close = difflib.get_close_matches(unknown["name"], _field_names(kind), n=1)
            fix = f"Did you mean {close[0]!r}?" if close else "Remove it, or correct its name."
        raise UsageError(f"{where}: {text}.", fix=fix) from None


def _field_names(kind: type[msgspec.Struct]) -> set[str]:
    """Every field name of a struct and of the structs inside it, for suggestions."""
    names: set[str] = set()
    for field in msgspec.structs.fields(kind):
        names.add(field.encode_name)
        for part in (field.type, *get_args(field.type)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                names |= _field_names(part)
    return names


def read_private(path: Path, *, missing: str = "Create it, or name another file.") -> bytes:
    """Read a file that must be a regular file of mode 0600 or tighter; `missing` says what to do if there is none.

    Raises:
        UsageError: it is missing or not a regular file.
        RefusedError: group or others can reach it.
    """
    found = find_private(path)
    if found is None:
        raise UsageError(f"{path} does not exist.", fix=missing)
    return found


def find_private(path: Path) -> bytes | None:
    """Read a file as `read_private` does, or return None if there is none.

    What is looked at is the file that was opened, so nobody can put another one in its place in between.

    Raises:
        UsageError: it is not a regular file.
        RefusedError: group or others can reach it.
    """
    try:
        # Opening a pipe would otherwise wait for somebody who writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check its owner and mode.") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is not a regular file.", fix="Name a regular file.")
        check_closed(path, mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write `content` to `path` with mode 0600, whole or not at all, and force it and its name to disk.

    Raises:
        UsageError: something of that name exists and `replace` is false, or the folder cannot be written to.
    """
    import tempfile  # noqa: PLC0415 - slow to load, and `monoctl` seldom writes

    try:
        # A new file of a name that nobody can guess: whoever else may write to the folder prepares no link for us.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            if replace:
                os.replace(name, path)  # noqa: PTH105  a name, as mkstemp gives it
            else:
                os.link(name, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108
        sync_folder(path.parent)
    except FileExistsError:
        raise UsageError(f"{path} exists already; it was not changed.", fix="Name another file.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", fix="Check the folder.") from None


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_private(path: Path) -> TextIO:
    """Open a text file to append lines to, as `open_to_append` does."""
    return os.fdopen(open_to_append(path), "a", encoding="utf-8", buffering=1)


def open_to_append(path: Path) -> int:
    """Open a file to append to and return its descriptor; it is made with mode 0600, and refused if it is looser.

    Raises:
        UsageError: it cannot be opened.
        RefusedError: group or others can reach it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", fix="Check its folder and owner.") from None
    mode = os.fstat(descriptor).st_mode
    try:
        if stat.S_ISREG(mode):
            check_closed(path, mode)
    except RefusedError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(path: Path, *, fix: str = "Check its folder.") -> Iterator[None]:
    """Let this process alone change the file `path` within the block; its folder is made if it is missing.

    Raises:
        UsageError: the lock, a file beside `path`, cannot be opened; ends with `fix`.
    """
    import fcntl  # noqa: PLC0415 - not on every system, and `monoctl` seldom writes

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", fix=fix) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def check_closed(path: Path, mode: int | None = None, *, name: str = "") -> None:
    """Raise `RefusedError` if others than its owner can reach a file or enter a folder.

    Args:
        path: The file or folder.
        mode: Its mode, of what was opened; by default it is asked for.
        name: How the message calls it.
    """
    mode = path.stat().st_mode if mode is None else mode
    if mode & 0o077:
        verb, closed = ("enter", "700") if stat.S_ISDIR(mode) else ("reach", "600")
        raise RefusedError(
            f"{name or path} has mode {stat.S_IMODE(mode):04o}: others than its owner can {verb} it.",
            fix=f"Run: chmod {closed} {path}",
        )

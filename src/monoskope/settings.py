"""Settings files and private files, read once at the edge into types that cannot be wrong.

TOML in, a frozen `msgspec.Struct` out. Every complaint names the file, the field, the rule and the fix. The file is
long because all reading and writing of private files stands in it: what is safe there is decided once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TextIO, TypeVar, get_args

import msgspec

from monoskope.errors import RefusedError, UsageError
from monoskope.lazy import pattern

S = TypeVar("S", bound=msgspec.Struct)

_UNKNOWN = pattern(r"unknown field `(?P<name>[^`]*)`")
_MISSING = pattern(r"missing required field `(?P<name>[^`]*)`(?: - at `\$\.(?P<table>[^`]*)`)?")
_UNQUOTED = pattern(r"Expected `str(?: \| null)?`, got `(?:int|float|bool)` - at `[^`]*?(?P<name>[a-z_]+)`")
_QUOTED = pattern(r"Expected `(?:int|float|bool)(?: \| null)?`, got `str` - at `[^`]*?(?P<name>[a-z_]+)`")
_DESCRIPTOR = pattern(r"/dev/fd/(?P<number>[0-9]{1,6})|/dev/stdin", re.ASCII)
CREDENTIALS = Path("/run/credentials")
"""Where systemd puts what `LoadCredential=` names: root's files, which the service's user alone may read besides. The
list of who may (an ACL) shows as the right of a group."""
_MORE_FILES = "Let the process open more files (LimitNOFILE, ulimit -n), and find out what holds so many."
_MOST_BYTES = 1_048_576
"""The largest content that is taken from a descriptor."""
_PIECE = 16_384
"""Bytes that are read at once."""


class NotWritableError(UsageError):
    """A file cannot be written where it lies: no right, no folder, a read-only file system, no space."""


class MissingFieldError(UsageError):
    """A table lacks a setting that it must have."""

    def __init__(self, message: str, *, fix: str, field: str) -> None:
        super().__init__(message, fix=fix)
        self.field = field
        """Its name, with the tables that it stands in: `auth.role_id`."""


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
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the settings file {path} is not UTF-8.", fix="Check it.") from None
    plain = _plain_table(text)
    return convert(_table(text, path) if plain is None else plain, kind, where=str(path))


def _table(text: str, path: Path) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - a plain file does not need it

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", fix="Correct that line.") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply.", fix="Settings need no more than three levels.") from None


def _plain_table(text: str) -> dict[str, str] | None:
    """Read a file that holds only `name = "text"`, without escapes, and whole-line comments. None: it holds more.

    So are the settings that `monoctl` and `m8 dev` write, and `tomllib` takes 5 ms to load.
    """
    table: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.isascii() or not line.isprintable():
            return None
        if not line or line.startswith("#"):
            continue
        name, _, quoted = line.partition(" = ")
        value = quoted[1:-1]
        if not name.replace("_", "x").isalnum() or name in table or quoted != f'"{value}"':
            return None
        if '"' in value or "\\" in value:
            return None
        table[name] = value
    return table


def convert(table: object, kind: type[S], *, where: str, strict: bool = True) -> S:
    """Turn a parsed table into a `kind`; `where` names its source in errors.

    `strict` is false for a table whose values are texts, as typed: "true" is then taken for true.

    Raises:
        MissingFieldError: a required field is missing.
        UsageError: a field is unknown or wrong.
    """
    try:
        return msgspec.convert(table, kind, strict=strict)
    except msgspec.ValidationError as error:
        text = str(error)
        if missing := _MISSING.search(text):
            raise _missing(missing["name"], missing["table"] or "", kind, where) from None
        raise UsageError(f"{where}: {text}.", fix=_fix_of(text, kind)) from None


def _missing(name: str, table: str, kind: type[msgspec.Struct], where: str) -> MissingFieldError:
    """Return the error for a setting that is missing, in a table of `kind` or, if it has a name, in one below that."""
    inside = f" in {table}" if table else ""
    types = {} if table else {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    form = str(types.get(name, ""))
    value = '["…"]' if form.startswith("list[str") else '"…"' if "str" in form else "…"
    example = f"the table [{name}]" if form.startswith("dict") else f"{name} = {value}"
    return MissingFieldError(
        f"{where}: `{name}` is missing{inside}; no usual value takes its place.",
        fix=f"Write {example}{inside}.",
        field=".".join(filter(None, (table, name))),
    )


def _fix_of(complaint: str, kind: object) -> str:
    """Return what to do about what msgspec complains of."""
    if unquoted := _UNQUOTED.search(complaint):
        return f'Write its value as a text, in quotes: {unquoted["name"]} = "…".'
    if quoted := _QUOTED.search(complaint):
        return f"Write its value without quotes: {quoted['name']} = …"
    unknown = _UNKNOWN.search(complaint)
    if unknown is None:
        return "Correct that field."
    import difflib  # noqa: PLC0415 - only a misspelling needs it

    names = _field_names(kind)
    belongs_elsewhere = unknown["name"] in names
    others = names - {unknown["name"]}
    close = difflib.get_close_matches(unknown["name"], others, n=1, cutoff=0.8 if belongs_elsewhere else 0.6)
    fix = f"Did you mean {close[0]!r}?" if close else "Remove it, or correct its name."
    if belongs_elsewhere:
        place = "Write it in its own place: it is a field of another table, or of another kind of this one."
        fix = f"{place} {fix}" if close else place
    return fix


def _field_names(kind: object) -> set[str]:
    """Every field name of a struct, of the structs inside it, and of those that an annotation names."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return {field.encode_name for field in fields}.union(*(_field_names(field.type) for field in fields))
    return set[str]().union(*map(_field_names, get_args(kind)))


def read_private(path: Path, *, missing: str = "Create it, or name another file.", client: bool = False) -> bytes:
    """Read a file as `find_private` does; `missing` says what to do if there is none.

    Raises:
        UsageError: it is missing or not a regular file.
        RefusedError: others can reach it.
    """
    found = find_private(path, client=client)
    if found is None:
        nor = ", or lies where you may not look" if client else ""
        raise UsageError(f"{path} does not exist{nor}.", fix=missing)
    return found


def find_of_system(path: Path, owners: AbstractSet[int] | None = None) -> bytes | None:
    """Read a file of the machine's administrator, or return None if there is none.

    Args:
        path: The file.
        owners: The users to whom it and each folder on the way may belong; by default root and this user.

    Raises:
        UsageError: it cannot be read, or is no regular file.
        RefusedError: others can write it, or put another file in its place.
    """
    try:
        # Opening a pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            from monoskope.ownership import check_file, check_way  # noqa: PLC0415 - few machines have such a file

            check_file(path, os.fstat(file.fileno()), owners)
            check_way(path, owners)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Ask its owner.") from None


def find_private(path: Path, *, client: bool = False) -> bytes | None:
    """Read a regular file of mode 0600 or tighter, or return None if there is none.

    What is looked at is the file that was opened, so none can be put in its place in between.

    Args:
        path: The file.
        client: Whether it is a file of a client. Then a file that belongs to root may be readable for its group, as
            Kubernetes mounts it; and `/dev/fd/N` may name a descriptor that was handed over, such as a pipe.

    Raises:
        UsageError: it is not a regular file.
        RefusedError: others can reach it.
    """
    if client and is_descriptor(path):
        return _read_descriptor(path)
    try:
        # Opening a pipe would otherwise wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if client and not _is_seen(path):
            return None
        fix = _MORE_FILES if error.errno in {errno.EMFILE, errno.ENFILE} else "Check its owner and mode."
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix=fix) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is not a regular file.", fix="Name a regular file.")
        _check_file(path, found, client=client)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _is_seen(path: Path) -> bool:
    """Return whether there is such a file; one in a folder that may not be entered is not seen."""
    try:
        path.stat()
    except (FileNotFoundError, PermissionError):
        return False
    except OSError:
        # A disk or a file server that fails hides no file: what it may hold counts, so nothing goes on without it.
        return True
    return True


def is_descriptor(path: Path) -> bool:
    """Return whether a path names an open descriptor, as a shell's `<(…)` does: `/dev/fd/N` or `/dev/stdin`."""
    return _DESCRIPTOR.fullmatch(str(path)) is not None


def _read_descriptor(path: Path) -> bytes:
    """Read to the end what was handed over. A file behind it must be as private as one with a name."""
    match = _DESCRIPTOR.fullmatch(str(path))
    descriptor = int(match["number"] or 0) if match is not None else -1
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            _check_file(path, found, client=True)
        content = read_up_to(descriptor, _MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check what is handed over there.") from None
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path} holds more than {_MOST_BYTES:,} bytes.", fix="Check what is handed over there.")
    return content


def read_up_to(descriptor: int, most: int) -> bytes:
    """Return what an open file holds from where it stands, at most so many bytes. Raises `OSError`.

    In pieces: a buffer of all that it may hold is overwritten when a reactor frees it, 0.5 ms for each megabyte.
    """
    content = bytearray()
    while piece := os.read(descriptor, min(_PIECE, most - len(content))):
        content += piece
    return bytes(content)


def _check_file(path: Path, found: os.stat_result, *, client: bool) -> None:
    """Raise `RefusedError` if others can reach a file. Of root's files a client also takes those of mode 0440 or 0640.

    Root decides who is in that group, and root alone can change the mode. A user's own file stays at 0600: its
    group is often everybody's. Everybody takes the credentials that systemd hands to a service.
    """
    handed_over = client or path.resolve().is_relative_to(CREDENTIALS)
    allowed = stat.S_IRGRP if handed_over and found.st_uid == 0 else 0
    if not found.st_mode & 0o077 & ~allowed:
        return
    try:
        check_closed(path, found.st_mode)
    except RefusedError as error:
        if client:
            own = (
                f"{error.fix}." if found.st_uid == os.geteuid() else "Let it belong to root and your group, mode 0440."
            )
            error.fix = f"{own} In Kubernetes, set `defaultMode: 0400`, and `fsGroup` to your group."
        raise


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write `content` to `path` with mode 0600, whole or not at all, and force it and its name to disk.

    Raises:
        UsageError: something of that name exists and `replace` is false.
        NotWritableError: the folder cannot be written to.
    """
    import tempfile  # noqa: PLC0415 - slow to load, and `monoctl` seldom writes

    try:
        # A new file of a name that cannot be guessed: another user who may write to the folder prepares no link for us.
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
        raise _not_writable(path, error, "Check the folder.") from None


def check_new(path: Path, *, force: bool = False) -> None:
    """Check that `write_private` will be able to write `path`, before something is made that would be lost.

    Raises:
        UsageError: it exists and `force` is false, or its folder is none that can be written to.
    """
    if not force and (path.exists() or path.is_symlink()):
        raise UsageError(f"{path} exists already; it was not changed.", fix="Name another file, or say --force.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"no file can be made in {path.parent}.", fix="Make that folder, or name another one.")


def _not_writable(path: Path, error: OSError, fix: str) -> NotWritableError:
    return NotWritableError(f"{path} cannot be written: {error.strerror}.", fix=fix)


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
        NotWritableError: the lock, a file beside `path`, cannot be opened; ends with `fix`.
    """
    import fcntl  # noqa: PLC0415 - not on every system, and `monoctl` seldom writes

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_writable(path, error, fix) from None
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

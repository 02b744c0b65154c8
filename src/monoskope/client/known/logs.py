"""`known_logs`: the log of each server as it was last seen, so that m8 cannot show another one later.

It lies beside `known_stores`, with one line for each server and one space between fields (docs/protocol.md):

    server vkey vkey note

The keys are the log's: Ed25519, then ML-DSA-44. The note is the last one that was seen, in base64, or `-` if none was.
For a list of servers the lines of all of them count. The system's file, which only its owner may write, counts where
the user's own (mode 0600) has no line. A note takes the place of those alone that it was shown to continue.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monoskope.errors import LogMismatchError, NotFoundError, RefusedError, UsageError
from monoskope.host_port import is_server
from monoskope.lazy import pattern
from monoskope.settings import NotWritableError, find_of_system, find_private, locked, write_private
from monoskope.value import Value

NAME = "known_logs"
NO_NOTE = "-"
_KEYS = pattern(r"[^\s+]{1,255}\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*", re.ASCII)
_SIZE = pattern(r"0|[1-9][0-9]{0,18}", re.ASCII)
_NAME_A_FILE = "Name a file that can be, with `known_stores` or MONOCTL_KNOWN_STORES: known_logs lies beside it."

KEEP_EVIDENCE = (
    "Keep what is shown here as evidence, and ask your administrator and your auditor, by another way than m8."
)
_MOST_NOTE = 65_536
NO_FILE = "no file for known_logs is given or found."
NOT_KEPT = "{why} So a later run cannot hold m8 to what its log shows now."
"""What a user is told once, when what was seen of a log cannot be written down. `why` is a sentence."""


class LogPin(Value, frozen=True):
    """What is known of one log."""

    vkeys: tuple[str, str]
    """Its verifier keys: Ed25519, then ML-DSA-44."""
    note: bytes = b""
    """The last note that was seen; b"" if only the keys are known."""

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.vkeys[0].partition("+")[0]

    @property
    def size(self) -> int:
        """The size of the tree in the note, 0 without one."""
        return int(_size(self.note)) if self.note else 0

    @property
    def checkpoint(self) -> bytes:
        """The signed text of the note, b"" without one."""
        return self.note.partition(b"\n\n")[0]

    def line(self, server: str) -> str:
        """Return the line of the file for `server`."""
        note = binascii.b2a_base64(self.note, newline=False).decode("ascii") if self.note else NO_NOTE
        return f"{server} {self.vkeys[0]} {self.vkeys[1]} {note}\n"


Logs = dict[str, LogPin]
"""Server to its log."""


class KnownLogs:
    """The logs that are known on this machine. Every change writes the whole file at once, under a lock.

    Args:
        path: The user's own file, made when the first log is pinned. None: what is seen is kept in memory alone.
        system: The administrator's file, read only.
        servers: Those of a list, which serve one log: what is known of one counts for all.
    """

    def __init__(self, path: Path | None, *, system: Path, servers: Sequence[str] = ()) -> None:
        self.path = path
        self._system = system
        self._servers = tuple(servers)
        self._unwritable = NO_FILE
        self._memory: dict[str, dict[bytes | None, LogPin]] = {}
        """By server: what could not be written down, by the checkpoint that it continues; None at first contact."""

    def logs(self) -> Logs:
        """Return what is known of each server, by its own line alone. Raises as `pins`."""
        return self._read_system() | self._own()

    def pin(self, server: str) -> LogPin | None:
        """Return what is known of the log that `server` serves, None at first contact: the last of `pins`."""
        return next(reversed(self.pins(server)), None)

    def pins(self, server: str) -> list[LogPin]:
        """Return all that m8 has to continue, the largest note last; only keys come first, as any note continues them.

        Raises:
            UsageError: a line is malformed; names file and line.
            RefusedError: others can reach the user's file, or write the system's.
            LogMismatchError: two servers of the list have different logs, or two roots for one size.
        """
        found = self._pins(self._lines(self.logs(), server), server)
        return sorted({pin.checkpoint: pin for pin in found}.values(), key=lambda pin: (bool(pin.note), pin.size))

    def remember(self, server: str, pin: LogPin, *, replaces: LogPin | None) -> str:
        """Keep `pin` in the place of `replaces`, which it was shown to continue, wherever that stands still.

        Another process may have pinned another note meanwhile. That one stays, and `pins` returns it: look again.

        Returns:
            A sentence that says why it cannot be written down and is kept in memory alone, "" if it was written.

        Raises:
            LogMismatchError: another process pinned another log meanwhile, or another root of the same size.
            UsageError, RefusedError: as `pins`.
        """
        why = self._unwritable
        if self.path is not None and server not in self._memory:
            try:
                with self._changing(self.path) as own:
                    lines = self._lines(self._read_system() | own, server)
                    _check_fits(server, lines.values(), pin)
                    own.update(dict.fromkeys(_replaced(lines, replaces, server), pin))
            except NotWritableError as error:
                why = self._unwritable = error.message
            else:
                return ""
        lines = self._lines(self.logs(), server)
        memory = self._memory.get(server, {})
        _check_fits(server, [*lines.values(), *memory.values()], pin)
        known = {each.checkpoint for each in self._pins(lines, server)}
        if replaces.checkpoint in known if replaces is not None else not known:
            self._memory[server] = {**memory, None if replaces is None else replaces.checkpoint: pin}
        return NOT_KEPT.format(why=why)

    def accept(self, server: str, pin: LogPin) -> Path:
        """Put `pin` in the place of the log that is known, and return where the file as it was is kept.

        Raises:
            RefusedError: the administrator's file pins another log.
            NotWritableError: the file cannot be written.
            UsageError: as `pins`.
        """
        with self._replacing(server) as (own, copy):
            self._check_system(server, pin)
            lines = list(self._lines(self._read_system() | own, server))
            for at in lines:
                own.pop(at, None)
            own[next(iter(lines), server)] = pin
        return copy

    def forget(self, server: str) -> tuple[LogPin, Path]:
        """Remove what the user's own file knows of the log of `server`; the file as it was is kept beside it.

        Returns:
            What was known, and the path of the copy.

        Raises:
            NotFoundError: nothing is known of it.
            RefusedError: it stands in the administrator's file.
            NotWritableError, UsageError: as `accept`.
        """
        with self._replacing(server) as (own, copy):
            self._check_system(server, None)
            lines = self._lines(own, server)
            if not lines:
                raise NotFoundError(f"{self.path} knows no log of {server}.", fix="Look into the file.")
            for at in lines:
                del own[at]
        return max(lines.values(), key=lambda pin: pin.size), copy

    def _check_system(self, server: str, wanted: LogPin | None) -> None:
        system = next(iter(self._lines(self._read_system(), server).values()), None)
        if system is not None and (wanted is None or system.vkeys != wanted.vkeys):
            raise RefusedError(
                f"{self._system} pins the log {system.origin} of {server}, for all users of this machine.",
                fix=f"Ask its administrator to correct {self._system}.",
            )

    @contextmanager
    def _replacing(self, server: str) -> Iterator[tuple[Logs, Path]]:
        """Change the user's own file within the block, and keep it as it was, in a copy beside it."""
        if self.path is None:
            raise NotWritableError(NO_FILE, fix=_NAME_A_FILE)
        copy = self.path.with_name(f"{self.path.name}.old")
        with self._changing(self.path) as own:
            before = find_private(self.path, client=True) or b""
            yield own, copy
            write_private(copy, before, replace=True)
        self._memory.pop(server, None)

    def _lines(self, logs: Logs, server: str) -> Logs:
        """Return the lines that count for `server`: those of each server of its list.

        Raises:
            LogMismatchError: they are of different logs, or have two roots for one size.
        """
        group = self._servers if server in self._servers else (server,)
        lines = {name: logs[name] for name in group if name in logs}
        for found in lines.values():
            _check_fits(server, lines.values(), found, several=group)
        return lines

    def _pins(self, lines: Logs, server: str) -> list[LogPin]:
        """Return all that m8 has to continue: what is in memory, and the lines that this does not continue."""
        memory = self._memory.get(server, {})
        ends = [pin for pin in memory.values() if pin.checkpoint not in memory]
        return [*ends, *(line for line in lines.values() if line.checkpoint not in memory)]

    @contextmanager
    def _changing(self, path: Path) -> Iterator[Logs]:
        with locked(path, fix=_NAME_A_FILE):
            own = self._own()
            before = dict(own)
            yield own
            if own != before:
                content = "".join(pin.line(server) for server, pin in sorted(own.items()))
                write_private(path, content.encode("utf-8"), replace=True)

    def _own(self) -> Logs:
        found = None if self.path is None else find_private(self.path, client=True)
        return parse(found, where=str(self.path)) if found else {}

    def _read_system(self) -> Logs:
        content = find_of_system(self._system)
        return {} if content is None else parse(content, where=str(self._system))


def parse(content: bytes, *, where: str) -> Logs:
    """Read the lines of a file; `where` names it in errors. Keys and notes are verified when they are used.

    Raises:
        UsageError: a line is not of the form, or is about a server that had one; names the line.
    """
    logs: Logs = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        fields = line.split(" ")
        pin = _pin(fields) if len(fields) == 4 else None
        if pin is None or fields[0] in logs or not is_server(fields[0]):
            raise UsageError(
                f"{where}, line {number} is not 'server vkey vkey note', or the second line of its server.",
                fix="Correct that line, or restore the file from your copy.",
            )
        logs[fields[0]] = pin
    return logs


def _pin(fields: Sequence[str]) -> LogPin | None:
    _, ed25519, ml_dsa_44, encoded = fields
    if _KEYS.fullmatch(ed25519) is None or _KEYS.fullmatch(ml_dsa_44) is None:
        return None
    if encoded == NO_NOTE:
        return LogPin((ed25519, ml_dsa_44))
    try:
        note = binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except ValueError:  # of which binascii's error is one
        return None
    pin = LogPin((ed25519, ml_dsa_44), note)
    return pin if _SIZE.fullmatch(_size(note)) is not None else None


def _size(note: bytes) -> str:
    """Return the second line of a note: the size of its tree."""
    return [*note.split(b"\n", 2), b""][1].decode("ascii", "replace")


def _replaced(lines: Logs, replaces: LogPin | None, server: str) -> list[str]:
    """Return the servers whose lines change, if what follows `replaces` is pinned: none where another one stands."""
    if replaces is None:
        return [] if lines else [server]
    return [name for name, line in lines.items() if line.checkpoint == replaces.checkpoint]


def _check_fits(server: str, known: Iterable[LogPin], pin: LogPin, *, several: Sequence[str] = ()) -> None:
    """Raise `LogMismatchError` if one of those that are known is of another log, or another root of the same size."""
    for each in known:
        if each.vkeys != pin.vkeys and several:
            raise mismatch(
                f"the servers {', '.join(several)} of one m8 have different logs. If it was renewed, and you accepted"
                " that at one of them alone, accept it at the others, too: `monoctl accept-log`",
                pin,
                each,
            )
        if each.vkeys != pin.vkeys:
            raise mismatch(f"another log of {server} was pinned meanwhile: {each.origin}", each, pin)
        if each.note and pin.note and each.size == pin.size and each.checkpoint != pin.checkpoint:
            raise mismatch(f"the log of {server} has two roots for the size {pin.size}", each, pin)


def mismatch(what: str, *shown: LogPin | bytes) -> LogMismatchError:
    """Return the error for a log that does not fit, with the notes that are shown, the earlier one first."""
    error = LogMismatchError(f"{what.rstrip('.')}.", fix=KEEP_EVIDENCE)
    notes = (one.note if isinstance(one, LogPin) else one[:_MOST_NOTE] for one in shown)
    error.notes = tuple(note.decode("utf-8", "replace") for note in notes if note)
    return error

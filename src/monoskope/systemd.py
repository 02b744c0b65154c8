"""Units of systemd for our services, as `m8 init` and `m8 reactor init` write them: hardened, and in one place.

A service sees neither homes nor `/tmp` (`ProtectHome=`, `PrivateTmp=`); `hidden` says which files it cannot see.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.settings import NotWritableError, write_private

SYSTEM = Path("/etc/systemd/system")
"""Where units of an administrator lie."""

FOLDER = "units"
"""The folder beside settings into which units are written."""

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""Where no service looks (`ProtectHome=`): a folder below one is for trying out."""

_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - nothing is made there
"""Where a service sees files of its own alone (`PrivateTmp=`)."""

_PLAIN = pattern(r"[A-Za-z0-9/._@+:,=-]+")

HARDENED = """\
LimitCORE=0
UMask=0077
SocketBindDeny=any
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
NoExecPaths=/
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
PrivateDevices=yes
PrivateTmp=disconnected
PrivateUsers=yes
PrivateIPC=yes
ProtectClock=yes
ProtectControlGroups=strict
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @obsolete
SystemCallErrorNumber=EPERM
DevicePolicy=closed
KeyringMode=private
"""
"""What each service of ours gives up. The units in `deploy/systemd` have these lines, too."""

_AGAIN = """\
Restart=always
RestartSec=1
LimitNOFILE=65536
"""

_SERVICE = """\
[Unit]
Description={description}
Documentation=https://github.com/finleap-connect/monoskope
After=network-online.target
Wants=network-online.target
{start_limit}
[Service]
{runs}User={user}
Group={group}
ExecStart={command}
ReadWritePaths={writable}
ExecPaths={programs} /usr/bin /usr/lib -/usr/local/bin -/usr/local/lib -/bin -/lib -/lib64
{hardened}{ports}{own}
{install}"""


def service(
    description: str,
    command: Sequence[str | Path],
    *,
    writable: Sequence[str | Path],
    own: str,
    ports: Sequence[int] = (),
    is_once: bool = False,
) -> str:
    """Return the text of a unit for a service of this process's user.

    Args:
        description: What it is.
        command: The program, an absolute path, and its arguments.
        writable: What it may write, absolute paths; with a `-` before it one that may be missing.
        own: Lines that it alone has, such as further system calls.
        ports: The ports on which it may listen; 0 for any that is free.
        is_once: Whether it runs once and ends, by a timer; else it is started again whenever it ends.

    Raises:
        UsageError: a path cannot stand in a unit.
    """
    account = pwd.getpwuid(os.geteuid())
    programs = dict.fromkeys([Path(sys.prefix), Path(sys.base_prefix)])
    return _SERVICE.format(
        description=description,
        start_limit="" if is_once else "StartLimitIntervalSec=0\n",
        runs="Type=oneshot\n" if is_once else _AGAIN,
        user=account.pw_name,
        group=grp.getgrgid(account.pw_gid).gr_name,
        command=_command(command),
        writable=" ".join(map(quoted, writable)),
        programs=" ".join(map(quoted, programs)),
        hardened=HARDENED,
        ports="".join(f"SocketBindAllow=tcp:{port or '1024-65535'}\n" for port in ports),
        own=own,
        install="" if is_once else "[Install]\nWantedBy=multi-user.target\n",
    )


def _command(words: Sequence[str | Path]) -> str:
    """Return a command line as `ExecStart=` has it. A `$` is itself in the program's path, and a variable after it."""
    program, *arguments = words
    return " ".join([quoted(program), *(quoted(str(word).replace("$", "$$")) for word in arguments)])


def quoted(word: str | Path) -> str:
    """Return a word as a list of words in a unit has it (systemd.syntax(7), systemd.unit(5) on `%`).

    Raises:
        UsageError: it cannot stand there.
    """
    text = str(word)
    check_path(text)
    text = text.replace("%", "%%")
    return text if _PLAIN.fullmatch(text) else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_path(path: str | Path) -> None:
    """Raise `UsageError` if a path has a character that a unit cannot name, such as a line break."""
    if not str(path).isprintable():
        raise UsageError(
            f"{str(path)!r} has a character that does not show, which no systemd unit can name.",
            fix="Choose a name of letters, digits, spaces and signs that show.",
        )


def program(name: str) -> Path:
    """Return the path of one of our programs, as a unit starts it."""
    return Path(sys.prefix, "bin", name)


def misplaced() -> str:
    """Return a sentence with a fix if our programs lie where no service can start them, else ""."""
    for prefix in map(Path, (sys.prefix, sys.base_prefix)):
        if any(prefix.is_relative_to(place) for place in (*_HOMES, *_TEMPORARY)):
            fix = "install with a Python of the system, and PIPX_HOME=/opt/pipx, first."
            return f"No service can start what lies in {prefix}: {fix}"
    return ""


def is_trial(folder: Path) -> bool:
    """Whether a folder of settings lies in somebody's home, where no service may look: it is for trying out."""
    return any(folder.absolute().is_relative_to(home) for home in _HOMES)


def hidden(path: Path, folder: Path) -> bool:
    """Whether a service with its settings in `folder` cannot see a file or folder that this process sees."""
    if is_trial(folder):
        return False
    places = [place for place in (*_HOMES, *_TEMPORARY) if not folder.absolute().is_relative_to(place)]
    ways = (path.absolute(), Path(os.path.realpath(path)))
    return any(way.is_relative_to(place) for way in ways for place in places)


def copied(path: Path, folder: Path, name: str, say: Callable[[str], None]) -> Path:
    """Return where a service with its settings in `folder` sees a file that stays as it is, such as one of a CA.

    Where it lies; or, if that is `hidden`, a copy called `name` in the folder, which `say` tells of.

    Raises:
        UsageError: the file cannot be read.
        NotWritableError: the copy cannot be written.
    """
    if not hidden(path, folder):
        return path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check its name and mode.") from None
    copy = folder.absolute() / name
    write_private(copy, content, replace=True)
    say(f"{path} is copied to {copy}: a service sees neither homes nor /tmp.")
    return copy


def check_seen(path: Path, folder: Path, *, fix: str) -> None:
    """Raise `UsageError`, which ends with `fix`, if a service with its settings in `folder` cannot see a path."""
    if hidden(path, folder):
        raise UsageError(f"the service would not see {path}: it sees neither homes nor /tmp.", fix=fix)


def write(units: Mapping[str, str], into: Path) -> list[str]:
    """Write units, by the names of their files, into a folder, which is made, and return how root installs them.

    What is as it should be is not written again.

    Raises:
        NotWritableError: it cannot be written.
    """
    try:
        into.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritableError(f"{into} cannot be made: {error.strerror}.", fix="Name another folder.") from None
    for name, text in units.items():
        path = into / name
        if not path.exists() or path.read_bytes() != text.encode():
            write_private(path, text.encode(), replace=True)
            path.chmod(0o644)
    started = " ".join(name for name, text in units.items() if "[Install]" in text)
    copying = [f"cp {shlex.quote(str(into))}/* {SYSTEM}/"] if into != SYSTEM else []
    return [*copying, f"systemctl enable --now {started}"]

"""The step `units`: systemd units that leave a service little but the network and its own folder.

They are those of `deploy/systemd/m8.service` but for where the keys lie: here they stay in m8's folder, and there root
keeps them.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
from pathlib import Path

from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.init import check_owners
from monoskope.settings import write_private

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""Where no service looks (`ProtectHome=`): a folder below one is for trying m8 out."""

SYSTEM = Path("/etc/systemd/system")
"""Where units of an administrator lie."""

_SERVICE = """\
[Unit]
Description=Monoskope m8
Documentation=https://github.com/finleap-connect/monoskope
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
User={user}
Group={group}
ExecStart={program} serve --dir {folder}
Restart=always
RestartSec=1
# Longer than not_ready_s and drain_s of m8.toml together: raise it with them.
TimeoutStopSec=30
LimitNOFILE=65536
LimitCORE=0
UMask=0077
ReadWritePaths={folder}
{ports}
{hardened}
# m8 sets its own limit of core files to 0 (setrlimit, which is in @resources).
SystemCallFilter=setrlimit prlimit64

[Install]
WantedBy=multi-user.target
"""

_BACKUP = """\
[Unit]
Description=Monoskope m8: a backup of the event log
Documentation=https://github.com/finleap-connect/monoskope
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
User={user}
Group={group}
ExecStart=/bin/sh -c '{program} backup create "$$0/m8-$$(date -u +%%Y%%m%%dT%%H%%M%%SZ).age" --dir {folder} \
--recipients-file {folder}/backup-recipient' {backups}
LimitCORE=0
UMask=0077
ReadWritePaths={folder} {backups}
SocketBindDeny=any
{hardened}
SystemCallFilter=setrlimit prlimit64
"""

_TIMER = """\
[Unit]
Description=Monoskope m8: a backup of the event log, each day
Documentation=https://github.com/finleap-connect/monoskope

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
# What was missed while the machine was off is run at its start.
Persistent=yes

[Install]
WantedBy=timers.target
"""

HARDENED = """\
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
NoExecPaths=/
ExecPaths={prefix} /usr/bin /usr/lib -/usr/local/bin -/usr/local/lib -/bin -/lib -/lib64
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
ProcSubset=pid
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
KeyringMode=private"""


def is_trial(folder: Path) -> bool:
    """Whether a server's folder lies in somebody's home, where no service may look."""
    place = folder.absolute()
    return any(place.is_relative_to(home) for home in _HOMES)


def write_units(setup: Setup) -> str:
    """Write the units of m8 and of its backups into a folder, and return what to do with them."""
    if is_trial(setup.folder):
        return f"none, since {setup.folder} lies in a home: m8 serve{setup.here} runs m8 until Ctrl-C"
    check_owners(setup.loaded())
    into = Path(setup.asked.known("units") or setup.folder / "units").absolute()
    into.mkdir(mode=0o755, parents=True, exist_ok=True)
    written = units(setup)
    changed = [name for name, text in written.items() if _differs(into / name, text)]
    for name in changed:
        write_private(into / name, written[name].encode(), replace=True)
        (into / name).chmod(0o644)
    if into == SYSTEM:
        return f"{', '.join(written)} are in {into}"
    return f"in {into}; as root: cp {into}/* {SYSTEM}/"


def units(setup: Setup) -> dict[str, str]:
    """Return the text of each unit by its file's name."""
    loaded = setup.loaded()
    account = pwd.getpwuid(os.geteuid())
    prefix = Path(sys.prefix)
    words = {
        "user": account.pw_name,
        "group": grp.getgrgid(account.pw_gid).gr_name,
        "program": f"{prefix}/bin/m8",
        "folder": str(setup.folder.absolute()),
        "backups": str(Path(setup.asked.known("backup") or setup.folder / "backups").absolute()),
        "ports": _ports(loaded),
        "hardened": HARDENED.format(prefix=" ".join(dict.fromkeys([str(prefix), sys.base_prefix]))),
    }
    texts = {"m8.service": _SERVICE, "m8-backup.service": _BACKUP, "m8-backup.timer": _TIMER}
    return {name: text.format(**words) for name, text in texts.items()}


def _ports(loaded: settings.ServerSettings) -> str:
    """Return the lines that let m8 listen where its settings say, and nowhere else."""
    found = [loaded.listen.port]
    if isinstance(loaded.operations_listen, HostPort):
        found.append(loaded.operations_listen.port)
    lines = ["SocketBindDeny=any", *(f"SocketBindAllow=tcp:{port or '1024-65535'}" for port in found)]
    return "\n".join(lines)


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except FileNotFoundError:
        return True

"""The step `units`: systemd units that leave m8 and its backups little but the network and their own folders.

They are those of `deploy/systemd/m8.service` but for where the keys lie: here they stay in m8's folder, and there root
keeps them.
"""

from __future__ import annotations

from pathlib import Path

from monoskope import systemd
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.init import check_owners

_OWN = """\
ProcSubset=pid
# m8 sets its own limit of core files to 0 (setrlimit, which is in @resources).
SystemCallFilter=setrlimit prlimit64
"""

_STOP = """\
# Longer than not_ready_s and drain_s of m8.toml together: raise it with them.
TimeoutStopSec=30
"""

_BACKUP = (
    'exec "$0" backup create "$1/m8-$(date -u +%Y%m%dT%H%M%SZ).age" --dir "$2" --recipients-file "$2/backup-recipient"'
)
"""For a shell: the program, the folder of backups, the folder of m8."""

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


def write_units(setup: Setup) -> str:
    """Write the units of m8 and of its backups into a folder, and return what to do with them."""
    if systemd.is_trial(setup.folder):
        return f"none, since {setup.folder} lies in a home: m8 serve{setup.here} runs m8 until Ctrl-C"
    check_owners(setup.loaded())
    into = Path(setup.asked.known("units") or setup.folder / systemd.FOLDER).absolute()
    *copying, _ = systemd.write(units(setup), into)
    said = f"in {into}; as root: {copying[0]}" if copying else f"in {into}"
    return f"{said}\n{why}" if (why := systemd.misplaced()) else said


def units(setup: Setup) -> dict[str, str]:
    """Return the text of each unit by its file's name. Raises `UsageError` for a path that no unit can name."""
    folder, program = setup.folder.absolute(), systemd.program("m8")
    backups = Path(setup.asked.known("backup") or folder / "backups").absolute()
    return {
        "m8.service": systemd.service(
            "Monoskope m8",
            [program, "serve", "--dir", folder],
            writable=[folder],
            ports=_ports(setup.loaded()),
            own=_STOP + _OWN,
        ),
        "m8-backup.service": systemd.service(
            "Monoskope m8: a backup of the event log",
            ["/bin/sh", "-c", _BACKUP, program, backups, folder],
            writable=[folder, backups],
            own=_OWN,
            is_once=True,
        ),
        "m8-backup.timer": _TIMER,
    }


def _ports(loaded: settings.ServerSettings) -> list[int]:
    """Return the ports on which m8 listens, as its settings say."""
    operations = loaded.operations_listen
    return [loaded.listen.port, *([operations.port] if isinstance(operations, HostPort) else [])]

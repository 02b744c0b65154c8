"""All checks of one server, in the order in which an operator would make them."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Callable
from pathlib import Path

from monoskope.checks.check import Check
from monoskope.errors import Error
from monoskope.m8 import settings
from monoskope.m8.doctor import certificates, database, folder, running
from monoskope.m8.doctor.issuers import issuer_checks
from monoskope.m8.settings import ServerSettings
from monoskope.times import moment, wall_clock


def examine(where: Path, *, clock: Callable[[], int] = wall_clock) -> list[Check]:
    """Return all checks of the server in a folder. Blocks: it asks the database, issuers, m8 itself and systemd.

    Args:
        where: The folder of m8.
        clock: Milliseconds since 1970.
    """
    wrong = _unreachable(where)
    if wrong is not None:
        return [wrong]
    try:
        loaded = settings.load(where)
    except Error as error:
        return [Check.failed("settings", error)]
    return [Check.ok("settings", f"{where / settings.SETTINGS_FILE} is in order."), *asyncio.run(_all(loaded, clock))]


async def _all(loaded: ServerSettings, clock: Callable[[], int]) -> list[Check]:
    now_ms = clock()
    if folder.keys_are_away(loaded):
        said = "The keys are credentials of systemd, there only while m8 runs. Without them the rest is not known."
        away = Check.not_known(folder.FILES, said, "Start m8, then run this again.")
        return [*await running.running_checks(loaded), away, *folder.disk_checks(loaded)]
    return [
        *folder.file_checks(loaded),
        *certificates.certificate_checks(loaded, moment(now_ms)),
        *await running.running_checks(loaded),
        *folder.bundle_checks(loaded),
        *folder.disk_checks(loaded),
        folder.backup_check(loaded.folder, now_ms),
        *await issuer_checks(loaded.issuers),
        *await database.database_checks(loaded, clock),
    ]


def _unreachable(where: Path) -> Check | None:
    """Return why the folder cannot be examined, None if it can: what root opened there, m8's user could not use."""
    try:
        owner = where.stat().st_uid
        (where / settings.SETTINGS_FILE).exists()
    except FileNotFoundError:
        fix = f"For a new server run: m8 init folder --dir {where}"
        return Check.fail("folder", f"There is no folder {where}.", fix)
    except OSError as error:
        return Check.fail("folder", f"{where} cannot be read: {error.strerror}.", "Run this as the user of m8.")
    if owner in {0, os.geteuid()}:
        return None
    name = _name(owner)
    said = f"{where} belongs to {name}, and this runs as {_name(os.geteuid())}."
    become = f"runuser -u {name} --" if os.geteuid() == 0 else f"sudo -u {name}"
    return Check.fail("folder", said, f"{become} m8 doctor --dir {where}")


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"

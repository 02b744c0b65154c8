"""The step `backup`: the first backup, for a key that goes to paper, read back before the step counts as done."""

from __future__ import annotations

import asyncio
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.renewal import write_public
from monoskope.settings import NotWritableError, check_new, write_private
from monoskope.systemd import check_path, check_seen
from monoskope.text import counted
from monoskope.times import rfc3339, wall_clock

RECIPIENT_FILE = "backup-recipient"
"""In m8's folder: for whom backups are encrypted, which is no secret."""


def back_up(setup: Setup) -> str:
    """Make a key that is not kept here, a backup for it, and verify that backup."""
    recipient_file = setup.folder / RECIPIENT_FILE
    if recipient_file.exists():
        return f"encrypted for the recipient in {recipient_file}"
    from monoskope.m8.backup import age  # noqa: PLC0415 - pyrage is an extra
    from monoskope.m8.cli import backup  # noqa: PLC0415 - as above

    into = Path(setup.asked.get("backup", lambda text: _check_folder(setup, text))).absolute()
    setup.asked.note("backup", str(into))  # the unit and a later run begin elsewhere
    identity, recipient = age.new_identity()
    _hand_over(setup, str(identity))
    target = into / f"m8-{rfc3339(wall_clock()).replace('-', '').replace(':', '')}.age"
    asyncio.run(backup.made(setup.folder, [recipient], None, str(target)))
    end = asyncio.run(backup.checked(str(target), [identity], None)).end
    assert end is not None, "it was read"
    # Last: with it the step counts as done.
    write_public(recipient_file, f"{recipient}\n".encode("ascii"))
    return f"{target} was read back: {counted(end.records, 'event')}"


def _hand_over(setup: Setup, identity: str) -> None:
    """Give the key to the person, for paper, or write it into the new file that they named.

    Raises:
        UsageError: neither is there: what nobody reads is a log, and the key would stand in it.
    """
    if file := setup.asked.known("backup_key_file"):
        write_private(Path(file), f"{identity}\n".encode("ascii"))
        setup.asked.say(f"The key of the backups is in {file}. Move it off this machine.")
        return
    if not setup.asked.can_ask:
        raise UsageError(
            "nobody is here to write the key of the backups on paper; none was made.",
            fix="Run it at a terminal, or name a new file for the key as `backup_key_file` in the file of answers.",
        )
    setup.asked.say(
        "",
        "This key opens the backups, and nothing else does. It is kept nowhere: write it on paper now, put the paper",
        "away in two places, and clear the terminal.",
        "",
        f"  {identity}",
        "",
    )


def _check_folder(setup: Setup, text: str) -> None:
    """Raise unless backups can be written there, by the service, too; the folder is made."""
    folder = Path(text)
    if not text:
        raise UsageError("no folder is named.", fix="Name one, best on another disk.")
    check_path(text)
    check_seen(folder, setup.folder, fix="Name another folder, such as /srv/m8-backups, which m8's user can write.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritableError(f"{folder} cannot be made: {error.strerror}.", fix="Name another folder.") from None
    check_new(folder / "m8.age")

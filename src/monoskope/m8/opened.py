"""The event log and the credentials of a server, for commands that use them and do not serve; and who runs a command.

Apart from `bootstrap`, because a command that issues a token loads nothing of what serves.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from monoskope.errors import NotFoundError, UnavailableError, UsageError
from monoskope.m8.credentials.tokens import Tokens, read_signing_key
from monoskope.m8.domain.events import M8
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.folder import adopt, remembered
from monoskope.m8.log.opening import Place, find_id, open_log
from monoskope.m8.log.sqlite.disk import Reserve
from monoskope.m8.readmodels import documents as chain
from monoskope.m8.settings import ServerSettings
from monoskope.times import wall_clock


@contextlib.asynccontextmanager
async def opened_log(
    settings: ServerSettings,
    *,
    frees_reserve: bool = False,
    for_import: bool = False,
    measured: Callable[[int, float], None] = lambda _writes, _seconds: None,
) -> AsyncIterator[EventLog]:
    """Open the event log that `settings` name, and close it after the block. Other processes may have it open, too.

    Args:
        settings: Of the server.
        frees_reserve: Whether to free the reserve if the disk lacks the room to open it: to erase something.
        for_import: Whether it is opened to be imported into.
        measured: Called when writes became durable together: how many, and the seconds that took.

    Raises:
        Error: as `open_log` does.
    """
    open_it = partial(
        open_log,
        place_of(settings),
        clock=wall_clock,
        projector=chain.project,
        for_import=for_import,
        measured=measured,
    )
    try:
        event_log = await open_it()
    except UnavailableError:
        if not frees_reserve or settings.database is not None:
            raise
        Reserve(settings.event_log).free()
        event_log = await open_it()
    try:
        yield event_log
    finally:
        await event_log.close()


@contextlib.asynccontextmanager
async def log_at(place: Place, *, for_import: bool = False) -> AsyncIterator[EventLog]:
    """Open a log that no settings name, and close it after the block.

    Args:
        place: Where it is.
        for_import: Whether it is opened to be imported into; then it is made if there is none.

    Raises:
        UsageError: there is none.
        Error: as `open_log` does.
    """
    if not for_import and not await find_id(place):
        raise UsageError(f"there is no event log at {place}.", fix="Name the log.db of an m8, or a database.")
    event_log = await open_log(place, clock=wall_clock, projector=chain.project, for_import=for_import)
    try:
        yield event_log
    finally:
        await event_log.close()


def place_of(settings: ServerSettings) -> Place:
    """Return where the log is that `settings` name."""
    return Place(settings.event_log, settings.database, settings.log_id)


async def adopt_log(settings: ServerSettings, log_id: str) -> str:
    """Let the folder serve the log `log_id`, and return the id of the one before, "" if there was none.

    Raises:
        NotFoundError: the settings name another log.
        Error: as `opening.find_id` does.
    """
    found = await find_id(place_of(settings))
    if found != log_id:
        raise NotFoundError(
            f"{place_of(settings)} holds {f'the log {found}' if found else 'no log'}, not {log_id}.",
            fix="Nothing was changed. Correct `database` in m8.toml, or the id.",
        )
    before = ""
    with contextlib.suppress(UsageError):  # a file that is damaged is mended here
        before = remembered(settings.log_id)
    adopt(settings.log_id, log_id)
    return before


def open_tokens(settings: ServerSettings, event_log: EventLog, *, actor: str = M8) -> Tokens:
    """Return the credentials of the server that `settings` describe; `actor` issues and revokes them.

    Raises:
        Error: as `read_signing_key` does.
    """
    key = read_signing_key(settings.signing_key)
    return Tokens(event_log, signing_key=key, audience=settings.file.audience, clock=wall_clock, actor=actor)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
_PREFIX = "m8/os"


def os_actor(environment: Mapping[str, str] | None = None) -> str:
    """Return whom the log names as the cause of what a command records: `m8/os/NAME`, as the operating system knows it.

    NAME is the account that the process runs as. If `sudo` started it, the record also says for whom:
    `m8/os/m8/sudo/anna`. The account is a fact; what stands behind `sudo` is the word of an environment variable, which
    a user of that account can set at will.

    Args:
        environment: Where `sudo` says who called it; this process's own by default.
    """
    account = _account()
    caller = (os.environ if environment is None else environment).get("SUDO_USER", "")
    if caller == account or not _is_account(caller):
        return f"{_PREFIX}/{account}"
    return f"{_PREFIX}/{account}/sudo/{caller}"


def _account() -> str:
    """Return the name of the account that this process runs as; its number if it has no name that fits the record."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        number = os.geteuid()
    except ImportError:
        return "unknown"
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
    return name if _NAME.fullmatch(name) else str(number)


def _is_account(name: str) -> bool:
    """Whether the operating system knows an account of that name, and the record can hold it as it is."""
    if _NAME.fullmatch(name) is not None:
        with contextlib.suppress(ImportError, KeyError):
            import pwd  # noqa: PLC0415 - not on Windows

            pwd.getpwnam(name)
            return True
    return False

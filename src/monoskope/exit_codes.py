"""How `monoctl`, `m8` and `m8 reactor` end: one number for each way. A script can rely on them; none ever changes.

Numbers of their own, because a caller does something different about each: try again (7, 8), look before trying again
(9), stop and ask a person (5). A malformed command line is told in click's own sentence, without the options that no
help shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from monoskope.errors import Code, Error


class ExitCode(IntEnum):
    """How a program ends. A number never changes its meaning."""

    OK = 0
    """Done. A comparison: equal. A verification: in sync."""
    INTERNAL = 1
    """A defect in Monoskope."""
    USAGE = 2
    """The command line, a file or a setting is malformed; nothing was sent."""
    REFUSED = 3
    """Understood and denied: by right, by an engine, or because a file is open to others."""
    NOT_FOUND = 4
    """Does not exist, or is not for the caller to see."""
    IDENTITY_CHANGED = 5
    """A pin, a signature or a hash does not hold."""
    CONFLICT = 6
    """What is there is not what was expected; nothing was written."""
    UNAVAILABLE = 7
    """Something that is needed does not answer; nothing was written, and trying later can succeed."""
    TIMED_OUT = 8
    """Time was over before anything was sent to be written."""
    OUTCOME_UNKNOWN = 9
    """It may or may not have been written."""
    UNAUTHENTICATED = 10
    """No credential, or one that does not count."""
    ALREADY_EXISTS = 11
    """The name or the id is taken."""
    DIFFERENT = 12
    """A comparison that worked: not equal. A verification: not in sync. `monoctl auth can-i`: no."""
    PROTOCOL = 13
    """m8 sent an answer that cannot be read; nothing was sent to be written."""
    RATE_LIMITED = 14
    """Too much at once, or too much in a time; nothing was written. The error says when to come back."""
    NOT_TRIED = 15
    """Nothing was sent, because of what happened to another secret. No command ends so: it ends as that one did."""
    PARTLY_DONE = 16
    """Of several secrets some were changed and some were not; what is printed says which."""
    NOT_AUTHORIZED = 17
    """A store's reactor did not act: its own list does not let this key or person do this; nothing was written."""
    LOG_MISMATCH = 18
    """What m8 shows does not fit its pinned log; stop, keep what is printed, and ask a person."""
    NOT_YET = 19
    """It is recorded, and no checkpoint of the log covers it yet; try again soon."""
    NOT_AGREED = 20
    """The identity of a store, or the default store, is shown for the first time, and the user has not agreed to it."""
    CHECK_FAILED = 21
    """A check of `monoctl status` or `m8 doctor` found what does not work, or is not safe; its fix is printed."""
    INTERRUPTED = 130
    """Interrupted with Ctrl-C before anything was sent (128 and SIGINT, as shells do)."""


BY_CODE = MappingProxyType({code: ExitCode[code.name] for code in Code})
"""The exit code of every `Code`."""


def exit_code(error: Error) -> ExitCode:
    """Return how a program ends that meets `error` and cannot go on."""
    return BY_CODE[error.code]


def exit_code_of_all(errors: Sequence[Error], *, changed: int = 0) -> ExitCode:
    """Return how a program ends after several tasks, `changed` of which wrote something.

    LOG_MISMATCH if one is, since then m8 itself is in doubt. Else OUTCOME_UNKNOWN if one is, else PARTLY_DONE if
    something was written besides the errors, else as the first error that is not NOT_TRIED; OK without errors.
    """
    codes = [exit_code(error) for error in errors]
    if ExitCode.LOG_MISMATCH in codes:
        return ExitCode.LOG_MISMATCH
    if ExitCode.OUTCOME_UNKNOWN in codes:
        return ExitCode.OUTCOME_UNKNOWN
    if codes and changed:
        return ExitCode.PARTLY_DONE
    tried = [code for code in codes if code is not ExitCode.NOT_TRIED]
    return (tried or codes or [ExitCode.OK])[0]


if TYPE_CHECKING:
    import click


def sentence(error: click.ClickException) -> str:
    """Return what `error` says on one line, in lower case. Options that are hidden are not suggested."""
    from click import NoSuchOption, Option  # noqa: PLC0415 - it stands at the bottom, where nothing heavy is imported

    if isinstance(error, NoSuchOption) and error.possibilities and error.ctx is not None:
        options = [option for option in error.ctx.command.params if isinstance(option, Option) and option.hidden]
        hidden = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        near = [name for name in error.possibilities if name not in hidden]
        error = NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)
    message = " ".join(error.format_message().split())
    return message[:1].lower() + message[1:]

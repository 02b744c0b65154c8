"""How a command ends: what came of each secret, and for each failure what happened and what to do."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from monoskope.errors import (
    Code,
    Error,
    LogMismatchError,
    NotAuthorizedError,
    NotTriedError,
    OutcomeUnknownError,
    UsageError,
)
from monoskope.exit_codes import ExitCode, exit_code, exit_code_of_all, sentence
from monoskope.failpoints import failpoint
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, done, emit
from monoskope.text import json_text

if TYPE_CHECKING:
    from monoskope.client.walk.task import Progress

R = TypeVar("R")

WRITTEN = {"URI": "uri", "OUTCOME": "outcome", "VERSION": "upstream_version", "HASH": "hash"}
"""The columns of a table of what was written."""
DELETED = {"URI": "uri", "OUTCOME": "outcome", "DELETED": "deleted_version", "DESTROYED": "destroyed"}
RESTORED = {
    "URI": "uri",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "RESTORED": "restored_version",
    "HASH": "hash",
}
COPIED = {
    "FROM": "uri",
    "TO": "destination",
    "OUTCOME": "outcome",
    "VERSION": "destination_version",
    "HASH": "hash",
}
_REASON = {"REASON": "reason"}
"""The column that a table has if something failed."""


def failure(error: Error) -> Document:
    """Return everything that is known of a refusal.

    It has `retry_after_s`, null if it is not known, `uri`, which is "" in a call about one secret, with an end that is
    not known its `request_id`, and with a log that does not fit the signed `notes` that show it.
    """
    found: Document = {
        "code": error.code.value,
        "exit_code": int(exit_code(error)),
        "message": error.message,
        "fix": error.fix,
        "by_m8": error.by_m8,
        "reason": error.reason_name,
        "retry_after_s": error.retry_after_s or None,
        "uri": error.uri,
    }
    if isinstance(error, OutcomeUnknownError):
        found["request_id"] = error.request_id
    if isinstance(error, LogMismatchError):
        found["notes"] = list(error.notes)
    return found


class InterruptedBeforeSendingError(Error):
    """Ctrl-C while nothing had been sent, perhaps while a change was waited for: it stays proposed."""

    def __init__(self, change: str = "") -> None:
        super().__init__(
            "interrupted; nothing was sent." + (f" Change {change} stays proposed." if change else ""),
            fix=f"`monoctl run change {change}` goes on, `monoctl withdraw {change}` ends it." if change else "",
        )


def wants_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, even one that cannot be parsed."""
    joined = [*words, ""]
    return any(
        word in {"-ojson", "-o=json", "--output=json"} or (word in {"-o", "--output"} and joined[index + 1] == "json")
        for index, word in enumerate(words)
    )


def _to_propose(error: Error, words: Sequence[str]) -> str:
    """Return the command that proposes what a store refused for want of approvals, "" where it is none or not one."""
    if not isinstance(error, NotAuthorizedError) or not error.approvals or not words or "--each" in words:
        return ""
    # What overwrites cannot be approved: approvers approve one version.
    return shlex.join(["monoctl", *(word for word in words if word != "--overwrite"), "--propose"])


def report(error: Error, *, as_json: bool, words: Sequence[str] = ()) -> None:
    """Print an error to stderr.

    Args:
        error: What to print.
        as_json: Whether as JSON.
        words: The command line that met it; () where it cannot be done again as a proposal.
    """
    propose = _to_propose(error, words)
    if as_json:
        document = failure(error) | ({"propose": propose} if propose else {})
        if isinstance(error, InterruptedBeforeSendingError):
            document |= {"code": "INTERRUPTED", "exit_code": int(ExitCode.INTERRUPTED)}
        terminal.err(json_text({"error": document}))
        return
    terminal.err(error.message, mark="error: ", fg="red", bold=True)
    if error.fix and error.by_m8:
        terminal.err(error.fix)  # the text itself says that it is m8's advice
    elif error.fix:
        terminal.err(error.fix, mark="fix: ", fg="green")
    if propose:
        terminal.err(propose, mark="to propose it: ", fg="green")
    if isinstance(error, LogMismatchError):
        print_notes(error.notes)


def print_notes(notes: Sequence[str]) -> None:
    """Print signed notes to stderr, whole and as they are, so that they can be given to others as evidence."""
    for number, note in enumerate(notes, start=1):
        terminal.err(f"{number} of {len(notes)}:", mark="note of the log, ", fg="yellow")
        terminal.err(*note.split("\n"))


def guarded(call: Callable[[], object], words: Sequence[str]) -> int:
    """Run a command line and return its exit code; every failure is reported."""
    try:
        _arm_failpoints()
        code = call()
    except click.exceptions.NoArgsIsHelpError as error:
        terminal.err(*error.format_message().split("\n"))
        return ExitCode.USAGE
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.OK
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "monoctl"
        failed: Error = UsageError(sentence(error), fix=f"See `{command} --help`.")
    except (click.Abort, KeyboardInterrupt):
        failed = InterruptedBeforeSendingError()
    except Error as error:
        failed = error
    except Exception as error:  # noqa: BLE001 - the last resort: a traceback could show a value
        failed = defect(error)
    else:
        return code if isinstance(code, int) else ExitCode.OK
    report(failed, as_json=wants_json(words), words=words)
    return ExitCode.INTERRUPTED if isinstance(failed, InterruptedBeforeSendingError) else exit_code(failed)


def _arm_failpoints() -> None:
    if "MONOSKOPE_FAILPOINTS" in os.environ:
        from monoskope.failpoints import arm  # noqa: PLC0415 - for tests alone

        terminal.err(f"warning: {arm(os.environ)}")


def defect(error: Exception) -> Error:
    """Return what is told of an unexpected exception: its type alone, for its text could show a value."""
    return Error(
        f"a defect in monoctl ({type(error).__name__}).",
        fix="Whether anything was written is not known: look with `monoctl get events`, and report the defect.",
        code=Code.INTERNAL,
    )


def _forget_stdout() -> None:
    """Prevent the interpreter's complaint at exit that stdout is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupted(sent: Sequence[Progress], ended: Sequence[Progress], change: str = "") -> Error:
    """Return the error for a Ctrl-C: which requests were sent without a known end, and which have ended.

    `change` is the one that was waited for, "" for none.
    """
    if not sent and not ended:
        return InterruptedBeforeSendingError(change)
    parts = [f"{one.uri} was sent and {_open_end(one)} (request {one.request_id.hex()})" for one in sent]
    parts += [f"{one.uri} ended as {one.end} (request {one.request_id.hex()})" for one in ended]
    first = (*sent, *ended)[0]
    ask = f"Ask with `monoctl get upload {first.request_id.hex()}`"
    again = ", or `monoctl compare secret`, before you do it again." if first.writes else ", or ask the store again."
    return OutcomeUnknownError(f"interrupted: {'; '.join(parts)}.", fix=ask + again)


def _open_end(progress: Progress) -> str:
    if progress.writes:
        return f"may or may not be {progress.done}"
    return "its answer is not known, nothing was written"


def end(
    results: Sequence[R | Error],
    output: str,
    columns: Mapping[str, str],
    *,
    as_expected: Callable[[R], bool] = lambda _: True,
    listed: bool = False,
    after: Callable[[], None] = lambda: None,
    changes: bool = False,
) -> NoReturn:
    """Print what came of each secret, then every error, and end the command with the worst exit code.

    Of several secrets each has its row, in the order in which they were named: what was done, or FAILED, NOT_TRIED or
    UNKNOWN with the reason.

    Args:
        results: One for each secret.
        output: As for `emit`.
        columns: As for `emit`.
        as_expected: Whether a result is what the user hopes for: exit code 12 if one is not and no error came.
        listed: Whether a list is printed also of one result.
        after: Called between the results and the errors.
        changes: Whether each result is a change: exit code 16 if some were made and some were not.
    """
    succeeded = [result for result in results if not isinstance(result, Error)]
    errors = [result for result in results if isinstance(result, Error)]
    several = len(results) > 1 or listed
    documents = [_failed(one) if isinstance(one, Error) else done(one) for one in results]
    failpoint("monoctl.before-print")
    if succeeded or several:
        shown = {**columns, **_REASON} if errors else columns
        emit(output, documents if several else documents[0], shown, nothing="No secrets found.")
    after()
    # A change is about one secret.
    _report(errors, as_json=output == "json", words=() if several else click.get_current_context().obj or ())
    code = exit_code_of_all(errors, changed=len(succeeded) if changes else 0)
    if not errors and not all(map(as_expected, succeeded)):
        code = ExitCode.DIFFERENT
    click.get_current_context().exit(code)


def _failed(error: Error) -> Document:
    """Return the row of a secret for which nothing was proven."""
    if isinstance(error, NotTriedError):
        outcome, reason = "NOT_TRIED", ""
    else:
        outcome = "UNKNOWN" if isinstance(error, OutcomeUnknownError) else "FAILED"
        reason = error.reason_name or error.code.value
    return {"uri": error.uri, "outcome": outcome, "code": error.code.value, "reason": reason}


def _report(errors: Sequence[Error], *, as_json: bool, words: Sequence[str]) -> None:
    """Print every error, and one sentence for all that were not tried: each has its row."""
    for error in errors:
        if not isinstance(error, NotTriedError):
            report(error, as_json=as_json, words=words)
    untried = sum(isinstance(error, NotTriedError) for error in errors)
    if untried and not as_json:
        were = "was" if untried == 1 else "were"
        terminal.note(f"{untried} of the secrets {were} not tried; nothing was sent for them.")

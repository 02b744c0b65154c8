"""Prints each failure for its user: what happened and why, then what to do. Never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from monoskope.errors import Code, Error, LogMismatchError, OutcomeUnknownError, UsageError
from monoskope.escape import json_text
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.monoctl.output import write
from monoskope.monoctl.output.failures import failure
from monoskope.usage import sentence

if TYPE_CHECKING:
    from monoskope.client.task import Progress  # a good `version` never needs it


class InterruptedBeforeSendingError(Error):
    """Ctrl-C while nothing had been sent."""

    def __init__(self) -> None:
        super().__init__("interrupted; nothing was sent.")


def wants_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, even one that cannot be parsed."""
    joined = [*words, ""]
    return any(
        word in {"-ojson", "-o=json", "--output=json"} or (word in {"-o", "--output"} and joined[index + 1] == "json")
        for index, word in enumerate(words)
    )


def report(error: Error, *, as_json: bool) -> None:
    """Print an error to stderr."""
    if as_json:
        document = failure(error)
        if isinstance(error, InterruptedBeforeSendingError):
            document |= {"code": "INTERRUPTED", "exit_code": int(ExitCode.INTERRUPTED)}
        write.err(json_text({"error": document}))
        return
    write.err(error.message, mark="error: ", fg="red", bold=True)
    if error.fix and error.by_m8:
        write.err(error.fix)  # the text itself says that it is m8's advice
    elif error.fix:
        write.err(error.fix, mark="fix: ", fg="green")
    if isinstance(error, LogMismatchError):
        print_notes(error.notes)


def print_notes(notes: Sequence[str]) -> None:
    """Print signed notes to stderr, whole and as they are, so that they can be given to somebody else as evidence."""
    for number, note in enumerate(notes, start=1):
        write.err(f"{number} of {len(notes)}:", mark="note of the log, ", fg="yellow")
        write.err(*note.split("\n"))


def guarded(call: Callable[[], object], words: Sequence[str]) -> int:
    """Run a command line and return its exit code; whatever goes wrong is reported."""
    as_json = wants_json(words)
    try:
        _arm_failpoints()
        code = call()
    except click.ClickException as error:
        _report_click(error, as_json=as_json)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        report(InterruptedBeforeSendingError(), as_json=as_json)
        return ExitCode.INTERRUPTED
    except Error as error:
        report(error, as_json=as_json)
        return ExitCode.INTERRUPTED if isinstance(error, InterruptedBeforeSendingError) else exit_code(error)
    except BrokenPipeError:
        _forget_stdout()
        code = ExitCode.OK
    except write.UnwritableError as error:
        _forget_stdout()
        report(error, as_json=as_json)
        return ExitCode.INTERNAL
    except Exception as error:  # noqa: BLE001 - the last resort: a traceback could show a value
        report(defect(error), as_json=as_json)
        return ExitCode.INTERNAL
    return code if isinstance(code, int) else ExitCode.OK


def _arm_failpoints() -> None:
    import os  # noqa: PLC0415

    if "MONOSKOPE_FAILPOINTS" in os.environ:
        from monoskope.failpoints import arm  # noqa: PLC0415 - for tests alone

        write.err(f"warning: {arm(os.environ)}")


def _report_click(error: click.ClickException, *, as_json: bool) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        write.err(*error.format_message().split("\n"))
    else:
        report(_usage(error), as_json=as_json)


def _usage(error: click.ClickException) -> UsageError:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "monoctl"
    return UsageError(sentence(error), fix=f"See `{command} --help`.")


def defect(error: Exception) -> Error:
    """Return what is told of an exception that nobody expected: its type alone, for its text could show a value."""
    return Error(
        f"a defect in monoctl ({type(error).__name__}).",
        fix="Whether anything was written is not known: look with `monoctl get events`, and report the defect.",
        code=Code.INTERNAL,
    )


def _forget_stdout() -> None:
    """Prevent the interpreter's complaint at exit that nobody reads stdout any more."""
    import os  # noqa: PLC0415

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupted(sent: Sequence[Progress], ended: Sequence[Progress]) -> Error:
    """Return the error for a Ctrl-C: which requests were sent without a known end, and which have ended."""
    if not sent and not ended:
        return InterruptedBeforeSendingError()
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

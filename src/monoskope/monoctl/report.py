"""Every failure as its user reads it: what happened and why, then what to do. No traceback, ever."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

import click

from monoskope.errors import Code, Error, OutcomeUnknownError, UsageError
from monoskope.exit_codes import ExitCode, exit_code


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
    code, number = error.code.value, exit_code(error)
    if isinstance(error, InterruptedBeforeSendingError):
        code, number = "INTERRUPTED", ExitCode.INTERRUPTED
    if as_json:
        document = {"code": code, "exit_code": int(number), "message": error.message, "fix": error.fix}
        click.echo(json.dumps({"error": document}, ensure_ascii=False), err=True)
        return
    from monoskope.client.channel import printable  # noqa: PLC0415 - loads gRPC, which a good `version` never needs
    from monoskope.monoctl.terminal import styled  # noqa: PLC0415

    click.echo(f"{styled('error:', sys.stderr, fg='red', bold=True)} {printable(error.message)}", err=True)
    if error.fix:
        click.echo(f"{styled('fix:', sys.stderr, fg='green')} {printable(error.fix)}", err=True)


def guarded(call: Callable[[], object], words: Sequence[str]) -> int:
    """Run a command line and return its exit code; whatever goes wrong is reported."""
    as_json = wants_json(words)
    try:
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
    except Exception as defect:  # noqa: BLE001 - the last door: a traceback could show a value
        report(_defect(defect), as_json=as_json)
        return ExitCode.INTERNAL
    return code if isinstance(code, int) else ExitCode.OK


def _report_click(error: click.ClickException, *, as_json: bool) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
    else:
        report(_usage(error), as_json=as_json)


def _usage(error: click.ClickException) -> UsageError:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "monoctl"
    message = error.format_message()
    return UsageError(message[:1].lower() + message[1:], fix=f"See `{command} --help`.")


def _defect(defect: Exception) -> Error:
    return Error(
        f"a defect in monoctl ({type(defect).__name__}).",
        fix="Whether anything was written is not known: look with `monoctl get events`, and report the defect.",
        code=Code.INTERNAL,
    )


def _forget_stdout() -> None:
    """Keep the interpreter from complaining at exit that nobody reads any more."""
    import os  # noqa: PLC0415

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interrupted(sent: Sequence[tuple[str, str]], ended: Sequence[str]) -> Error:
    """Return what is known at Ctrl-C: (URI, request id) of what was sent without an end, and URIs that ended."""
    if not sent and not ended:
        return InterruptedBeforeSendingError()
    parts = [f"{uri} was sent and may or may not be written (request {request_id})" for uri, request_id in sent]
    parts += [f"{uri} had ended with a receipt" for uri in ended]
    first = sent[0][1] if sent else "ID"
    return OutcomeUnknownError(
        f"interrupted: {'; '.join(parts)}.",
        fix=f"Ask with `monoctl get upload {first}`, or `monoctl compare secret`, before you put it again.",
    )

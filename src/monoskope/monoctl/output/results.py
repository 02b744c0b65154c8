"""How a command about one secret or several ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

import click

from monoskope.errors import Error, NotTriedError, OutcomeUnknownError
from monoskope.exit_codes import ExitCode, exit_code_of_all
from monoskope.failpoints import failpoint
from monoskope.monoctl.output import write
from monoskope.monoctl.output.formats import Document, emit
from monoskope.monoctl.output.report import report

R = TypeVar("R")

_REASON = {"REASON": "reason"}
"""The column that a table has if something failed."""


def end(
    results: Sequence[R | Error],
    output: str,
    columns: Mapping[str, str],
    document: Callable[[R], Document],
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
        document: Returns what is printed of a result.
        as_expected: Whether a result is what the user hopes for: exit code 12 if one is not and no error came.
        listed: Whether a list is printed whatever the number of results.
        after: Called between the results and the errors.
        changes: Whether each result is a change: exit code 16 if some were made and some were not.
    """
    done = [result for result in results if not isinstance(result, Error)]
    errors = [result for result in results if isinstance(result, Error)]
    several = len(results) > 1 or listed
    documents = [failed(one) if isinstance(one, Error) else document(one) for one in results]
    failpoint("monoctl.before-print")
    if done or several:
        shown = {**columns, **_REASON} if errors else columns
        emit(output, documents if several else documents[0], shown, nothing="No secrets found.")
    after()
    _report(errors, as_json=output == "json")
    code = exit_code_of_all(errors, changed=len(done) if changes else 0)
    if not errors and not all(map(as_expected, done)):
        code = ExitCode.DIFFERENT
    click.get_current_context().exit(code)


def failed(error: Error) -> Document:
    """Return what is printed of a secret that came to nothing, beside others."""
    outcome = "FAILED"
    if isinstance(error, NotTriedError):
        outcome = "NOT_TRIED"
    elif isinstance(error, OutcomeUnknownError):
        outcome = "UNKNOWN"
    reason = "" if isinstance(error, NotTriedError) else error.reason_name or error.code.value
    return {"uri": error.uri, "outcome": outcome, "code": error.code.value, "reason": reason}


def _report(errors: Sequence[Error], *, as_json: bool) -> None:
    """Print every error, and one sentence for all that were not tried: each has its row."""
    for error in errors:
        if not isinstance(error, NotTriedError):
            report(error, as_json=as_json)
    untried = sum(isinstance(error, NotTriedError) for error in errors)
    if untried and not as_json:
        were = "was" if untried == 1 else "were"
        write.err(f"{untried} of the secrets {were} not tried; nothing was sent for them.", mark="note: ", fg="yellow")

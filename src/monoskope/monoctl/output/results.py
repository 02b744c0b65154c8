"""How a command about one secret or several ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

import click

from monoskope.errors import Error
from monoskope.exit_codes import ExitCode, exit_code_of_all
from monoskope.failpoints import failpoint
from monoskope.monoctl.output.formats import Document, emit
from monoskope.monoctl.output.report import report

R = TypeVar("R")


def end(
    results: Sequence[R | Error],
    output: str,
    columns: Mapping[str, str],
    document: Callable[[R], Document],
    *,
    as_expected: Callable[[R], bool] = lambda _: True,
    listed: bool = False,
    after: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Print what came of each secret, then every error, and end the command with the worst exit code.

    Args:
        results: One for each secret.
        output: As for `emit`.
        columns: As for `emit`.
        document: Returns what is printed of a result.
        as_expected: Whether a result is what the user hopes for: exit code 12 if one is not and no error came.
        listed: Whether a list is printed whatever the number of results.
        after: Called between the results and the errors.
    """
    done = [result for result in results if not isinstance(result, Error)]
    errors = [result for result in results if isinstance(result, Error)]
    documents = [document(result) for result in done]
    failpoint("monoctl.before-print")
    if documents or listed:
        single = len(results) == 1 and not listed
        nothing = "No secret was verified." if errors else "No secrets found."
        emit(output, documents[0] if single else documents, columns, nothing=nothing)
    after()
    for error in errors:
        report(error, as_json=output == "json")
    code = exit_code_of_all(errors)
    if not errors and not all(map(as_expected, done)):
        code = ExitCode.DIFFERENT
    click.get_current_context().exit(code)

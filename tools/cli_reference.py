"""The command line's reference pages: each command's own help, and the table of stable codes and exit codes."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
from collections.abc import Iterator
from types import ModuleType

import click

from monoskope import errors, exit_codes
from monoskope.exit_codes import ExitCode

PROGRAMS = {
    "monoctl": "monoskope.monoctl.main:cli",
    "m8": "monoskope.m8.cli.main:program",
    "m8 reactor": "monoskope.reactor.cli:_group",
    "m8 stores check": "monoskope.testing.store_check.check:check",
}
"""Command path to what answers it: `m8` passes the last two on to programs of which it imports nothing."""
WIDTH = 100


def load(target: str) -> click.Command:
    """Return the command named `module:attribute`."""
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, click.Command):
        raise TypeError(f"{target} is not a click command")
    return found


def sections(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """The section of a command and those of everything below it; hidden commands are left out."""
    # Resilient parsing: nothing is run, asked for or required, and the command's own settings apply.
    context = command.make_context(
        name, [], parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    depth = len(context.command_path.split())
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    yield f"{'#' * min(depth + 1, 6)} {context.command_path}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    if isinstance(command, click.Group):
        for child_name in sorted(command.list_commands(context)):
            child = command.get_command(context, child_name)
            passed_on = f"{context.command_path} {child_name}" in PROGRAMS
            if child is not None and not child.hidden and not passed_on:
                yield from sections(child, child_name, context)


def render_cli(programs: dict[str, click.Command], note: str = "") -> str:
    """The whole of cli.md."""
    head = f"# Commands\n\n{note}\nExit codes: see [errors](errors.md).\n"
    return "\n".join([head, *(text for name, command in programs.items() for text in sections(command, name))])


def documented(module: ModuleType, owner: str | None = None) -> dict[str, str]:
    """Name to the documentation string below it, of a module's constants or of those of its class `owner`."""
    body: list[ast.stmt] = ast.parse(inspect.getsource(module)).body
    if owner is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner)
    found: dict[str, str] = {}
    for node, following in itertools.pairwise(body):
        match node, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text).replace("\n", " ")
            case _:
                pass
    return found


def _class_of(code: errors.Code) -> str:
    """The name of the class whose errors have a code: the one nearest to the root."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Error)]
    return min((kind for kind in classes if kind.code is code), key=lambda kind: len(kind.__mro__)).__name__


def render_errors(note: str = "") -> str:
    """The whole of errors.md."""
    meanings = documented(errors, "Code")
    rows = [
        f"| `{code.value}` | `{_class_of(code)}` | {exit_codes.BY_CODE[code]} | {meanings[code.name]} |"
        for code in sorted(errors.Code, key=lambda code: exit_codes.BY_CODE[code])
    ]
    ends = documented(exit_codes, "ExitCode")
    others = [f"| {end.value} | {ends[end.name]} |" for end in ExitCode if end.name not in meanings]
    return "\n".join(
        [
            "# Errors\n",
            note,
            "Every error says what happened, why, and what to do next. Scripts can rely on its code and on the exit",
            "code of `monoctl` and `m8`: neither ever changes its meaning.\n",
            "| code | class in `monoskope.errors` | exit code | meaning |",
            "|---|---|---|---|",
            *rows,
            "\nEvery class is an `Error`, with `code`, `message`, `fix` and `by_m8`: whether the words are m8's own.",
            "`reason_name` is the protocol's reason of a request that failed: of a `ConflictError` it is CONFLICT or",
            "UPSTREAM_CHANGED. `detail` is what the reactor says beside it in its receipt. `uri` names the secret in",
            "the results of a call about several. `retry_after_s` of a `RateLimitedError` says when to come back. A",
            "`NotReachedError` is an `UnavailableError`: m8 itself did not answer. So is an `AwayError`: what m8 needs",
            "was away for longer than the time of the call.",
            "\n## Errors for programs\n",
            "With `monoctl … -o json` an error is the last line of standard error: one JSON object `error`, with",
            "`code`, `exit_code`, `message`, `fix` and `by_m8`, in some cases `retry_after_s`, or `notes` of a log.",
            "Lines before it are notes for people, such as the one of the first look at a log. Standard output has",
            "results alone.",
            "\n## Ends that are no error\n",
            "| exit code | meaning |",
            "|---|---|",
            *others,
            "",
        ]
    )

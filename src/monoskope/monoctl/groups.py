"""Groups of commands that load a command's module only when it is called, and what those commands have in common."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from monoskope import command_line, start
from monoskope.lazy import LazyModules
from monoskope.monoctl.output.ending import guarded

PROGRAM = "monoctl"

MOST_COLUMNS = 100
_LEAST_COLUMNS = 50
_MARGIN = 2

_PARTS_OF_MSGSPEC = tuple(f"msgspec.{part}" for part in ("inspect", "json", "msgpack", "toml", "yaml"))


def width() -> int:
    """Return how wide a help may be, as click would: by COLUMNS, else by the terminal, else 78.

    click asks `shutil` for it, which loads the compressors that Python has: 4 ms.
    """
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        except (OSError, ValueError):
            columns = 0
    return max(min(columns or 80, MOST_COLUMNS) - _MARGIN, _LEAST_COLUMNS)


class Command(command_line.Command):
    """A command whose help shows the connection options apart, and which suggests no hidden option."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two sections: the command's own, and those of the connection."""
        from monoskope.monoctl.options import ConnectionOption  # noqa: PLC0415 - for a help alone

        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            if not isinstance(parameter, click.Option):
                continue  # the usage line names arguments; from 8.5.1 on click gives each an empty row
            record = parameter.get_help_record(ctx)
            if record is not None:
                (shared if isinstance(parameter, ConnectionOption) else own).append(record)
        for title, records in (("Options", own), ("Connection options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; for an unknown option suggest only those that the help shows."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            import difflib  # noqa: PLC0415 - a well-spelt command never needs it

            shown = [
                name
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option) and not parameter.hidden
                for name in (*parameter.opts, *parameter.secondary_opts)
            ]
            name = error.option_name
            near = difflib.get_close_matches(name, shown) if name.startswith("--") else []
            raise click.NoSuchOption(name, possibilities=near, ctx=ctx) from None
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # so that the fix names this command's help
            raise


def command(name: str | None = None, *, short_help: str) -> Callable[[Callable[..., Any]], Command]:
    """Return the decorator that makes a function a command."""
    return click.command(name, Command, short_help=short_help)


class LazyGroup(command_line.Group):
    """A group whose commands are given as `module:attribute`, and with `summaries` by what its help says of them.

    `meant` has words that are no command here, each with the command line that does what other programs do by them.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - click's own
        lazy: Mapping[str, str],
        summaries: Mapping[str, str] | None = None,
        meant: Mapping[str, str] | None = None,
        **rest: Any,  # noqa: ANN401 - click's own
    ) -> None:
        super().__init__(*args, **rest)
        self._lazy = dict(lazy)
        self.summaries = dict(summaries or {})
        self._meant = dict(meant or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, eager ones first."""
        return [*super().list_commands(ctx), *self._lazy]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands. Those with a summary are not loaded for it."""
        _InOrder(
            commands={
                name: click.Command(name, short_help=self.summaries[name])
                if name in self.summaries
                else self.get_command(ctx, name) or click.Command(name, hidden=True)
                for name in self.list_commands(ctx)
            }
        ).format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command. For an unknown word suggest what it means elsewhere, or a command that is spelt alike."""
        word, known = args[0], self.list_commands(ctx)
        if not (ctx.resilient_parsing or word in known or word.startswith("-")):
            meant = f"`{PROGRAM} {self._meant[word]}`" if word in self._meant else self._spelt_alike(ctx, word)
            ctx.fail(f"No such command {word!r}." + (f" Did you mean {meant}?" if meant else ""))
        return super().resolve_command(ctx, args)

    def _spelt_alike(self, ctx: click.Context, word: str) -> str:
        """Return a command's name, also of one that is not loaded yet, "" if none is like `word`."""
        import difflib  # noqa: PLC0415 - a well-spelt command never needs it

        shown = [name for name in self.list_commands(ctx) if self._is_shown(ctx, name)]
        near = difflib.get_close_matches(word, shown, 1)
        return repr(near[0]) if near else ""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        _load_values()
        module, _, attribute = self._lazy[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        start.loaded()
        if ctx.resilient_parsing:
            from monoskope.monoctl.input import completion  # noqa: PLC0415 - a command that runs does not need it

            completion.attach(found)
        return found

    def _is_shown(self, ctx: click.Context, name: str) -> bool:
        command = self.get_command(ctx, name)
        return command is not None and not command.hidden


class _InOrder(click.Group):
    """Lists its commands in the order in which they were given."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        del ctx
        return list(self.commands)


class RootGroup(LazyGroup):
    """The outermost group. Every failure ends with a report and an exit code."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> Any:  # noqa: ANN401
        """Run a command line; ends the process unless `standalone_mode` is false."""
        words = list(sys.argv[1:] if args is None else args)
        run = super().main
        if f"_{PROGRAM.upper()}_COMPLETE" in os.environ:
            from monoskope import shell_completion  # noqa: PLC0415 - a command that runs does not need it

            if shell_completion.completing(PROGRAM):
                shell_completion.answer(self, PROGRAM)
                sys.exit(0)

        extra.setdefault("terminal_width", width())
        extra.setdefault("obj", words)

        def call() -> object:
            return run(words, prog_name or PROGRAM, complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return call()
        sys.exit(guarded(call, words))


def _load_values() -> None:
    """Load msgspec without `typing_extensions`, which takes 5 ms, and without its parts for texts and schemas.

    msgspec asks it for functions that `typing` has since Python 3.11, and takes those where it is not installed.
    """
    if "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # so Python marks what cannot be imported
        try:
            with LazyModules(*_PARTS_OF_MSGSPEC):
                import monoskope.value  # noqa: F401,PLC0415
        finally:
            del sys.modules["typing_extensions"]

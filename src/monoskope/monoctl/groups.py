"""Groups of commands that load a command's module only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from monoskope import start
from monoskope.monoctl.output.report import guarded


class LazyGroup(click.Group):
    """A group whose commands are given as `module:attribute`."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **rest: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **rest)
        self._lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, eager ones first."""
        return [*super().list_commands(ctx), *self._lazy]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command. For an unknown word suggest a similar command, also one that is not loaded yet."""
        word, known = args[0], self.list_commands(ctx)
        if not (ctx.resilient_parsing or word in known or word.startswith("-")):
            import difflib  # noqa: PLC0415 - a well-spelt command never needs it

            near = difflib.get_close_matches(word, known, 1)
            ctx.fail(f"No such command {word!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        start.loaded()
        return command


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

        def call() -> object:
            return run(words, prog_name or "monoctl", complete_var, standalone_mode=False, **extra)

        if not standalone_mode:
            return call()
        sys.exit(guarded(call, words))

"""The `m8` program: its commands, and how it ends. Each command's module is imported when it is called.

Some commands need more packages than others. `m8 reactor` and `m8 stores check` replace this process with programs of
which m8 imports nothing.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, NoReturn

import click

import monoskope
from monoskope import shell_completion, start
from monoskope.command_line import Command, Group
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode, exit_code, sentence
from monoskope.start import become_reactor, reactor_command, stores_check_command
from monoskope.text import escape


class LazyGroup(Group):
    """A group whose commands are imported when they are asked for."""

    places: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The name of each command, and `module:attribute`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of all commands."""
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command `cmd_name`, None if there is none."""
        if cmd_name not in self.places:
            return None
        module, _, attribute = self.places[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        start.loaded()
        return command


VARIABLES = frozenset({"M8_DATABASE_PASSWORD", "M8_DIR"})
"""Environment variables that m8 reads."""

# What Kubernetes sets in every pod beside a Service named `m8`.
_KUBERNETES = re.compile(r"M8_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_[0-9].*)")
DEV_EXTRAS = "m8,reactor,age"
"""The extras that `m8 dev` needs: it runs a reactor with a store of age files beside m8."""
_EXTRA = frozenset(
    {
        "joserfc",
        "prometheus_client",
        "protovalidate",
        "pyrage",
    }
)
_COMMANDS = MappingProxyType(
    {
        "backup": "monoskope.m8.cli.backup:backup",
        "completion": "monoskope.m8.cli.main:completion",
        "dev": "monoskope.m8.cli.dev:dev",
        "doctor": "monoskope.m8.cli.doctor:doctor",
        "events": "monoskope.m8.cli.events:events",
        "init": "monoskope.m8.cli.init:init",
        "log": "monoskope.m8.cli.log:log",
        "reactor": "monoskope.m8.cli.main:reactor",
        "readmodels": "monoskope.m8.cli.server:readmodels",
        "replicas": "monoskope.m8.cli.server:list_replicas",
        "role-binding": "monoskope.m8.cli.access:role_binding",
        "serve": "monoskope.m8.cli.server:serve",
        "stores": "monoskope.m8.cli.main:stores",
        "tls": "monoskope.m8.cli.tls:tls",
        "token": "monoskope.m8.cli.access:token",
        "version": "monoskope.m8.cli.main:version",
    }
)


class Program(LazyGroup):
    """The program `m8`."""

    places = _COMMANDS


def _show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted and not context.resilient_parsing:
        context.invoke(version)
        context.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def program() -> None:
    """Run and look after m8, the control plane that cannot read your secrets."""


@click.command(cls=Command)
def version() -> None:
    """Print the version of m8."""
    click.echo(f"m8 {monoskope.__version__}")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(shell_completion.SHELLS))
def completion(shell: str) -> None:
    """Print a completion script for your shell.

    \b
    bash:  source <(m8 completion bash)
    zsh:   source <(m8 completion zsh)
    fish:  m8 completion fish | source
    """  # noqa: D301 - click wants the character itself
    click.echo(shell_completion.script(click.get_current_context().find_root().command, "m8", shell))


class PassThrough(click.Command):
    """A command that passes all arguments, also `--help` and `--`, to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep `args` as they are."""
        ctx.args = list(args)
        return ctx.args


@click.command(cls=PassThrough, options_metavar="", add_help_option=False)
@click.pass_context
def reactor(context: click.Context) -> None:
    """Run the reactor's program (m8 reactor --help)."""
    become_reactor(*context.args)


@click.group(cls=Group)
def stores() -> None:
    """Check the engines behind stores."""


@stores.command(
    cls=PassThrough,
    options_metavar="DIR|FILE",
    add_help_option=False,
    short_help="Run the driver suite against a configured engine.",
)
@click.pass_context
def check(context: click.Context) -> None:
    """Run the driver suite against a configured engine, below a path of its own (m8 stores check --help)."""
    arguments = stores_check_command(*context.args)
    os.execv(arguments[0], arguments)  # noqa: S606  no shell is wanted


def run(arguments: Sequence[str]) -> int:
    """Run `m8` with `arguments` and return its exit code (`ExitCode`)."""
    if shell_completion.completing("m8"):
        _complete()
        return ExitCode.OK
    warn_of_unknown_variables(os.environ)
    try:
        result = program.main(args=list(arguments), prog_name="m8", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = ExitCode.USAGE
    except click.ClickException as error:
        code = _explain(_malformed(error))
    except click.Abort:
        code = ExitCode.INTERRUPTED
    except Error as error:
        code = _explain(error)
    except ModuleNotFoundError as error:
        code = _explain(_missing(error, arguments))
    else:
        return result if isinstance(result, int) else ExitCode.OK
    return code


def _complete() -> None:
    """Answer a shell that completes a command line; the reactor's program knows what follows `m8 reactor`."""
    if shell_completion.verb("m8") == "reactor":
        start.execute(reactor_command(), dict(os.environ))
    shell_completion.answer(program, "m8")


def _malformed(error: click.ClickException) -> UsageError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "m8"
    return UsageError(sentence(error), fix=f"See: {path} --help")


def _missing(error: ModuleNotFoundError, arguments: Sequence[str]) -> UsageError:
    """Return an error that names all extras that the command needs; raise `error` again if it is a defect of ours."""
    if (error.name or "").partition(".")[0] not in _EXTRA:
        raise error
    name, extras = "m8", "m8"
    if "dev" in arguments[:1]:
        name, extras = "m8 dev", DEV_EXTRAS
    elif "backup" in arguments[:1]:
        name, extras = "m8 backup", "m8,backup"
    return UsageError(f"{name} needs the package {error.name}.", fix=f"Install it: pip install 'monoskope[{extras}]'")


def _explain(error: Error) -> ExitCode:
    click.echo(f"error: {escape(error.for_operators)}", err=True)
    if error.fix:
        click.echo(f"fix: {escape(error.fix)}", err=True)
    return exit_code(error)


def warn_of_unknown_variables(names: Iterable[str]) -> None:
    """Warn on standard error of `M8_…` variables that m8 does not read: they may be misspelt."""
    for name in sorted(names):
        if name.startswith("M8_") and name not in VARIABLES and _KUBERNETES.fullmatch(name) is None:
            close = difflib.get_close_matches(name, VARIABLES, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            click.echo(f"warning: the environment variable {name} means nothing to m8.{hint}", err=True)


def main() -> NoReturn:
    """Run `m8` with the process's own arguments and exit."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

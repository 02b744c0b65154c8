"""The `m8` program: its commands, and how it ends. Each command's module is imported when it is called.

`m8 reactor` replaces this process with the reactor's program and imports nothing of it.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import NoReturn

import click

import monoskope
from monoskope import shell_completion, start
from monoskope.errors import Error, UsageError
from monoskope.escape import escape
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.m8.cli.lazy import LazyGroup
from monoskope.m8.programs import reactor_command
from monoskope.usage import sentence

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
        "completion": "monoskope.m8.cli.completion:completion",
        "dev": "monoskope.m8.cli.dev:dev",
        "events": "monoskope.m8.cli.events:events",
        "init": "monoskope.m8.cli.server:init",
        "log": "monoskope.m8.cli.log:log",
        "reactor": "monoskope.m8.cli.reactor:reactor",
        "readmodels": "monoskope.m8.cli.server:readmodels",
        "replicas": "monoskope.m8.cli.replicas:list_replicas",
        "role-binding": "monoskope.m8.cli.role_binding:role_binding",
        "serve": "monoskope.m8.cli.serve:serve",
        "stores": "monoskope.m8.cli.stores:stores",
        "tls": "monoskope.m8.cli.tls:tls",
        "token": "monoskope.m8.cli.token:token",
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


@click.command()
def version() -> None:
    """Print the version of m8."""
    click.echo(f"m8 {monoskope.__version__}")


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
    """Return click's error as one of ours."""
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

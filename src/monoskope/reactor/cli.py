"""`m8 reactor …`: set a reactor up, run it.

This file only parses and prints. It is long because each option of each command stands here with its help.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from monoskope.command_line import Group
from monoskope.errors import Error, UsageError, docs_page
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.reactor import settings
from monoskope.reactor.arguments import FILE, folder_argument, settings_argument
from monoskope.reactor.fingerprint_key_cli import fingerprint_key
from monoskope.start import stores_check_command
from monoskope.text import counted
from monoskope.uri import check_store_name


class MissingExtraError(UsageError):
    """A package of one of our extras is not installed."""

    def __init__(self, package: str | None) -> None:
        super().__init__(
            f"the reactor needs the package {package!r}, which is not installed.",
            fix="Install it with: pip install 'monoskope[reactor,age,vault]' (age and vault as your engine needs).",
        )


def main() -> NoReturn:
    """Run the command line and exit."""
    from monoskope import shell_completion, start  # noqa: PLC0415

    if shell_completion.completing("m8"):
        shell_completion.answer(_group, "m8", below="reactor")
        sys.exit(0)
    try:
        start.close_memory()
        start.loaded()
        _group(prog_name="m8 reactor", standalone_mode=True)
    except Error as error:
        _stop(error)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("monoskope"):
            raise
        _stop(MissingExtraError(error.name))
    sys.exit(0)


def _stop(error: Error) -> NoReturn:
    click.echo(f"error: {error.message}", err=True)
    if error.fix:
        click.echo(f"fix: {error.fix}", err=True)
    sys.exit(exit_code(error))


class _Group(Group):
    """The outermost group: Ctrl-C ends it with the exit code that it has everywhere."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.Abort, KeyboardInterrupt):
            click.echo("error: interrupted.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def _group() -> None:
    """Run a secret reactor beside its engine, and set it up."""


@_group.command(short_help="Make DIR with settings and a new identity.")
@folder_argument
@click.option("--store", required=True, metavar="NAME", help="The store that it serves; never changes.")
@click.option(
    "--server",
    required=True,
    metavar="HOST:PORT[,…]",
    help="The address of m8, or several of one log.",
)
@click.option("--ca-file", required=True, type=FILE, help="The CA certificates for m8, PEM.")
@click.option(
    "--type",
    "kind",
    required=True,
    metavar="TYPE",
    help=f"The kind of engine, e.g. vault; {docs_page('stores')} has all.",
)
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    metavar="PATH",
    help="A path prefix to serve; can be repeated. Without it the reactor serves all paths.",
)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the engine, such as address=https://bao.example:8200, auth.role_id=… or hosts=a:1,b:1; can be"
    " repeated. Relative paths begin at DIR. An empty VALUE leaves a first setting out.",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="PATTERN",
    help="Accounts to serve, such as 'orders_*', with an engine of accounts alone; can be repeated.",
)
@click.option("--check", "checks", is_flag=True, help="Try the engine with these settings, as m8 stores check does.")
@click.option(
    "--first", "is_first", is_flag=True, help="For the first reactor of this m8: make the fingerprint key, too."
)
@click.option(
    "--allow-swap",
    is_flag=True,
    help="Run even if memory could be swapped to disk, and write no unit. Only to try things out.",
)
def init(
    *,
    folder: Path,
    store: str,
    server: str,
    ca_file: Path,
    kind: str,
    prefixes: tuple[str, ...],
    given: tuple[str, ...],
    accounts: tuple[str, ...],
    checks: bool,
    is_first: bool,
    allow_swap: bool,
) -> None:
    """Create DIR with settings and a new identity, say what comes next, and print the identity on the last line.

    The engine's settings are a driver's first ones with those of --set; the page on the kind of engine has all. What
    the engine needs and nobody gave is asked for on a terminal.
    """
    from monoskope import systemd  # noqa: PLC0415 - help needs none of it
    from monoskope.reactor import engine_table, setup  # noqa: PLC0415
    from monoskope.reactor.identity import fingerprint_key_transfer, store_identity  # noqa: PLC0415
    from monoskope.stores import registry  # noqa: PLC0415

    check_store_name(store)
    driver = registry.find(kind)
    setup.make_folder(folder)
    engine = engine_table.new(driver, folder, given, _ask if _asks() else None)
    setup.write(
        folder,
        server=server,
        ca_file=systemd.copied(ca_file.resolve(), folder, setup.CA_FILE, lambda said: click.echo(said, err=True)),
        store=store,
        prefixes=list(prefixes) or [""],
        driver=driver,
        engine=engine,
        accounts=list(accounts),
        allow_swap=allow_swap,
    )
    made = store_identity.make(folder, store=store).shown
    if is_first:
        fingerprint_key_transfer.make(folder, replace=False)
    code = _check_engine(folder) if checks else 0
    checked = checks and not code
    found = settings.read(folder)
    running = setup.write_unit(found, is_trial=allow_swap)
    click.echo(setup.next_steps(found, running, identity=made, checked=checked, is_first=is_first), err=True)
    if code:
        sys.exit(code)
    _print_identity(made)


def _asks() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty()


def _ask(setting: str) -> str:
    return str(click.prompt(f"engine: {setting}", err=True))


def _check_engine(folder: Path) -> int:
    """Do what `m8 stores check` does, and return its exit code."""
    import subprocess  # noqa: PLC0415 - as above

    done = subprocess.run(stores_check_command(str(folder)), check=False, stdout=sys.stderr)  # noqa: S603 - ours
    if done.returncode:
        where = folder / settings.SETTINGS_FILE
        click.echo(f"{folder} is made, and its engine did not pass. Correct [engine] in {where}.", err=True)
    return done.returncode


@_group.command()
@folder_argument
def run(folder: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    from monoskope import event_loop, failpoints, operating_log, start  # noqa: PLC0415
    from monoskope.reactor import run as running  # noqa: PLC0415
    from monoskope.reactor.memory import harden  # noqa: PLC0415

    operating_log.set_up(sys.stderr)
    armed = failpoints.arm(os.environ)
    warnings = harden(allow_swap=settings.read_file(folder).allow_swap)
    warnings = [sentence for sentence in (armed, start.warning()) if sentence] + warnings
    event_loop.run(running.run(folder, warnings=warnings))


@_group.command(short_help="Write the systemd unit again.")
@folder_argument
def unit(folder: Path) -> None:
    """Write the systemd unit again, as after a change of operations_listen, and say how root installs it."""
    from monoskope.reactor import setup  # noqa: PLC0415 - help needs none of it

    for what, command in setup.write_unit(settings.read(folder)):
        click.echo(f"{what}:\n  {command}")


@_group.command()
@folder_argument
def identity(folder: Path) -> None:
    """Print the store's identity."""
    from monoskope.reactor.identity import store_identity  # noqa: PLC0415

    _print_identity(store_identity.Identity.load(folder, store=settings.read_file(folder).store).shown)


@_group.command(short_help="Print the least rights in the engine.")
@settings_argument
def policy(file: Path) -> None:
    """Print the least rights that a reactor needs in its engine, in the engine's own policy language.

    DIR is the reactor's folder, FILE its settings. A kind of store whose engine has no such language says so. Nothing
    is asked of the engine, and no credential is read.
    """
    click.echo(settings.read(file.parent, file.name).policy(), nl=False)


@_group.command("rotate-identity", short_help="Give the store a new identity.")
@folder_argument
@click.option("--finish", is_flag=True, help="All replicas have the new key: delete the former one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rotate_identity(folder: Path, *, finish: bool, yes: bool) -> None:
    """Give the store a new identity, proven by the old one, and print it.

    First stop all replicas of the store. The command says what users will see, and asks. m8 must say that no replica is
    attached and that nothing is being written; its log then shows later what the former identity had signed. Copy the
    folder's identity.key and rotations to all replicas, start them, and run the command again with --finish.
    """
    from monoskope.reactor import rotate_identity as rotation  # noqa: PLC0415 - help needs none of it

    if finish:
        count = rotation.serving(folder)
        click.echo(
            f"m8 says that {counted(count, 'process serves', 'processes serve')} under the new identity.", err=True
        )
        if not yes:
            _agree("Are these all replicas? The former key is deleted then.")
        rotation.finish(folder)
        click.echo("The former key is deleted here. Delete your other copies of it.", err=True)
        return
    click.echo(rotation.before(folder), err=True)
    if not yes:
        _agree("Give the store a new identity now?")
    click.echo(rotation.ASKING, err=True)
    made, after = rotation.begin(folder)
    _print_identity(made.shown)
    click.echo(after, err=True)


@_group.command("copy-key", short_help="Make the key that signs what copies put elsewhere.")
@folder_argument
def copy_key(folder: Path) -> None:
    """Make the key that signs what copies put elsewhere, unless there is one, and print its line for their lists.

    A store whose reactor has [signers] takes a copy if its allowed_signers has this line, and a [[signers.may]] allows
    it. Copy the file copy.key to all replicas of this store. It signs for copies that a key of this store's own
    [signers] signed, and for no others.
    """
    from monoskope.reactor.identity import copy_key as key  # noqa: PLC0415

    store = settings.read_file(folder).store
    click.echo(key.make(folder, store=store))
    click.echo(key.AFTER.format(principal=key.principal_of(store)), err=True)


@_group.command(short_help="Check the settings, and show who must sign what.")
@settings_argument
def check(file: Path) -> None:
    """Check the settings and the lists of [signers], and show who may have what done.

    DIR is the reactor's folder, FILE its settings. Nothing is asked of the engine or of m8, and no credential is read.
    """
    from monoskope.reactor import setup  # noqa: PLC0415

    click.echo(setup.check(settings.read(file.parent, file.name)), nl=False)


def _print_identity(identity: str) -> None:
    """Print an identity on standard output, and on a terminal also in groups, as users see it who compare."""
    from monoskope.protocol.identity import grouped  # noqa: PLC0415

    if sys.stderr.isatty():
        click.echo(f"To compare by eye: {grouped(identity)}", err=True)
    click.echo(identity)


def _agree(question: str) -> None:
    """Ask on the terminal. Raises `UsageError` without one, or if the answer is no."""
    if not _asks():
        raise UsageError("there is no terminal to ask on; nothing was changed.", fix="Say --yes if you mean it.")
    if not click.confirm(question, default=False, err=True):
        raise UsageError("you did not agree; nothing was changed.", fix="Nothing to do.")


_group.add_command(fingerprint_key)

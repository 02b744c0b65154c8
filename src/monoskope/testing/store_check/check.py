"""`m8 stores check DIR`: does this engine, under these settings, keep what its driver promises?

Runs the suite of `monoskope.testing.drivers` on the configured engine, below a new path of its own, and says of each
promise whether it holds. Exit codes: 0 all that could be checked hold, 1 one is broken; else as everywhere.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from monoskope import start
from monoskope.command_line import Command
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.reactor.arguments import SETTINGS_PATH, settings_argument, settings_file

if TYPE_CHECKING:
    from monoskope.testing.store_check.suite import Checked

_NEEDED = ("pytest", "pytest_asyncio")


@click.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@settings_argument
@click.option(
    "--reader",
    metavar="DIR|FILE",
    type=SETTINGS_PATH,
    help="Settings for the same engine that may read, where those of DIR|FILE may not.",
)
@click.option("--verbose", is_flag=True, help="Show where a promise broke, and each that is not checked.")
def check(file: Path, reader: Path | None, *, verbose: bool) -> None:
    """Check that a configured engine keeps what its driver promises.

    DIR is a reactor's folder, FILE its settings; the `[engine]` table and the first of the `prefixes` are used.

    It writes about three hundred small secrets, and the largest ones that fit, below a new path of its own, and deletes
    them again as far as the settings allow; what it deletes softly stays so. m8 is not needed. What would need the
    engine to be down is not checked, nor what the settings do not allow. Of accounts it makes none: there it only opens
    the engine, and looks whether the reactor's own account may do its work.
    """
    _need_extras(file)
    from monoskope.reactor import settings  # noqa: PLC0415 - after the check that it can work

    start.close_memory()
    _rewrite_asserts()
    from monoskope.testing.store_check.suite import Checked  # noqa: PLC0415

    configured = settings.read(file.parent, file.name)
    checked = Checked(configured, file.parent, (*configured.prefixes[0].path, f"m8-check-{secrets.token_hex(4)}"))
    if configured.accounts is not None:
        asyncio.run(_introduce(checked))
        click.echo("The suite makes secrets of its own, so it is not run on accounts. Generate a password for one that")
        click.echo("nobody uses, and log in with it.")
        return
    if reader is not None:
        reader = settings_file(reader)
        checked.reader = settings.read(reader.parent, reader.name), reader.parent
    sys.exit(_run(checked, verbose=verbose))


def _need_extras(file: Path) -> None:
    """Raise `UsageError` if a package is missing that the suite or the reactor needs; names the one line that helps."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"m8 stores check needs the package {missing[0]}, which is not installed.",
            fix=f"Install it: pip install 'monoskope[{','.join(['reactor', 'check', *_engine_extra(file)])}]'",
        )


def _engine_extra(file: Path) -> list[str]:
    """Return the extra of the engine that the settings name, nothing if they cannot be read or it is not ours."""
    try:
        kind = tomllib.loads(file.read_text(encoding="utf-8"))["engine"]["type"]
        extra = str(kind).partition("-")[0]
        offered = metadata.metadata("monoskope").get_all("Provides-Extra") or []
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [extra] if extra in offered else []


def _rewrite_asserts() -> None:
    import pytest  # noqa: PLC0415 - an extra

    pytest.register_assert_rewrite("monoskope.testing.drivers")


def _run(checked: Checked, *, verbose: bool) -> int:
    import pytest  # noqa: PLC0415 - an extra

    from monoskope.testing.store_check import report as reports  # noqa: PLC0415 - it needs the extra
    from monoskope.testing.store_check import suite  # noqa: PLC0415 - they need the extra

    asyncio.run(_introduce(checked))
    report = reports.Report(checked, verbose=verbose)
    # Neither the user's options, their plugins nor a pytest.ini nearby have a say.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    arguments = ["-c", os.devnull, "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
    arguments += ["-o", "asyncio_default_fixture_loop_scope=function", str(suite.__file__)]
    try:
        ended = pytest.main(arguments, plugins=[report])
    finally:
        left = asyncio.run(checked.clean())
    report.finish(left)
    if ended not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return ExitCode.INTERRUPTED if ended == pytest.ExitCode.INTERRUPTED else ExitCode.INTERNAL
    return ExitCode.INTERNAL if report.broken else ExitCode.OK


async def _introduce(checked: Checked) -> None:
    """Open the engine once and say what it announces. Raises what opening raises, and `UsageError`."""
    driver = await checked.open()
    try:
        if checked.settings.accounts is None:
            driver.check(checked.below, None)
    finally:
        await driver.close()
    can = driver.capabilities
    if can.key_rule is not None and can.key_rule.fullmatch("k") is None:
        raise UsageError(
            "the suite writes the key `k`, which these settings do not allow.",
            fix="Check a copy of the settings whose raw_key is k.",
        )
    click.echo(f"kind      {driver.kind}, {driver.maturity}")
    click.echo(f"layout    {can.layout or 'not announced'}")
    flags = (
        "check_and_set",
        "versions",
        "write_tag",
        "readable",
        "patchable",
        "deletable",
        "soft_delete",
        "undeletable",
        "rollbackable",
        "listable",
    )
    click.echo(f"announces {', '.join(flag for flag in flags if getattr(can, flag)) or 'nothing'}")
    if lacking := [flag for flag in flags if not getattr(can, flag)]:
        click.echo(f"          not {', '.join(lacking)}")
    click.echo(f"below     {checked.settings.store}://{'/'.join(checked.below)}\n")


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        check(prog_name="m8 stores check", standalone_mode=True)
    except Error as error:
        click.echo(f"error: {error.message}", err=True)
        if error.fix:
            click.echo(f"fix: {error.fix}", err=True)
        sys.exit(exit_code(error))
    sys.exit(ExitCode.OK)


if __name__ == "__main__":
    main()

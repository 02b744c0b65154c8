"""`m8 reactor fingerprint-key …`: make the fingerprint key, and carry it to other reactors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monoskope.command_line import Group
from monoskope.errors import UsageError
from monoskope.reactor.arguments import FILE, folder_argument
from monoskope.settings import write_private


@click.group("fingerprint-key", cls=Group, short_help="Make, export and import the fingerprint key.")
def fingerprint_key() -> None:
    """Make the fingerprint key, and carry it to every reactor of one m8."""


_passphrase_file_option = click.option(
    "--passphrase-file",
    metavar="FILE",
    help="Read the passphrase from the one line of this private file, of /dev/fd/N, or of standard input for '-'.",
)
_replace_option = click.option(
    "--replace",
    is_flag=True,
    help="Also if this reactor has another key. That one is kept in the folder, as fingerprint.key.ID.",
)


@fingerprint_key.command()
@folder_argument
@_replace_option
def new(folder: Path, *, replace: bool) -> None:
    """Make the key and print its id. Do this once, then export the key to the other reactors."""
    from monoskope.reactor.identity import fingerprint_key_transfer  # noqa: PLC0415 - help needs none of it

    click.echo(fingerprint_key_transfer.make(folder, replace=replace).key_id)


@fingerprint_key.command("id")
@folder_argument
def id_(folder: Path) -> None:
    """Print the id of the key: the middle part of each hash. The key itself is never shown."""
    from monoskope.reactor.identity.fingerprint import FingerprintKey  # noqa: PLC0415

    click.echo(FingerprintKey.load(folder).key_id)


@fingerprint_key.command("export", short_help="Write the key, encrypted with age.")
@folder_argument
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="age1…",
    help="Encrypt it to this age recipient; can be repeated.",
)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase and encrypt the key with it.")
@_passphrase_file_option
@click.option("-o", "--output", type=FILE, help="Write to this file, mode 0600, instead of standard output.")
def export(
    folder: Path, recipients: tuple[str, ...], passphrase_file: str | None, output: Path | None, *, passphrase: bool
) -> None:
    """Write the key, encrypted with age, so that you can carry it to another reactor."""
    from monoskope.reactor.identity import fingerprint_key_transfer  # noqa: PLC0415

    if [bool(recipients), passphrase, passphrase_file is not None].count(True) != 1:
        raise UsageError(
            "the key leaves this folder encrypted only, in one way.",
            fix="Give --recipient, --passphrase or --passphrase-file.",
        )
    if recipients:
        exported = fingerprint_key_transfer.export_to(folder, recipients)
    else:
        exported = fingerprint_key_transfer.export_with(folder, _passphrase(passphrase_file, twice=True))
    if output is None:
        sys.stdout.buffer.write(exported)
    else:
        write_private(output, exported)


@fingerprint_key.command("import")
@folder_argument
@click.argument("file", type=FILE)
@click.option("--identity", "identity_file", type=FILE, help="The age identity file it was encrypted for.")
@_passphrase_file_option
@_replace_option
def import_(
    folder: Path, file: Path, identity_file: Path | None, passphrase_file: str | None, *, replace: bool
) -> None:
    """Import an exported key and print its id.

    Without --identity and --passphrase-file the command asks for the passphrase.
    """
    from monoskope.reactor.identity import fingerprint_key_transfer  # noqa: PLC0415

    if identity_file is not None and passphrase_file is not None:
        raise UsageError("the key was encrypted in one way.", fix="Give --identity or --passphrase-file.")
    if identity_file is not None:
        imported = fingerprint_key_transfer.import_with_identity(folder, file, identity_file, replace=replace)
    else:
        passphrase = _passphrase(passphrase_file)
        imported = fingerprint_key_transfer.import_with_passphrase(folder, file, passphrase, replace=replace)
    click.echo(imported.key_id)


def _passphrase(file: str | None, *, twice: bool = False) -> str:
    """Return the passphrase in `file`, or ask for it. Raises `UsageError` where no terminal can ask."""
    from monoskope.reactor.identity import fingerprint_key_transfer  # noqa: PLC0415

    if file is not None:
        return fingerprint_key_transfer.read_passphrase(file)
    try:
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError(
            "there is no terminal to ask for the passphrase on.",
            fix="Give --passphrase-file FILE ('-' is standard input), or encrypt the key to a --recipient.",
        ) from None

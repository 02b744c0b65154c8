"""`m8 tls renew|activate`: the server's certificate. A server that runs takes a new one by itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from monoskope.command_line import Group
from monoskope.m8 import renewal, settings
from monoskope.m8.cli.common import folder_option
from monoskope.times import instant


@click.group(cls=Group)
def tls() -> None:
    """Renew the server's certificate; m8 doctor shows it."""


@tls.command()
@folder_option
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="A further name for the certificate; can be repeated."
)
@click.option(
    "--ca-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The key of the CA, if it is not ca.key in the folder; mode 0600.",
)
@click.option("--new-ca", is_flag=True, help="Make a new CA, although the key of the present one is there.")
@click.option("--no-ca-key", is_flag=True, help="Do not keep the key of a new CA.")
def renew(folder: Path, names: tuple[str, ...], ca_key: Path | None, *, new_ca: bool, no_ca_key: bool) -> None:
    """Make a new key and a new certificate for the server.

    If the key of the CA is there, the new certificate is put in place, and clients need nothing. If it is not, a new CA
    is made: then give the new ca.crt to every client and reactor, and put the certificate in place afterwards, with m8
    tls activate.
    """
    loaded = settings.load(folder)
    now = dt.datetime.now(dt.UTC)
    renewed = renewal.renew(loaded, now=now, names=names, ca_key=ca_key, new_ca=new_ca, keep_ca_key=not no_ca_key)
    click.echo(f"The new certificate is valid until {_day(renewed.expires)}, for {', '.join(renewed.names)}.")
    for line in _next_steps(folder, renewed):
        click.echo(line)
    dialled = {name.host for name in loaded.names}
    for name in names:
        if name not in dialled:
            click.echo(
                f'Reactors that dial {name} are let in once `names` in m8.toml has "{name}:PORT", and m8 is restarted.'
            )


def _next_steps(folder: Path, renewed: renewal.Renewed) -> list[str]:
    here = f" --dir {folder}" if folder != settings.default_folder() else ""
    bundle = folder / renewal.CA_FILE
    if renewed.is_in_place and not renewed.is_new_ca:
        return ["It is in place: a server that runs presents it to every new connection. Clients need nothing."]
    if renewed.is_in_place:
        return [
            "A new CA signed it, and it is in place, because the certificate before it had expired.",
            f"Give {bundle} to every client and reactor: until then they refuse this server.",
        ]
    return [
        "A new CA signed it. It waits; the server presents its present certificate until you say otherwise. Next:\n",
        f"  1. Give {bundle} to every client and reactor. It holds the old CA and the new one.",
        "     Restart the reactors.",
        f"  2. m8 tls activate{here}",
    ]


@tls.command(short_help="Put the certificate of a new CA in place.")
@folder_option
@click.option("--forget-old-ca", is_flag=True, help="Leave in ca.crt only the CA that signed the certificate.")
def activate(folder: Path, *, forget_old_ca: bool) -> None:
    """Put a certificate in place that waits because a new CA signed it.

    Clients and reactors that do not have the new ca.crt refuse the server from then on.
    """
    present = renewal.activate(settings.load(folder), forget_old_ca=forget_old_ca)
    click.echo(f"The certificate in place is valid until {_day(present.not_valid_after_utc)}.")
    click.echo("A server that runs presents it to every new connection.")


def _day(moment: dt.datetime) -> str:
    return instant(int(moment.timestamp() * 1000))

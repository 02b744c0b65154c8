"""`monoctl logout`."""

from __future__ import annotations

import click

from monoskope.client.login.ending import log_out
from monoskope.client.login.kept import login_path
from monoskope.errors import NotFoundError, UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal, write


@click.command(short_help="Forget your login.")
@connection_options
def logout(session: CommandSession) -> None:
    """Forget your login for this server: the issuer is asked to revoke it, and what is kept here is removed.

    A token of m8 that came of it counts for 15 minutes at most. Your session in the browser is the issuer's affair.
    """
    found = session.found()
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Run `monoctl config set server SERVER`.")
    server = check_servers(found["server"].value)[0]
    path = login_path(server)
    if path is None or not path.exists():
        raise NotFoundError(f"there is no login for {server}.", fix="Nothing is to be done.")
    for sentence in log_out(path):
        terminal.warn(sentence)
    write.out(f"You are logged out of {server}.")

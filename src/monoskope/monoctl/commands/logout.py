"""`monoctl logout`."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.credential import FixedToken
from monoskope.client.login.ending import log_out
from monoskope.client.login.kept import login_path, read
from monoskope.client.login.unverified import claims_of
from monoskope.errors import Code, Error, NotFoundError, UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal, write


@click.command(short_help="Forget your login.")
@connection_options
def logout(session: CommandSession) -> None:
    """Forget your login for this server: the issuer is asked to revoke it, and what is kept here is removed.

    The token of m8 that came of it is revoked. Your session in the browser is the issuer's affair.
    """
    found = session.found()
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Run `monoctl config set server SERVER`.")
    server = check_servers(found["server"].value)[0]
    path = login_path(server)
    if path is None or not path.exists():
        raise NotFoundError(f"there is no login for {server}.", fix="Nothing is to be done.")
    _revoke(session, path)
    for sentence in log_out(path):
        terminal.warn(sentence)
    write.out(f"You are logged out of {server}.")


def _revoke(session: CommandSession, path: Path) -> None:
    """Revoke m8's own token, of which somebody may have a copy. If m8 does not answer, the user is told."""
    kept = read(path)
    issued = None if kept is None else kept.issued("")
    token_id = None if issued is None else claims_of(issued.token).get("jti")
    if issued is None or not isinstance(token_id, str):
        return

    async def work(client: Client) -> None:
        await client.access.revoke_token(token_id)

    try:
        session.run(work, credential=FixedToken(issued.token))
    except Error as error:
        if error.code not in {Code.UNAUTHENTICATED, Code.NOT_FOUND}:  # it counts no more
            terminal.warn(f"The token of m8 counts for {issued.lasts_s / 60:.0f} minutes more: {error.message}")
